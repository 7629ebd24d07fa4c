package engine

import (
	"context"
	"hash"

	"scp_rdma/localfs"
	"scp_rdma/wire"
)

// readerAt is a file as far as it is read.
type readerAt interface {
	ReadAt(p []byte, off int64) error
}

// readAll gives take the first so many bytes of a file, a piece at a time.
func readAll(ctx context.Context, file readerAt, size int64, take func(p []byte)) error {
	buf := make([]byte, min(size, digestPiece))
	for off := int64(0); off < size; {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		p := buf[:min(size-off, digestPiece)]
		if err := file.ReadAt(p, off); err != nil {
			return err
		}
		take(p)
		off += int64(len(p))
	}
	return nil
}

// digestOf is what the sender is told of a file. Who has asked to be sent it keeps that.
func (r *receiver) digestOf(f *inFile) []byte {
	if r.fetch != nil {
		return nil
	}
	return f.digest
}

// checks says whether a file is read back before it gets its name.
func (r *receiver) checks() bool { return r.verify || r.sum != wire.SumNone }

// maxChecking bounds the files that wait to be read back: each is begun, and holds a
// descriptor. Beyond that their streams wait.
const maxChecking = 64

// check has a file read back that has arrived whole, beside everything else. Small ones are
// done at once: they would only pile up.
func (r *receiver) check(f *inFile) {
	if r.checking.Add(1) > maxChecking || f.length() <= digestPiece {
		defer r.checking.Add(-1)
		r.readBack(r.crew.ctx, f)
		return
	}
	r.crew.aside(func(ctx context.Context) error {
		defer r.checking.Add(-1)
		r.readBack(ctx, f)
		return nil
	})
}

// sumWritten is the digest of a file that was written.
func (r *receiver) sumWritten(ctx context.Context, f *inFile) error {
	h := r.sum.New()
	if h == nil {
		return nil
	}
	if err := readAll(ctx, f.pending, f.length(), func(p []byte) { h.Write(p) }); err != nil {
		return err
	}
	f.digest = h.Sum(nil)
	return nil
}

// sumFound reads a file that is there, once, for the digest to compare it with and for the
// one that was asked for.
func (r *receiver) sumFound(ctx context.Context, f *inFile, found localfs.Found) ([]byte, error) {
	file, err := r.sink.OpenFound(f.put, found)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // only read from
	d, h := wire.NewDigest(), r.sum.New()
	err = readAll(ctx, file, found.Size, func(p []byte) {
		d.Add(p)
		addTo(h, p)
	})
	if err == nil {
		err = file.Verify()
	}
	if err != nil {
		return nil, err
	}
	if h != nil {
		f.digest = h.Sum(nil)
	}
	return d.Sum(), nil
}

func addTo(h hash.Hash, p []byte) {
	if h != nil {
		h.Write(p)
	}
}

// skipSummed ends a file that is there already, once it was read for its digest.
func (r *receiver) skipSummed(ctx context.Context, f *inFile, found localfs.Found) {
	_, err := r.sumFound(ctx, f, found)
	f.mu.Lock()
	closed := f.closed
	f.mu.Unlock()
	switch {
	case ctx.Err() != nil || closed:
		return
	case err != nil: // unreadable, or changing: it is replaced
		r.late(f, wire.Answer{ID: f.id, Action: wire.ActionNeed})
		return
	}
	a := r.skip(f, found)
	r.out.answer(a)
	if ends(a) {
		r.groupEnded(f)
	}
}

// sumLink ends a further name of a file, once it was read for its digest. Without one it is
// there all the same.
func (r *receiver) sumLink(ctx context.Context, f *inFile) {
	found, there, err := r.sink.Peek(f.put.Dir, f.put.Name)
	if err == nil && there {
		_, err = r.sumFound(ctx, f, found)
	}
	if err != nil {
		r.log.Warn("a hard link is there, but not its digest", "path", r.pathOf(f), "error", err)
	}
	r.settledHere(f, HowMade)
	r.forget(f)
	r.out.answer(wire.Answer{ID: f.id, Action: wire.ActionDone, Digest: r.digestOf(f)})
	r.groupEnded(f)
}
