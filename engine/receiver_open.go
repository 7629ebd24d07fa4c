package engine

import (
	"context"
	"crypto/hmac"
	"encoding/hex"
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
// below the target that no disk may have. That is on the disk before the first entry is
// taken (admitAll), and meanwhile the streams are made.
func (r *receiver) remember() {
	path := r.sink.Path()
	if r.cfg.State == nil || path == "" {
		return
	}
	r.suspect = r.cfg.State.Suspect(path)
	if r.suspect {
		r.log.Info("this host went down while files were being written there: those that are there are compared by their contents", "path", path)
	}
	if r.fsync {
		return
	}
	noted := make(chan struct{})
	r.noted = noted
	go func() { // waited for by forgetNote
		defer close(noted)
		r.over, r.noteErr = r.cfg.State.Begin(path, r.sourceName())
	}()
}

// waitNoted waits until remember has done its work.
func (r *receiver) waitNoted(ctx context.Context) error {
	if r.noted == nil {
		return nil
	}
	if _, err := wait(ctx, r.noted); err != nil {
		return err
	}
	return r.noteErr
}

// forgetNote tells that the session is over.
func (r *receiver) forgetNote() {
	if r.noted == nil {
		return
	}
	<-r.noted
	if r.over != nil {
		r.over()
	}
}

func (r *receiver) sourceName() string { return hex.EncodeToString(r.source) }

// settled notes that all is there as it should be.
func (r *receiver) settled() {
	if r.suspect && r.totals.failed.Load() == 0 {
		r.cfg.State.Settled(r.sink.Path(), r.sourceName())
	}
}

// unmark ends what markTop began: the client knows that all is done. Before it does, the
// same command must still mean the same.
func (r *receiver) unmark() {
	if r.base.Name != "" && r.vault != nil {
		r.sink.Unmark(r.base.Dir, r.base.Name)
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
