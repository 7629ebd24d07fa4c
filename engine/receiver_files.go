package engine

import (
	"errors"
	"fmt"
	"sync"

	"scp_rdma/localfs"
	"scp_rdma/wire"
)

// inFile is an announced file of the receiver, until its end.
type inFile struct {
	id     uint64
	parent *inDir
	put    localfs.Put

	// The kernel lets one writer at a time into an inode and has the others spin
	// (rwsem_spin_on_owner: 2.4 % of all time with two streams on two cores);
	// here they sleep.
	writing sync.Mutex

	mu      sync.Mutex
	pending localfs.PendingFile // from the first piece on
	have    ranges
	sealed  bool
	writers int
	closed  bool // ended: no further reference, the last writer cleans up
}

// inGroup is a hard-link group whose first file is on its way; others wait.
type inGroup struct {
	first   uint64
	waiting []*inFile
}

// admitFile enters a file. Its answer is "need", unless it is a further name of
// a file that is there or coming.
func (r *receiver) admitFile(e *wire.Entry, parent *inDir, name string) wire.Answer {
	f := &inFile{id: e.ID, parent: parent, put: localfs.Put{
		Dir: parent.dir, Name: name, Size: e.Size, Meta: metaOf(e),
		Group: e.Group, GroupLast: e.GroupPos&wire.GroupLast != 0,
	}}
	r.mu.Lock()
	r.files[e.ID] = f
	if e.Group == 0 {
		r.mu.Unlock()
		return wire.Answer{ID: e.ID, Action: wire.ActionNeed}
	}
	if g := r.groups[e.Group]; g != nil {
		g.waiting = append(g.waiting, f)
		r.mu.Unlock()
		return wire.Answer{}
	}
	r.groups[e.Group] = &inGroup{first: e.ID}
	r.mu.Unlock()
	if e.GroupPos&wire.GroupMember == 0 {
		return wire.Answer{ID: e.ID, Action: wire.ActionNeed}
	}
	a := r.tryLink(f)
	if a.Action != wire.ActionNeed {
		r.groupEnded(f)
	}
	return a
}

// tryLink makes a further name of a group's file, or says that bytes are needed.
func (r *receiver) tryLink(f *inFile) wire.Answer {
	linked, err := r.sink.Link(f.put)
	switch {
	case err != nil:
		r.stopIfFatal(err)
		r.totals.failed.Add(1)
		r.forget(f)
		return failed(f.id, err)
	case linked:
		r.totals.links.Add(1)
		r.forget(f)
		return wire.Answer{ID: f.id, Action: wire.ActionDone}
	}
	return wire.Answer{ID: f.id, Action: wire.ActionNeed}
}

// forget takes a file out of the table and counts it down in its directory.
func (r *receiver) forget(f *inFile) {
	r.mu.Lock()
	_, open := r.files[f.id]
	delete(r.files, f.id)
	r.mu.Unlock()
	if open {
		r.childEnded(f.parent)
	}
}

// groupEnded lets those go on that waited for f: they are links now, or the
// next of them becomes the one whose bytes are needed.
func (r *receiver) groupEnded(f *inFile) {
	if f.put.Group == 0 {
		return
	}
	r.mu.Lock()
	g := r.groups[f.put.Group]
	if g == nil || g.first != f.id {
		r.mu.Unlock()
		return
	}
	waiting := g.waiting
	delete(r.groups, f.put.Group)
	r.mu.Unlock()
	for i, w := range waiting {
		a := r.tryLink(w)
		if a.Action == wire.ActionNeed {
			r.mu.Lock()
			next := &inGroup{first: w.id, waiting: waiting[i+1:]}
			if newer := r.groups[f.put.Group]; newer != nil {
				next.waiting = append(next.waiting, newer.waiting...)
			}
			r.groups[f.put.Group] = next
			r.mu.Unlock()
			r.out.answer(a)
			return
		}
		r.out.answer(a)
	}
}

// end settles a file: out of the table, its directory and group told.
func (r *receiver) end(f *inFile, err error) wire.Result {
	r.forget(f)
	r.groupEnded(f)
	if err != nil {
		r.stopIfFatal(err)
		r.totals.failed.Add(1)
		return wire.Result{ID: f.id, Status: wire.StatusFailed, Text: clip(err.Error())}
	}
	r.totals.files.Add(1)
	r.totals.bytes.Add(uint64(f.put.Size))
	return wire.Result{ID: f.id, Status: wire.StatusOK}
}

// abort ends entries whose source can't be sent.
func (r *receiver) abort(ids []uint64) {
	for _, id := range ids {
		r.mu.Lock()
		f := r.files[id]
		r.mu.Unlock()
		if f == nil {
			continue // it has ended by itself; its result is on the way
		}
		f.discard()
		r.totals.failed.Add(1)
		r.forget(f)
		r.groupEnded(f)
		r.out.result(nil, nil, []wire.Result{{ID: id, Status: wire.StatusAborted}})
	}
}

// replace drops the first try of a file that is announced once more. It gets no result.
func (r *receiver) replace(id uint64) {
	r.mu.Lock()
	f := r.files[id]
	r.mu.Unlock()
	if f == nil {
		return
	}
	f.discard()
	r.forget(f)
	r.groupEnded(f)
}

// discard leaves nothing of the file; pieces that still come are dropped.
func (f *inFile) discard() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.cleanUp()
}

// cleanUp frees the pending file when nobody writes it any more. f.mu is held.
func (f *inFile) cleanUp() {
	if f.closed && f.writers == 0 && f.pending != nil {
		f.pending.Discard()
		f.pending = nil
	}
}

// errDropped: a piece of a file that has ended.
var errDropped = errors.New("piece of a file that has ended")

// write puts one piece into the file. done: with it the file has ended, by
// commit or by err. Pieces of one file may come on several streams at once.
func (f *inFile) write(r *receiver, c wire.Chunk, data []byte) (done bool, err error) {
	n := chunkLen(c, f.put.Size)
	if err := f.begin(r); err != nil {
		return !errors.Is(err, errDropped), err
	}
	if c.Flags&wire.ChunkHole == 0 {
		f.writing.Lock()
		err = f.pending.WriteAt(data, int64(c.Offset))
		f.writing.Unlock()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writers--
	if err != nil {
		first := !f.closed
		f.closed = true
		f.cleanUp()
		return first, err
	}
	f.have.add(int64(c.Offset), int64(c.Offset)+n)
	f.sealed = f.sealed || c.Flags&wire.ChunkSeal != 0
	if f.closed || f.writers > 0 || !f.sealed || !f.have.covers(f.put.Size) {
		f.cleanUp()
		return false, nil
	}
	f.closed = true
	err = f.pending.Commit()
	f.cleanUp()
	return true, err
}

// begin takes a reference for one write, and makes the file with the first.
func (f *inFile) begin(r *receiver) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return errDropped
	}
	if f.pending == nil {
		p, err := r.create(f.put)
		if err != nil {
			f.closed = true
			return err
		}
		f.pending = p
	}
	f.writers++
	return nil
}

// create begins a file, of which no more than so many may be begun at once:
// each holds a descriptor.
func (r *receiver) create(p localfs.Put) (localfs.PendingFile, error) {
	if n := r.begun.Add(1); n > int64(r.limits.Files) {
		r.begun.Add(-1)
		return nil, fmt.Errorf("%d files begun at once, %d allowed (--max-open-files): %w", n, r.limits.Files, ErrProtocol)
	}
	f, err := r.sink.CreateFile(p)
	if err != nil {
		r.begun.Add(-1)
		return nil, err
	}
	return &begunFile{f, r}, nil
}

// begunFile gives its place back when it ends.
type begunFile struct {
	localfs.PendingFile
	r *receiver
}

// Discard implements localfs.PendingFile. It is called once, whatever came of the file.
func (b *begunFile) Discard() {
	b.PendingFile.Discard()
	b.r.begun.Add(-1)
}

// putWhole makes a file that came in one piece.
func (f *inFile) putWhole(sink Sink, data []byte) (done bool, err error) {
	f.mu.Lock()
	if f.closed || f.pending != nil {
		f.mu.Unlock()
		return false, fmt.Errorf("whole file %d: %w", f.id, errDropped)
	}
	f.closed = true
	f.mu.Unlock()
	return true, sink.PutFile(f.put, data)
}
