package engine

import (
	"context"
	"errors"
	"time"

	"scp_rdma/localfs"
	"scp_rdma/planner"
	"scp_rdma/transport"
	"scp_rdma/wire"
)

// sendWorker feeds one stream.
type sendWorker struct {
	s      *sender
	stream transport.SendStream
	key    streamKey
	count  *railCount
	clock  *clock
	items  []*item    // of the unit at hand
	seal   *frameSeal // nil: frames aren't sealed
	lease  *lease     // of its slots; nil: nobody counts them

	unflushed bool      // something was sent since the last Flush
	idle      time.Time // since then the next slot is waited for
	grow      time.Time // then the stream ends, to come again with more slots; zero: never
}

// idleFlush: a stream without a unit for so long looks whether all that it sent has
// arrived. If it broke nobody else would find out, for who waits for results sends
// nothing; and results themselves come on control.
const idleFlush = 100 * time.Millisecond

// run carries units until there are no more. The slot comes first: a worker
// without a credit does not sit on a unit that another could carry.
func (w *sendWorker) run(ctx context.Context) error {
	for w.idle = time.Now(); ; {
		w.clock.to(DoingCredits)
		slot, err := w.stream.Acquire(ctx)
		took := time.Since(w.idle)
		w.count.waited.Add(int64(took))
		if err != nil {
			return err
		}
		w.s.meter.credit.add(took)
		if !w.grow.IsZero() && w.idle.After(w.grow) {
			w.stream.Discard(slot)
			if err := w.stream.Flush(ctx); err != nil {
				return err
			}
			return errGrow
		}
		more, err := w.carry(ctx, slot)
		if err != nil || !more {
			return err
		}
	}
}

// carry fills the slot with the next unit that has something to send, and sends it.
func (w *sendWorker) carry(ctx context.Context, slot *transport.Slot) (bool, error) {
	for {
		u, ok, err := w.next(ctx)
		if err != nil || !ok {
			w.stream.Discard(slot)
			return false, err
		}
		w.clock.to(DoingRead)
		begun := time.Now()
		space := w.space(slot)
		if u.Room > 0 {
			space = space[:min(u.Room, len(space))]
		}
		f, err := w.fill(u, space)
		if err != nil {
			w.stream.Discard(slot)
			return false, err
		}
		if len(f.chunks) > 0 {
			err := w.send(ctx, slot, f)
			w.idle = time.Now()
			w.s.meter.turnaround[Sending].add(w.idle.Sub(begun))
			return true, err
		}
	}
}

// next waits for a unit.
func (w *sendWorker) next(ctx context.Context) (planner.Unit, bool, error) {
	w.lease.rest(time.Now())
	defer w.lease.busy()
	var patience time.Duration
	if w.unflushed {
		patience = idleFlush
	}
	u, ok, err := w.s.takeUnit(ctx, patience, w.count.health, w.clock)
	if !errors.Is(err, errIdle) {
		return u, ok, err
	}
	w.s.crowd.change(0, 1) // it still has nothing to send
	err = w.stream.Flush(ctx)
	w.s.crowd.change(0, -1)
	if err != nil {
		return u, false, err
	}
	w.unflushed = false
	return w.s.takeUnit(ctx, 0, w.count.health, w.clock)
}

// filled is what fill has put into a slot.
type filled struct {
	chunks []wire.Chunk
	used   int    // data bytes
	bytes  uint64 // bytes of files, holes included
}

// fill reads a unit into space. Files that can't be read as announced are left
// out; what becomes of them is decided here too.
func (w *sendWorker) fill(u planner.Unit, space []byte) (filled, error) {
	f := filled{chunks: make([]wire.Chunk, 0, len(u.Chunks))}
	w.items = w.s.items(u, w.items[:0])
	for i, c := range u.Chunks {
		it := w.items[i]
		if it == nil {
			continue
		}
		var err error
		switch {
		case it.e.Stream:
			w.fillHeld(it, c, space, &f)
		case c.Whole() && !c.Sparse:
			err = w.fillWhole(it, c, space, &f)
		default:
			err = w.fillRanges(it, c, space, &f)
		}
		if err == nil {
			continue
		}
		if err := w.s.trouble(it, err); err != nil {
			return f, err
		}
	}
	if n := len(w.items); n > 0 && w.items[n-1] != nil {
		w.s.current.Store(w.items[n-1].e)
	}
	return f, nil
}

// fillWhole reads a small file in one go.
func (w *sendWorker) fillWhole(it *item, c planner.Chunk, space []byte, f *filled) error {
	end := f.used + int(c.Len)
	if err := w.s.cfg.Source.ReadFile(it.e, space[f.used:end]); err != nil {
		return err
	}
	f.chunks = append(f.chunks, wire.Chunk{Entry: c.ID, Length: uint32(c.Len), Flags: wire.ChunkSeal})
	f.used = end
	f.bytes += uint64(c.Len)
	return nil
}

// fillRanges reads a part of a large or sparse file. Whoever reads the last
// part compares the file with its stamp and seals it.
func (w *sendWorker) fillRanges(it *item, c planner.Chunk, space []byte, f *filled) error {
	file, err := it.hold(w.s.cfg.Source)
	if err != nil {
		return err
	}
	defer it.drop()
	parts := []part{{off: c.Off, n: c.Len}}
	if c.Sparse {
		if parts, err = w.trim(file, c, len(space)); err != nil {
			return err
		}
	}
	g := *f // nothing of a file that fails stays in the frame
	var total int64
	for _, p := range parts {
		if !p.hole {
			if err := file.ReadAt(space[g.used:g.used+int(p.n)], p.off); err != nil {
				return err
			}
			g.used += int(p.n)
		}
		g.chunks = append(g.chunks, p.chunk(c.ID))
		total += p.n
	}
	if it.took(total) {
		if err := file.Verify(); err != nil {
			return err
		}
		g.chunks[len(g.chunks)-1].Flags |= wire.ChunkSeal
	}
	g.bytes += uint64(total)
	*f = g
	return nil
}

// trim takes as much of a sparse range as fills a slot and gives the rest back
// at once, before reading, so that another stream can go on with it.
func (w *sendWorker) trim(file localfs.SourceFile, c planner.Chunk, room int) ([]part, error) {
	parts, next, err := layout(file.NextData, c.Off, c.Off+c.Len, c.Size, int64(room))
	if err != nil {
		return nil, err
	}
	if rest := c.Off + c.Len - next; rest > 0 {
		c.Off, c.Len = next, rest
		w.s.giveBack(c)
	}
	return parts, nil
}

// newSendWorker makes the worker of a stream.
func newSendWorker(s *sender, st transport.SendStream, key streamKey, count *railCount) *sendWorker {
	w := &sendWorker{s: s, stream: st, key: key, count: count, clock: s.clocks.of(key.stream)}
	if s.secret != nil {
		w.seal = newFrameSeal(s.secret, key.stream, key.epoch)
	}
	return w
}

// space is where the data of a frame goes.
func (w *sendWorker) space(slot *transport.Slot) []byte {
	return slot.Space()[:w.s.room(slot.Cap())]
}

// send puts the head before the data and hands the slot to the stream.
func (w *sendWorker) send(ctx context.Context, slot *transport.Slot, f filled) error {
	w.clock.to(DoingSum)
	protection := w.protection()
	if err := slot.SetLen(wire.HeadSize(len(f.chunks)), f.used+protection.Trailer()); err != nil {
		return err
	}
	head := wire.FrameHead{
		Stream: w.key.stream, Epoch: w.key.epoch, Unit: w.s.record(w.key, w.count.health, f),
		DataLen: uint32(f.used), Chunks: f.chunks, Protection: protection,
	}
	if protection == wire.ProtectXXH3 {
		head.DataSum = wire.Sum(slot.Data())
	}
	head.Append(slot.Head()[:0])
	if w.seal != nil {
		if err := w.seal.seal(slot.Frame, slot.Head(), slot.Space(), f.used); err != nil {
			return err
		}
	}
	if w.s.cfg.Limit != nil {
		w.clock.to(DoingLimit)
	}
	if err := pace(ctx, w.s.cfg.Limit, f.used); err != nil {
		return err
	}
	w.carried(f.used)
	w.count.frames.Add(1)
	w.unflushed = true
	w.clock.to(DoingSend)
	return w.stream.Send(ctx, slot)
}

// carried counts n bytes.
func (w *sendWorker) carried(n int) {
	w.count.bytes.Add(uint64(n))
	if w.clock != nil {
		w.clock.bytes.Add(uint64(n))
	}
}

// protection is how frames are guarded.
func (w *sendWorker) protection() wire.Protection {
	switch {
	case w.seal != nil:
		return wire.ProtectAEAD
	case w.s.cfg.NoChecksum:
		return wire.ProtectNone
	}
	return wire.ProtectXXH3
}
