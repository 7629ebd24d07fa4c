package engine

import (
	"errors"
	"fmt"
	"sync"

	"scp_rdma/localfs"
	"scp_rdma/planner"
	"scp_rdma/wire"
)

// item is one announced entry of the sender, until its result.
type item struct {
	e       *localfs.Entry
	again   bool // announced once more already
	same    bool // its contents are those that the receiver has
	aborted bool // taken back; waits for the receiver's word. Under sender.mu

	mu    sync.Mutex
	file  localfs.SourceFile // open while ranges are read
	users int
	left  int64 // bytes not read yet
	ended bool
	bad   map[int64]int // offset -> times a chunk there did not verify

	order *order // it goes in order; nil: as it comes
}

func newItem(e *localfs.Entry, again bool) *item {
	return &item{e: e, again: again, left: e.Size}
}

// hold opens the file for reading ranges; every hold needs a drop.
func (it *item) hold(src Source) (localfs.SourceFile, error) {
	it.mu.Lock()
	defer it.mu.Unlock()
	if it.ended {
		return nil, errEnded
	}
	if it.file == nil {
		f, err := src.Open(it.e)
		if err != nil {
			return nil, err
		}
		it.file = f
	}
	it.users++
	return it.file, nil
}

// drop closes the file when nobody reads it and nobody will.
func (it *item) drop() {
	it.mu.Lock()
	defer it.mu.Unlock()
	it.users--
	it.closeIfIdle()
}

// end is called when the entry has its result.
func (it *item) end() {
	it.mu.Lock()
	defer it.mu.Unlock()
	it.ended = true
	if it.order != nil {
		it.order.cancel()
	}
	it.closeIfIdle()
}

func (it *item) closeIfIdle() {
	if it.file != nil && it.users == 0 && (it.ended || it.left == 0) {
		// Read-only: closing has nothing left to report.
		_ = it.file.Close()
		it.file = nil
	}
}

// took counts bytes that were read; true for the read that completes the file.
func (it *item) took(n int64) bool {
	it.mu.Lock()
	defer it.mu.Unlock()
	it.left -= n
	return it.left == 0
}

// putBack takes n bytes back that have to be read once more.
func (it *item) putBack(n int64) {
	it.mu.Lock()
	defer it.mu.Unlock()
	it.left += n
}

// spoilt counts how often the chunk at an offset did not verify.
func (it *item) spoilt(off int64) int {
	it.mu.Lock()
	defer it.mu.Unlock()
	if it.bad == nil {
		it.bad = map[int64]int{}
	}
	it.bad[off]++
	return it.bad[off]
}

// errEnded: a range of an entry that has ended was to be read.
var errEnded = errors.New("entry has ended")

// trouble decides what becomes of a file whose source can't be read as announced.
func (s *sender) trouble(it *item, err error) error {
	switch {
	case errors.Is(err, errEnded):
		return nil
	case errors.Is(err, localfs.ErrChanged) && !it.again:
		return s.resend(it)
	}
	return s.giveUp(it, err)
}

// resend announces a file that changed once more, from the start and as it is
// now, in the place of the first try.
func (s *sender) resend(it *item) error {
	e, err := s.cfg.Source.Restat(it.e)
	if err != nil {
		return s.giveUp(it, err)
	}
	s.mu.Lock()
	if s.open[it.e.ID] != it || it.aborted {
		s.mu.Unlock()
		return nil
	}
	s.again++
	e.ID = againBase + s.again
	delete(s.open, it.e.ID)
	s.open[e.ID] = newItem(e, true)
	s.mu.Unlock()
	it.end()
	s.count.resent.Add(1)
	s.count.bytes.Add(uint64(e.Size - it.e.Size))
	s.log.Info("changed while being sent, sending it once more", "path", s.cfg.Source.Path(e))
	return s.conn.Send(&wire.Entries{List: []wire.Entry{toWire(e, it.e.ID)}})
}

// againBase: entries announced once more are numbered from here, out of the
// way of the source's own numbers.
const againBase = 1 << 62

// giveUp takes an entry back whose source can't be sent.
func (s *sender) giveUp(it *item, err error) error {
	s.mu.Lock()
	if s.open[it.e.ID] != it || it.aborted {
		s.mu.Unlock()
		return nil
	}
	it.aborted = true
	s.mu.Unlock()
	it.end()
	s.count.failed.Add(1)
	s.problem(Problem{Path: s.cfg.Source.Path(it.e), Err: err})
	return s.conn.Send(&wire.Abort{IDs: []uint64{it.e.ID}})
}

// item finds an open entry; nil if it has ended.
func (s *sender) item(id uint64) *item {
	s.mu.Lock()
	defer s.mu.Unlock()
	it := s.open[id]
	if it == nil {
		s.count.duplicate.Add(1)
	}
	return it
}

// settle ends an entry: its place in the window is free. What came of it is
// counted before, for whoever sees the last entry end compares the counts.
func (s *sender) settle(it *item) {
	it.end()
	if it.e.Kind == localfs.KindFile {
		s.count.filesDone.Add(1)
	}
	if s.settling != nil {
		s.settling.Settled(it.e)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[it.e.ID] != it {
		return // a second try has its place
	}
	delete(s.open, it.e.ID)
	s.window.Release(1)
	if s.walked && len(s.open) == 0 {
		s.wakeAll()
	}
}

// maxBad: a chunk that did not verify so often in a row is an error.
const maxBad = 5

// requeue has a unit sent again: its stream broke, or it arrived damaged, which a
// chunk may only so often.
func (s *sender) requeue(u sent, damaged bool) error {
	for _, c := range u.chunks {
		it := s.item(c.Entry)
		if it == nil {
			continue
		}
		n := chunkLen(c, it.e.Size)
		it.putBack(n)
		if damaged && it.spoilt(int64(c.Offset)) >= maxBad {
			return fmt.Errorf("%s, offset %d: %d times in a row: %w", s.cfg.Source.Path(it.e), c.Offset, maxBad, ErrVerify)
		}
		s.giveBack(planner.Chunk{ID: c.Entry, Off: int64(c.Offset), Len: n, Size: it.e.Size, Sparse: c.Flags&wire.ChunkHole != 0})
	}
	return nil
}

// chunkLen is the length of a chunk in bytes of its file.
func chunkLen(c wire.Chunk, size int64) int64 {
	if c.Flags&wire.ChunkHole == 0 {
		return int64(c.Length)
	}
	return min(int64(c.Length)*wire.HoleUnit, size-int64(c.Offset))
}
