package engine

import (
	"context"
	"fmt"

	"scp_rdma/localfs"
	"scp_rdma/wire"
)

// readBack compares a file that has arrived whole with what its disk gives back, or reads it
// for its digest, and gives it its name if it is what was sent.
func (r *receiver) readBack(ctx context.Context, f *inFile) {
	var err error
	if r.verify {
		err = f.compareBack(ctx)
	}
	if err == nil {
		err = r.sumWritten(ctx, f)
	}
	f.mu.Lock()
	f.checking = false
	if ctx.Err() != nil {
		f.kept = true
		f.cleanUp()
		f.mu.Unlock()
		return
	}
	if err == nil {
		err = f.commit(r)
	}
	f.cleanUp()
	f.mu.Unlock()
	r.out.result(nil, nil, []wire.Result{r.end(f, err)})
}

// compareBack reads every range from the disk.
func (f *inFile) compareBack(ctx context.Context) error {
	if err := f.pending.Reload(); err != nil {
		return err
	}
	var buf []byte
	for i := range f.sums {
		rec := &f.sums[i]
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if rec.Hole {
			continue // a hole is nothing that a disk could damage
		}
		switch same, err := holds(f.pending, rec, &buf); {
		case err != nil:
			return err
		case !same:
			return fmt.Errorf("put %s, offset %d: the disk gives back other bytes than were written: %w", f.put.Name, rec.From, ErrVerify)
		}
	}
	return nil
}

// holds says whether a range of a file has the bytes that its record says. buf is memory
// to read them into, which grows as needed.
func holds(file localfs.PendingFile, rec *wire.JournalRecord, buf *[]byte) (bool, error) {
	n := int(rec.To - rec.From)
	if cap(*buf) < n {
		*buf = make([]byte, n)
	}
	p := (*buf)[:n]
	err := file.ReadAt(p, rec.From)
	return err == nil && wire.Sum(p) == rec.Sum, err
}
