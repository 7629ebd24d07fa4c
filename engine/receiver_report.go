package engine

import (
	"encoding/hex"
	"sync/atomic"
	"time"

	"scp_rdma/wire"
)

// announced is what the sender has announced so far.
type announced struct{ entries, files, bytes atomic.Uint64 }

// add counts an entry.
func (a *announced) add(e *wire.Entry) {
	if e.Replaces != 0 {
		return
	}
	a.entries.Add(1)
	if e.Kind == wire.KindFile {
		a.files.Add(1)
		a.bytes.Add(uint64(e.Size))
	}
}

// recvTotals counts what was made.
type recvTotals struct {
	files, dirs, symlinks, links, bytes, failed, skipped, dropped, unverified atomic.Uint64

	damaged, have atomic.Uint64          // frames; bytes that are there, of what was announced
	current       atomic.Pointer[inFile] // of which something came last
}

func (r *receiver) info() SessionInfo {
	target := r.base.Path
	if r.asked != nil {
		target = r.giving.name()
	}
	return SessionInfo{ID: hex.EncodeToString(r.id[:4]), Peer: r.conn.RemoteAddr().String(), Name: r.conn.Holder().Name, Target: target, Sends: r.asked != nil, Snapshot: r.snapshot}
}

func (r *receiver) report() Report {
	if s := r.giving.sender; s != nil {
		return *s.report()
	}
	t := r.counted()
	rep := Report{
		Files: t.Files, Dirs: t.Dirs, Symlinks: t.Symlinks, Links: t.Links, Bytes: t.Bytes, Failed: t.Failed, Skipped: t.Skipped,
		Elapsed: time.Since(r.started), Encrypted: r.secret != nil,
	}
	if r.del != nil {
		rep.Deleted = r.del.gone
	}
	if r.sink != nil {
		rep.Dropped = r.sink.Dropped()
	}
	if r.streams != nil {
		rep.Transport, rep.Rails = r.streams.counted()
		_, rep.Times.Receiver = r.streams.accounts()
		rep.Times.Admitting, rep.Times.Window = time.Duration(r.admitting.Load()), r.streams.window()
	}
	return rep
}

// spent is the account of this side, as it travels.
func (r *receiver) spent() wire.Spent {
	_, spent := r.streams.accounts()
	w := toSpent(spent)
	w.Admit = min(uint64(r.admitting.Load()), wire.MaxSpent)
	return w
}

// snapshot is the state of the session for whoever watches.
func (r *receiver) snapshot() Snapshot {
	if s := r.giving.sender; s != nil {
		return s.snapshot()
	}
	t := &r.totals
	snap := Snapshot{
		Phase: PhaseSending, Started: r.started, Entries: r.found.entries.Load(), Files: r.found.files.Load(), Bytes: r.found.bytes.Load(),
		FilesDone: t.files.Load() + t.failed.Load() + t.skipped.Load() + t.links.Load(),
		WalkDone:  r.finished() || r.fetch != nil && r.fetch.walked.Load(),
	}
	snap.FilesDone = min(snap.FilesDone, snap.Files)
	snap.BytesDone = min(t.have.Load(), snap.Bytes)
	if f := t.current.Load(); f != nil {
		snap.Current = f.parent.path(f.name)
	}
	if in := r.watched.Load(); in != nil {
		snap.Transport, snap.Rails = in.counted()
		snap.Streams, _ = in.accounts()
	}
	for _, rail := range snap.Rails {
		snap.StreamsRun += rail.Streams
	}
	return snap
}

func (r *receiver) counted() wire.Totals {
	return wire.Totals{
		Files: r.totals.files.Load(), Dirs: r.totals.dirs.Load(), Symlinks: r.totals.symlinks.Load(),
		Links: r.totals.links.Load(), Bytes: r.totals.bytes.Load(), Failed: r.totals.failed.Load(),
		Skipped: r.totals.skipped.Load(),
	}
}
