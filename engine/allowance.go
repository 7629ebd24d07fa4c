package engine

import (
	"errors"

	"scp_rdma/wire"
)

// Allowance is what a client may still store; state.Account is one. Several sessions may share
// it. What it gives is exact: whoever comes first has it.
type Allowance interface {
	// Take books n bytes, before any of them is written. An error says why not.
	Take(n int64) error
	// Return gives back what was booked and has not stayed.
	Return(n int64)
	// Left is how many bytes there may be now, and why no more: for those that would be sent in vain.
	Left(n int64) error
	// Close ends the session's part.
	Close() error
}

// booked is what a file has of an Allowance. Of a file that gets its name all of it stays
// booked, of one that is left half what has arrived, and of any other nothing. What an
// earlier session has booked of it does not count. inFile.mu is held.
type booked struct {
	of     Allowance // nil: nobody counts
	bytes  int64
	before int64 // were there already
	stays  bool  // the file has its name
}

// book takes what a file needs beyond what there is of it.
func (f *inFile) book(r *receiver) error {
	if r.allowance == nil || r.dry {
		return nil
	}
	if f.stream { // grow books it
		f.books = booked{of: r.allowance}
		return nil
	}
	before := f.have.total()
	n := f.put.Size - before
	if err := r.allowance.Take(n); err != nil {
		return err
	}
	f.books = booked{of: r.allowance, bytes: n, before: before}
	return nil
}

// grow books n bytes more of a stream, of which nobody knows how many there will be.
func (f *inFile) grow(r *receiver, n int64) error {
	if !f.stream || f.books.of == nil {
		return nil
	}
	if err := r.allowance.Take(n); err != nil {
		return err
	}
	f.books.bytes += n
	return nil
}

// settle gives back what has not stayed; half says that what has arrived does.
func (f *inFile) settle(half bool) {
	b := f.books
	f.books = booked{}
	if b.of == nil || b.stays {
		return
	}
	if half {
		b.bytes -= f.have.total() - b.before
	}
	b.of.Return(b.bytes)
}

// afforded fails a file at once for which there is nothing left, so that nobody sends it for
// nothing. It books nothing: book decides.
func (r *receiver) afforded(f *inFile, a wire.Answer) wire.Answer {
	if r.allowance == nil || r.dry || a.Action != wire.ActionNeed {
		return a
	}
	need := f.put.Size - f.have.total()
	if f.stream {
		need = 1
	}
	err := r.allowance.Left(need)
	if err == nil {
		return a
	}
	r.totals.failed.Add(1)
	r.forget(f)
	return failed(f.id, err)
}

// closeAllowance ends the session's part, when nothing is written any more.
func (r *receiver) closeAllowance(err error) error {
	if r.allowance == nil {
		return err
	}
	return errors.Join(err, r.allowance.Close())
}
