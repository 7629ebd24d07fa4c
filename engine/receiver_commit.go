package engine

import (
	"fmt"
	"time"
)

// commit gives the file its name. f.mu is held.
func (f *inFile) commit(r *receiver) error {
	begun := time.Now()
	err := f.pending.Commit()
	r.meter.commit.add(time.Since(begun))
	f.books.stays = err == nil
	return err
}

// putWhole makes a file that came in one piece.
func (f *inFile) putWhole(r *receiver, data []byte) (done bool, err error) {
	f.mu.Lock()
	if f.closed || f.pending != nil {
		f.mu.Unlock()
		return false, fmt.Errorf("whole file %d: %w", f.id, errDropped)
	}
	f.closed = true
	err = f.book(r)
	f.mu.Unlock()
	if err != nil {
		return true, err
	}
	begun := time.Now()
	err = r.sink.PutFile(f.put, data)
	r.meter.commit.add(time.Since(begun))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.books.stays = err == nil
	f.settle(false)
	return true, err
}
