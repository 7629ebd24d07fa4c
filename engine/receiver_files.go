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
	name   string // as the sender has it
	parent *inDir
	put    localfs.Put
	digest []byte  // for Open.Digest, once it is known
	young  bool    // the source may change without its mtime showing it
	again  bool    // announced once more, because it changed
	stream bool    // its size is not known before its seal
	outlet *outlet // its bytes go there and into no file; nil: into a file

	// The kernel lets one writer at a time into an inode and has the others spin
	// (rwsem_spin_on_owner: 2.4 % of all time with two streams on two cores);
	// here they sleep.
	writing sync.Mutex

	mu       sync.Mutex
	found    *localfs.Found       // what is there under its name, told to the sender to compare
	half     *half                // what an earlier session left of it
	pending  localfs.PendingFile  // from the first piece on
	journal  *journal             // of a pending file that may outlive the session
	sums     []wire.JournalRecord // for --verify: what was written
	have     ranges
	sealed   bool
	writers  int
	size     int64 // of a stream, once it is sealed
	closed   bool  // ended: no further reference, the last writer cleans up
	kept     bool  // then: what has arrived stays for a later session
	checking bool  // whole, and being read back
	books    booked
}

// admitFile enters a file. Its answer is "need", unless it is a further name of
// a file that is there or coming.
func (r *receiver) admitFile(e *wire.Entry, parent *inDir, name string) wire.Answer {
	f := &inFile{id: e.ID, name: string(e.Name), parent: parent, put: localfs.Put{
		Dir: parent.dir, Name: name, Size: e.Size, Meta: metaOf(e),
		Group: e.Group, GroupLast: e.GroupPos&wire.GroupLast != 0,
	}, young: e.Young, again: e.Replaces != 0, stream: e.Stream}
	if e.Stream {
		f.put.Size = localfs.Unsized
	}
	if r.outletFor(f) {
		f.put.Group = 0 // nothing is linked to stdout
	}
	r.mu.Lock()
	r.files[e.ID] = f
	if f.put.Group == 0 {
		r.mu.Unlock()
		a := r.consider(f)
		r.looksOnly(f, a)
		return a
	}
	if g := r.groups[e.Group]; g != nil {
		g.waiting = append(g.waiting, f)
		r.mu.Unlock()
		return wire.Answer{}
	}
	r.groups[e.Group] = &inGroup{first: e.ID}
	r.mu.Unlock()
	var a wire.Answer
	if e.GroupPos&wire.GroupMember == 0 {
		a = r.consider(f)
	} else {
		a = r.tryLink(f)
	}
	if ends(a) {
		r.groupEnded(f)
	}
	r.looksOnly(f, a)
	return a
}

// ends says whether an answer is the end of its file.
func ends(a wire.Answer) bool {
	return a.Action != 0 && a.Action != wire.ActionNeed && a.Action != wire.ActionCompare
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

// end settles a file: out of the table, its directory and group told.
func (r *receiver) end(f *inFile, err error) wire.Result {
	r.forget(f)
	r.groupEnded(f)
	if err != nil {
		r.stopIfFatal(err)
		r.totals.failed.Add(1)
		status := wire.StatusFailed
		if errors.Is(err, ErrVerify) {
			status = wire.StatusUnverified
			r.totals.unverified.Add(1)
		}
		return wire.Result{ID: f.id, Status: status, Text: clip(err.Error())}
	}
	r.totals.files.Add(1)
	r.totals.bytes.Add(uint64(f.length()))
	r.settledHere(f, HowWritten)
	return wire.Result{ID: f.id, Status: wire.StatusOK, Digest: r.digestOf(f)}
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
	f.closed, f.kept = true, false
	if f.outlet != nil {
		f.outlet.stop()
	}
	f.cleanUp()
}

// leave ends the file without its end having come: what has arrived stays for a later
// session, if there is a journal of it.
func (f *inFile) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kept = !f.closed || f.kept
	f.closed = true
	f.cleanUp()
}

// cleanUp frees the pending file when nobody uses it any more. f.mu is held.
func (f *inFile) cleanUp() {
	if !f.closed || f.writers > 0 || f.checking || f.pending == nil {
		return
	}
	p := f.pending
	f.pending = nil
	half := f.kept && f.journal != nil
	f.settle(half)
	if half {
		// What can't be noted is sent again.
		_ = f.journal.flush()
		f.journal.file.Keep()
	}
	p.Discard() // a no-op for what has its name or was kept
}

// errDropped: a piece of a file that has ended.
var errDropped = errors.New("piece of a file that has ended")

// errNotCompared: the sender says of a file that it is the same, and was not asked.
var errNotCompared = fmt.Errorf("a file that was not to be compared: %w", ErrProtocol)

// write puts one piece into the file. done: with it the file has ended, by
// commit or by err. Pieces of one file may come on several streams at once.
func (f *inFile) write(r *receiver, p piece, account *clock) (done bool, err error) {
	if err := f.begin(r, p, account); err != nil {
		return !errors.Is(err, errDropped), err
	}
	rec := p.record(f.put.Size)
	account.to(DoingWrite)
	f.writing.Lock()
	if rec.Hole {
		err = f.pending.Hole(rec.From, rec.To-rec.From)
	} else {
		err = f.pending.WriteAt(p.data, rec.From)
	}
	f.writing.Unlock()
	if err == nil {
		f.note(r, rec)
	}
	whole, done, err := f.wrote(r, p, rec, err, account)
	if whole {
		r.check(f)
	}
	return done, err
}

// wrote is the end of a write. whole: the file is to be read back. done: it has ended.
func (f *inFile) wrote(r *receiver, p piece, rec wire.JournalRecord, err error, account *clock) (whole, done bool, _ error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writers--
	if err != nil {
		first := !f.closed
		f.closed, f.kept = true, localfs.Fatal(err) // a full disk takes nothing back
		f.cleanUp()
		return false, first, err
	}
	f.have.add(rec.From, rec.To)
	if p.chunk.Flags&wire.ChunkSeal != 0 {
		f.sealed, f.size = true, rec.To
	}
	if r.verify {
		f.sums = append(f.sums, rec)
	}
	if f.closed || f.writers > 0 || !f.whole() {
		f.cleanUp()
		return false, false, nil
	}
	f.closed = true
	if r.checks() {
		f.checking = true
		return true, false, nil
	}
	account.to(DoingFiles)
	err = f.commit(r)
	f.cleanUp()
	return false, true, err
}

// note has the journal say that a range was written.
func (f *inFile) note(r *receiver, rec wire.JournalRecord) {
	if f.journal == nil {
		return
	}
	if err := f.journal.add(rec); err != nil {
		r.log.Warn("a file is written without a journal: if it breaks off it begins anew", "path", r.pathOf(f), "error", err)
	}
}

// begin takes a reference for one write, and makes the file with the first.
func (f *inFile) begin(r *receiver, p piece, account *clock) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return errDropped
	}
	if f.pending == nil {
		account.to(DoingFiles)
		err := f.book(r)
		if err == nil {
			if err = f.create(r, p.summed); err != nil {
				f.settle(false)
			}
		}
		if err != nil {
			f.closed = true
			return err
		}
	}
	if err := f.grow(r, int64(len(p.data))); err != nil {
		f.closed = true
		f.cleanUp()
		return err
	}
	f.writers++
	return nil
}

// create makes the file, or goes on with the half that is there. f.mu is held.
func (f *inFile) create(r *receiver, summed bool) error {
	if r.vault != nil && f.put.Size >= keepFrom {
		err := f.createHalf(r, summed)
		// Not in the place of a half that was told: nobody would send what that had.
		if !errors.Is(err, localfs.ErrUnsafe) || f.half != nil {
			return err
		}
		r.log.Warn("a file is written without a journal: what lies in its place can't be removed", "path", r.pathOf(f), "error", err)
	}
	p, err := r.create(func() (localfs.PendingFile, error) { return r.sink.CreateFile(f.put) })
	f.pending = p
	return err
}

// createHalf makes a file that can outlive the session, or goes on with one. f.mu is held.
func (f *inFile) createHalf(r *receiver, summed bool) error {
	var file localfs.HalfFile
	p, err := r.create(func() (_ localfs.PendingFile, err error) {
		file, err = f.openHalf(r)
		return file, err
	})
	if err != nil {
		return err
	}
	f.pending = p
	f.journal = &journal{file: file, every: journalBatch}
	if r.fsync {
		f.journal.every = journalBatchFsync
	}
	if f.half != nil {
		f.journal.head, f.journal.begun = f.half.head, true
		f.sums = f.half.sums
		return nil
	}
	f.journal.head = r.vault.head(&f.put, file.ID(), summed)
	return nil
}

// openHalf opens the file whose ranges were told, which must be as it was then, or
// makes one.
func (f *inFile) openHalf(r *receiver) (localfs.HalfFile, error) {
	if f.half == nil {
		return r.sink.CreateHalf(f.put)
	}
	file, raw, err := r.sink.OpenHalf(f.put)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", localfs.ErrInUse, err)
	}
	if file.ID() != f.half.id || len(raw) != f.half.length {
		file.Keep()
		return nil, fmt.Errorf("half of it was changed meanwhile: %w", localfs.ErrInUse)
	}
	return file, nil
}

// create begins a file, of which no more than so many may be begun at once:
// each holds descriptors.
func (r *receiver) create(begin func() (localfs.PendingFile, error)) (localfs.PendingFile, error) {
	if n := r.begun.Add(1); n > int64(r.limits.Files) {
		r.begun.Add(-1)
		return nil, fmt.Errorf("%d files begun at once, %d allowed (--max-open-files): %w", n, r.limits.Files, ErrProtocol)
	}
	f, err := begin()
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
