package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"scp_rdma/localfs"
	"scp_rdma/planner"
	"scp_rdma/wire"
)

// order is what the sender knows of an entry that goes in order: nothing of it is sent that
// ends more than wire.StreamWindow behind the first byte without a result. So one rule bounds
// what this side has to keep of a stream that it can't read again, and what the other has to
// keep of a file until it is its turn to be written; and whichever unit is sent again because
// its stream broke, it lies within.
type order struct {
	ctx    context.Context // ends with the entry
	cancel context.CancelFunc
	moved  chan struct{} // room for one: the first byte without a result is another
	needed bool          // the receiver has asked for it; under sender.mu

	mu    sync.Mutex
	acked ranges
	held  *ring // bytes of a stream from the first without a result to read; nil: it is a file
	read  int64
	size  int64 // of a stream; planner.Unknown until its end
}

// streamRead is what is read of a stream at once, bytes: as much as a slot has, so that what
// comes from a file is on its way while the next is read.
const streamRead = 1 << 20

// newOrder begins one, for as long as ctx lasts.
func newOrder(ctx context.Context) *order {
	o := &order{moved: make(chan struct{}, 1), size: planner.Unknown}
	o.ctx, o.cancel = context.WithCancel(ctx)
	return o
}

// limit is what may be handed out. o.mu is held.
func (o *order) limit() int64 { return o.acked.start() + wire.StreamWindow }

// acknowledge notes that a range has its result, and gives what may be handed out since.
func (o *order) acknowledge(from, to int64) int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.acked.add(from, to)
	select {
	case o.moved <- struct{}{}:
	default:
	}
	return o.limit()
}

// room waits until there is some for bytes of the stream, and gives it.
func (o *order) room() ([]byte, error) {
	for {
		o.mu.Lock()
		read, n := o.read, o.limit()-o.read
		o.mu.Unlock()
		if n > 0 {
			return o.held.at(read, min(n, streamRead)), nil
		}
		if _, err := wait(o.ctx, o.moved); err != nil {
			return nil, err
		}
	}
}

// got notes what was read, and whether that is the end.
func (o *order) got(n int, end bool) (read int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.read += int64(n)
	if end {
		o.size = o.read
	}
	return o.read
}

// length is how long the entry is, as far as that is known.
func (it *item) length() int64 {
	if it.order == nil || it.order.held == nil {
		return it.e.Size
	}
	it.order.mu.Lock()
	defer it.order.mu.Unlock()
	return it.order.read
}

// seals says whether a range that ends there is the last of its stream.
func (o *order) seals(end int64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.size == end
}

// newItem is the item of an entry of this transfer.
func (s *sender) newItem(ctx context.Context, e *localfs.Entry) *item {
	it := newItem(e, false)
	if s.ordered && e.Kind == localfs.KindFile {
		it.again = true // what was sent of it can't be taken back
		it.order = newOrder(ctx)
	}
	return it
}

// needInOrder is need of an entry that goes in order. s.mu is held.
func (s *sender) needInOrder(it *item, have []wire.Range) error {
	o, from := it.order, int64(0)
	if len(have) > 0 {
		from = have[0].To
		if len(have) > 1 || have[0].From != 0 || it.e.Stream || from >= it.e.Size {
			return fmt.Errorf("the receiver has %v of a file that goes in order: %w", have, ErrProtocol)
		}
		it.putBack(-from)
		s.count.resumed.Add(uint64(from))
		s.count.bytesDone.Add(uint64(from))
	}
	switch {
	case o.needed || it.e.Stream && s.kept != nil:
		return fmt.Errorf("entry %d is needed twice: %w", it.e.ID, ErrProtocol)
	case !it.e.Stream:
		o.needed = true
		s.plan.AddGradual(it.e.ID, from, it.e.Size)
		s.plan.Extend(it.e.ID, o.acknowledge(0, from))
		s.wake.Signal()
		return nil
	}
	var err error
	if s.kept, err = newRing(); err != nil {
		return err
	}
	o.held, o.needed = s.kept, true
	s.plan.AddGradual(it.e.ID, 0, planner.Unknown)
	s.crew.run(func(context.Context) error { return s.readStream(it) })
	return nil
}

// readStream reads a stream as far as there is room for it, until its end or that of its entry.
func (s *sender) readStream(it *item) error {
	o := it.order
	for {
		p, err := o.room()
		if err != nil {
			return nil //nolint:nilerr // nobody wants the rest
		}
		n, err := s.reader.Read(o.ctx, p)
		end := errors.Is(err, io.EOF)
		switch {
		case o.ctx.Err() != nil:
			return nil //nolint:nilerr // nobody wants the rest
		case err != nil && !end:
			return err
		}
		read := o.got(n, end)
		s.count.bytes.Add(uint64(n))
		s.mu.Lock()
		if end {
			s.plan.End(it.e.ID, read)
		} else {
			s.plan.Extend(it.e.ID, read)
		}
		if !s.plan.Empty() {
			s.wake.Signal()
		}
		s.mu.Unlock()
		if end {
			s.count.ended.Store(true)
			return nil
		}
	}
}

// acknowledged has what comes in order go on, once the unit has its result.
func (s *sender) acknowledged(u sent) {
	if !s.ordered {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range u.chunks {
		it := s.open[c.Entry]
		if it == nil || it.order == nil {
			continue
		}
		limit := it.order.acknowledge(int64(c.Offset), int64(c.Offset)+int64(c.Length))
		if it.order.held == nil {
			s.plan.Extend(c.Entry, limit)
		}
	}
	if !s.plan.Empty() {
		s.wake.Signal()
	}
}

// fillHeld copies a part of a stream.
func (w *sendWorker) fillHeld(it *item, c planner.Chunk, space []byte, f *filled) {
	o := it.order
	o.held.get(c.Off, space[f.used:f.used+int(c.Len)])
	out := wire.Chunk{Entry: c.ID, Offset: uint64(c.Off), Length: uint32(c.Len)}
	if o.seals(c.Off + c.Len) {
		out.Flags = wire.ChunkSeal
	}
	f.chunks = append(f.chunks, out)
	f.used += int(c.Len)
	f.bytes += uint64(c.Len)
}

// freeHeld frees what was kept of a stream; nobody reads or sends any more.
func (s *sender) freeHeld() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept != nil {
		s.kept.close()
		s.kept = nil
	}
}

// errNoStreams: the other side is older than they are.
var errNoStreams = fmt.Errorf("the server takes no streams, nor sends any: it is an older version: %w", localfs.ErrUsage)

// unsized says whether bytes come whose number is not known.
func (s *sender) unsized() bool { return s.reader != nil && !s.count.ended.Load() }
