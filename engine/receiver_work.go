package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"scp_rdma/transport"
	"scp_rdma/wire"

	"github.com/hashicorp/go-hclog"
)

// recvWorker empties one stream.
type recvWorker struct {
	r      *receiver
	stream transport.RecvStream
	id     uint32
	epoch  uint32
	count  *railCount
	clock  *clock
	crowd  *crowd // of those that wait for frames

	lease   *lease // of its slots
	damaged int    // frames

	raw   []byte // private copy of the head: the slot may be rewritten while it is read
	head  wire.FrameHead
	files []*inFile

	seal  *frameSeal // nil: frames aren't sealed
	plain []byte     // private copy of sealed data, opened there
}

// newRecvWorker makes the worker of a stream.
func newRecvWorker(r *receiver, st transport.RecvStream, key streamKey, count *railCount, account *clock, all *crowd) *recvWorker {
	w := &recvWorker{r: r, stream: st, id: key.stream, epoch: key.epoch, count: count, clock: account, crowd: all}
	if r.secret != nil {
		w.seal = newFrameSeal(r.secret, key.stream, key.epoch)
	}
	return w
}

// run takes frames until the stream ends; io.EOF after a clean close.
func (w *recvWorker) run(ctx context.Context) error {
	for idle := time.Now(); ; {
		w.clock.to(DoingFrames)
		w.crowd.change(0, 1)
		w.lease.rest(idle)
		slot, err := w.stream.Recv(ctx)
		w.lease.busy()
		w.crowd.change(0, -1)
		came := time.Now()
		w.count.waited.Add(int64(came.Sub(idle)))
		if err != nil {
			return err
		}
		units, corrupt, list, err := w.frame(ctx, slot)
		if err != nil {
			return err
		}
		// The credit goes back only now: a slow disk slows the sender. What was
		// applied is told also if the stream can't take its slot any more.
		if w.r.cfg.Limit != nil {
			w.clock.to(DoingLimit)
		}
		if err = pace(ctx, w.r.cfg.Limit, int(w.head.DataLen)); err == nil {
			err = w.stream.Release(slot)
		}
		idle = time.Now()
		w.r.meter.turnaround[Receiving].add(idle.Sub(came))
		w.r.out.result(units, corrupt, list)
		if err != nil {
			return err
		}
	}
}

// frame checks and applies one frame.
func (w *recvWorker) frame(ctx context.Context, slot *transport.Slot) (units, corrupt []uint64, list []wire.Result, err error) {
	w.clock.to(DoingSum)
	data, err := w.open(slot)
	if err == nil {
		err = w.gate(len(data))
	}
	if err != nil {
		return nil, nil, nil, err
	}
	w.count.bytes.Add(uint64(len(data)))
	w.clock.bytes.Add(uint64(len(data)))
	w.count.frames.Add(1)
	if w.head.Protection == wire.ProtectXXH3 && wire.Sum(data) != w.head.DataSum {
		w.damaged++
		w.r.totals.damaged.Add(1)
		level := hclog.Warn
		if w.damaged > 1 { // the sender counts them all
			level = hclog.Debug
		}
		w.r.log.Log(level, "a frame did not verify", "stream", w.id, "rail", w.stream.Rail(), "unit", w.head.Unit)
		return nil, []uint64{w.head.Unit}, nil, nil
	}
	list, err = w.apply(ctx, data)
	if err != nil {
		return nil, nil, nil, err
	}
	return []uint64{w.head.Unit}, nil, list, nil
}

// open copies the head out of the slot, and returns the data: as it lies there, or what
// was sealed, copied and opened.
func (w *recvWorker) open(slot *transport.Slot) ([]byte, error) {
	w.raw = append(w.raw[:0], slot.Head()...)
	if w.seal == nil {
		return slot.Data(), nil
	}
	// A frame that is wrong before it was proved says nothing about the peer: it may have
	// been altered on its way.
	w.plain = append(w.plain[:0], slot.Data()...)
	data, err := w.seal.open(slot.Frame, w.raw, w.plain)
	if err != nil {
		w.r.log.Warn("a frame did not verify", "stream", w.id, "rail", w.stream.Rail(), "frame", slot.Frame)
		return nil, w.brokenFrame(slot.Frame, err)
	}
	return data, nil
}

// gate holds every field of the head against what was agreed and announced. There are n
// bytes of data.
func (w *recvWorker) gate(n int) error {
	if err := wire.ParseFrameHead(w.raw, &w.head); err != nil {
		return fmt.Errorf("stream %d on rail %s: %w", w.id, w.stream.Rail(), err)
	}
	if w.head.Stream != w.id || w.head.Epoch != w.epoch {
		return fmt.Errorf("frame of stream %d epoch %d on stream %d epoch %d, rail %s: %w",
			w.head.Stream, w.head.Epoch, w.id, w.epoch, w.stream.Rail(), ErrProtocol)
	}
	if int(w.head.DataLen) != n {
		return fmt.Errorf("frame says %d bytes of data, the slot holds %d: %w", w.head.DataLen, n, ErrProtocol)
	}
	if sealed := w.head.Protection == wire.ProtectAEAD; sealed != (w.seal != nil) {
		return fmt.Errorf("frame with protection %d (the session is encrypted: %v): %w", w.head.Protection, w.seal != nil, ErrProtocol)
	}
	w.files = w.files[:0]
	w.r.mu.Lock()
	for i := range w.head.Chunks {
		w.files = append(w.files, w.r.files[w.head.Chunks[i].Entry])
	}
	w.r.mu.Unlock()
	for i, f := range w.files {
		if f == nil {
			continue
		}
		if err := f.takes(w.head.Chunks[i]); err != nil {
			return err
		}
	}
	return nil
}

// inFileBounds checks that a chunk lies inside its file.
func inFileBounds(c wire.Chunk, size int64) error {
	n := uint64(c.Length)
	if c.Flags&wire.ChunkHole != 0 {
		if c.Offset >= uint64(size) || (n-1)*wire.HoleUnit >= uint64(size)-c.Offset {
			return fmt.Errorf("hole of %d units at %d in a file of %d bytes: %w", n, c.Offset, size, ErrProtocol)
		}
		return nil
	}
	if c.Offset > uint64(size) || n > uint64(size)-c.Offset || n == 0 && size != 0 {
		return fmt.Errorf("chunk of %d bytes at %d in a file of %d: %w", n, c.Offset, size, ErrProtocol)
	}
	return nil
}

// apply writes the chunks of a frame. What goes wrong with one file is its
// result; the others go on. An error: it was not applied.
func (w *recvWorker) apply(ctx context.Context, frame []byte) (list []wire.Result, _ error) {
	var put int64 // bytes of files, holes included
	used := 0
	for i, f := range w.files {
		c := w.head.Chunks[i]
		data := frame[used:used]
		if c.Flags&wire.ChunkHole == 0 {
			data = frame[used : used+int(c.Length)]
			used += int(c.Length)
		}
		if f == nil {
			w.r.totals.dropped.Add(1)
			continue
		}
		var done bool
		var err error
		if f.outlet != nil {
			w.clock.to(DoingWrite)
			if err := f.outlet.put(ctx, c, data); err != nil {
				return nil, err
			}
			put += int64(c.Length)
			continue
		}
		if c.Flags == wire.ChunkSeal && c.Offset == 0 && int64(c.Length) == f.put.Size && !w.r.checks() {
			w.clock.to(DoingFiles)
			done, err = f.putWhole(w.r, data)
		} else {
			done, err = f.write(w.r, w.piece(c, data), w.clock)
		}
		if errors.Is(err, errDropped) {
			w.r.totals.dropped.Add(1)
			continue
		}
		if err == nil {
			put += chunkLen(c, f.put.Size)
			w.r.totals.current.Store(f)
			if f.stream { // which was announced with none
				w.r.found.bytes.Add(uint64(c.Length))
			}
		}
		if done {
			list = append(list, w.r.end(f, err))
		}
	}
	w.r.totals.have.Add(uint64(put))
	return list, nil
}

// piece is a range of a file as it came.
type piece struct {
	chunk  wire.Chunk
	data   []byte
	sum    uint64
	summed bool // sum counts
}

// piece makes a piece of a chunk. A frame of one chunk has its sum already.
func (w *recvWorker) piece(c wire.Chunk, data []byte) piece {
	p := piece{chunk: c, data: data, summed: w.head.Protection != wire.ProtectNone || w.r.verify}
	switch {
	case c.Flags&wire.ChunkHole != 0:
	case w.head.Protection == wire.ProtectXXH3 && len(data) == int(w.head.DataLen):
		p.sum = w.head.DataSum
	case p.summed:
		p.sum = wire.Sum(data)
	}
	return p
}

// record is what the journal of a file of that size says of the piece.
func (p piece) record(size int64) wire.JournalRecord {
	from := int64(p.chunk.Offset)
	return wire.JournalRecord{
		Range: wire.Range{From: from, To: from + chunkLen(p.chunk, size)},
		Hole:  p.chunk.Flags&wire.ChunkHole != 0, Sum: p.sum,
	}
}
