package engine

import (
	"context"
	"crypto/hmac"
	"fmt"

	"scp_rdma/localfs"
	"scp_rdma/transport"
	"scp_rdma/wire"
)

// takeOver enters the session in the roster, and ends the one in whose place it comes.
func (r *receiver) takeOver(ctx context.Context, o *wire.Open) error {
	r.leave = r.roster.enter(r)
	if len(o.Continues) == 0 {
		return nil
	}
	if err := r.roster.supersede(ctx, transport.ID(o.Continues), r); err != nil {
		return fmt.Errorf("the client's earlier session does not end: %w", err)
	}
	r.log.Info("goes on where an earlier session of the same client was cut off")
	return nil
}

// continues says whether a directory that is there is the top entry of this session,
// begun by an earlier one of the same client.
func (r *receiver) continues(dir localfs.FileID, mark []byte) bool {
	return r.vault != nil && len(r.source) > 0 && hmac.Equal(mark, r.vault.mark(dir, r.source))
}

// markTop notes beside the top directory, if it has got a name of its own, that it is
// not done: the same command is about it then, and not about a place in it.
func (r *receiver) markTop(d *localfs.Dir) {
	if r.base.Name == "" || r.vault == nil || len(r.source) == 0 || !d.Made() {
		return
	}
	id, err := r.sink.DirID(d)
	if err == nil {
		err = r.sink.Mark(r.base.Dir, r.base.Name, r.vault.mark(id, r.source))
	}
	if err != nil {
		r.log.Warn("a directory can't be marked: should this session break off, the same command puts it in there once more", "path", r.base.Path, "error", err)
	}
}

// remember has the server know, also after a power cut, that files are being written
// below the target that no disk may have.
func (r *receiver) remember() error {
	path := r.sink.Path()
	if r.cfg.State == nil || path == "" {
		return nil
	}
	source := fmt.Sprintf("%x", r.source)
	r.suspect = r.cfg.State.Suspect(path)
	if r.suspect {
		r.log.Info("this host went down while files were being written there: those that are there are compared by their contents", "path", path)
	}
	if r.fsync {
		return nil
	}
	end, err := r.cfg.State.Begin(path, source)
	if err != nil {
		return err
	}
	r.over = end
	return nil
}

// settled notes that all is there as it should be.
func (r *receiver) settled() {
	if r.base.Name != "" && r.vault != nil {
		r.sink.Unmark(r.base.Dir, r.base.Name)
	}
	if r.suspect && r.totals.failed.Load() == 0 {
		r.cfg.State.Settled(r.sink.Path(), fmt.Sprintf("%x", r.source))
	}
}

// free is what the target's file system has left, 0 if it doesn't say.
func (r *receiver) free() uint64 {
	n, err := r.sink.Free()
	if err != nil {
		return 0
	}
	return n
}

// addrs is where the server can be reached too.
func (r *receiver) addrs() []string {
	if r.cfg.Addrs == nil {
		return nil
	}
	return r.cfg.Addrs()
}

// replaced ends the session because another has come in its place.
func (r *receiver) replaced(err error) {
	r.mu.Lock()
	c := r.crew
	r.cut = err
	r.mu.Unlock()
	if c != nil {
		c.cancel(err)
		return
	}
	r.conn.Abort() // it is still being greeted
}

// pathOf is a file's name for the log.
func (r *receiver) pathOf(f *inFile) string { return f.put.Dir.Path() + "/" + f.put.Name }
