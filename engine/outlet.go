package engine

import (
	"context"
	"fmt"
	"sync"

	"scp_rdma/localfs"
	"scp_rdma/wire"
)

// outlet is where the bytes of one file go in order, over as many sessions as it takes. What
// comes before its turn waits in a ring, which has room for all that the sender may send by
// the rule of wire.StreamWindow: a piece that finds none waits for the writer, and what the
// writer waits for always finds some. So a reader that is slow, or has stopped, slows the
// sender and nothing else.
type outlet struct {
	to   StreamWriter
	ring *ring

	mu      sync.Mutex
	changed chan struct{} // closed, and another in its place, with each change
	begun   bool          // an entry has come; of which are
	size    int64
	sec     int64
	nsec    uint32

	// Of the session:
	taken   bool   // its entry has come
	claimed ranges // pieces that have come, or are being copied
	got     ranges // pieces that are there
	sealed  bool
	stopped bool // the entry has ended before its end

	written int64
}

func newOutlet(to StreamWriter) (*outlet, error) {
	r, err := newRing()
	if err != nil {
		return nil, err
	}
	return &outlet{to: to, ring: r, changed: make(chan struct{})}, nil
}

// tell has all look again who wait. o.mu is held.
func (o *outlet) tell() {
	close(o.changed)
	o.changed = make(chan struct{})
}

// begin makes it ready for another session, whose entry comes anew. Nobody uses it now.
func (o *outlet) begin() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.taken, o.sealed, o.stopped = false, false, false
	o.claimed, o.got = ranges{}, ranges{}
	o.claimed.add(0, o.written)
	o.got.add(0, o.written)
}

// complete says whether all of the file was written, and it had not changed meanwhile.
func (o *outlet) complete() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.done()
}

func (o *outlet) done() bool { return o.taken && o.sealed && o.written == o.size }

// takes says whether an entry is the file.
func (o *outlet) takes(e *wire.Entry) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case e.Kind != wire.KindFile:
		return fmt.Errorf("%q is no file, and only a file can go to stdout: %w", e.Name, localfs.ErrUsage)
	case o.taken || e.Replaces != 0:
		return fmt.Errorf("%q, and one file has come: %w", e.Name, ErrUnasked)
	case o.begun && o.written > 0 && (e.Size != o.size || e.MtimeSec != o.sec || e.MtimeNsec != o.nsec || e.Young):
		return fmt.Errorf("%q has changed since the server was lost, and %d bytes of it are written: %w", e.Name, o.written, localfs.ErrChanged)
	}
	o.begun, o.taken = true, true
	o.size, o.sec, o.nsec = e.Size, e.MtimeSec, e.MtimeNsec
	return nil
}

// put takes a chunk. It waits for as long as the reader leaves no room for it.
func (o *outlet) put(ctx context.Context, c wire.Chunk, data []byte) error {
	from, to := int64(c.Offset), int64(c.Offset)+int64(len(data))
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.stopped:
		return nil
	case c.Flags&wire.ChunkHole != 0 || to > o.got.start()+wire.StreamWindow || o.claimed.touches(from, to):
		return fmt.Errorf("bytes %d to %d out of turn, or again: %w", from, to, ErrProtocol)
	}
	o.claimed.add(from, to)
	for to > o.written+wire.StreamWindow && !o.stopped {
		changed := o.changed
		o.mu.Unlock()
		_, err := wait(ctx, changed)
		o.mu.Lock()
		if err != nil {
			o.claimed.remove(from, to) // it comes again
			return err
		}
	}
	o.mu.Unlock()
	o.ring.put(from, data)
	o.mu.Lock()
	o.got.add(from, to)
	o.sealed = o.sealed || c.Flags&wire.ChunkSeal != 0
	o.tell()
	return nil
}

// stop: the entry has ended, whatever was written of it.
func (o *outlet) stop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stopped = true
	o.tell()
}

// next waits for bytes whose turn it is; none: there are no more.
func (o *outlet) next(ctx context.Context) ([]byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for {
		switch n := o.got.start() - o.written; {
		case o.stopped || o.done():
			return nil, nil
		case n > 0:
			return o.ring.at(o.written, n), nil
		}
		changed := o.changed
		o.mu.Unlock()
		_, err := wait(ctx, changed)
		o.mu.Lock()
		if err != nil {
			return nil, err
		}
	}
}

// write writes until the file has ended.
func (o *outlet) write(ctx context.Context) error {
	for {
		p, err := o.next(ctx)
		if err != nil || p == nil {
			return err
		}
		n, err := o.to.Write(ctx, p)
		o.mu.Lock()
		o.written += int64(n)
		o.tell()
		o.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// considerOutlet is consider for what goes to the outlet: what was written of it is there.
func (r *receiver) considerOutlet(f *inFile) wire.Answer {
	a := wire.Answer{ID: f.id, Action: wire.ActionNeed}
	if r.dry {
		return a
	}
	o := f.outlet
	if o.written > 0 {
		a.Have = []wire.Range{{From: 0, To: o.written}}
		r.fetch.resumes(a.Have)
	}
	r.crew.run(func(ctx context.Context) error {
		if err := o.write(ctx); err != nil {
			return err
		}
		if o.complete() {
			r.out.result(nil, nil, []wire.Result{r.end(f, nil)})
		}
		return nil
	})
	return a
}

// outletFor gives a file its outlet, if there is one.
func (r *receiver) outletFor(f *inFile) bool {
	if r.fetch == nil || r.fetch.outlet == nil {
		return false
	}
	f.outlet = r.fetch.outlet
	return true
}

// outletSink is the Sink of a session that makes nothing: it has no more methods than are
// called where the one file goes to an outlet.
type outletSink struct{ Sink }

// Resolve implements Sink.
func (outletSink) Resolve(t localfs.Target) (localfs.Base, error) {
	if t.Contents || t.Tops != 1 {
		return localfs.Base{}, fmt.Errorf("only one file can go to stdout: %w", localfs.ErrUsage)
	}
	return localfs.Base{Path: "-"}, nil
}

// Path implements Sink: nobody is to remember anything about it.
func (outletSink) Path() string { return "" }

// Free implements Sink: nobody knows.
func (outletSink) Free() (uint64, error) { return 0, nil }

// Dropped implements Sink.
func (outletSink) Dropped() localfs.Dropped { return localfs.Dropped{} }

// Sync implements Sink.
func (outletSink) Sync() error { return nil }

// Close implements Sink.
func (outletSink) Close() error { return nil }
