package transporttest

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"scp_rdma/transport"
)

func testOrder(t *testing.T, s *suite) {
	a, b := s.open(t)
	pump(t, a, b, 0, 500, 88, 8000)
}

func testSizes(t *testing.T, s *suite) {
	a, b := s.open(t)
	n := 0
	for _, l := range [][2]int{{0, 0}, {1, 0}, {0, 1}, {64, 4096}, {transport.HeadRoom, 8192}, {transport.HeadRoom, 0}, {0, 8192}, {0, 0}} {
		pump(t, a, b, n, n+1, l[0], l[1])
		n++
	}
	small := func(r *transport.OpenRequest) { r.Stream, r.SlotSize = 1, transport.MinSlotSize }
	a, b = s.open(t, small)
	pump(t, a, b, 0, 9, 64, transport.MinSlotSize)
	large := func(r *transport.OpenRequest) { r.Stream, r.SlotSize, r.Slots = 2, s.largest, 2 }
	a, b = s.open(t, large)
	pump(t, a, b, 0, 3, transport.HeadRoom, s.largest)
}

func testTiny(t *testing.T, s *suite) {
	a, b := s.open(t)
	pump(t, a, b, 0, 10_000, 1, 1)
}

func testOneSlot(t *testing.T, s *suite) {
	a, b := s.open(t, func(r *transport.OpenRequest) { r.Slots = 1 })
	pump(t, a, b, 0, 200, 8, 8192)
	if err := a.Flush(within(t)); err != nil {
		t.Error(err)
	}
}

// testCredits: a receiver that releases nothing gets exactly its slots full.
func testCredits(t *testing.T, s *suite) {
	a, b := s.open(t)
	for n := range 4 {
		if err := send(within(t), a, n, 8, 100); err != nil {
			t.Fatal(err)
		}
	}
	blocked, cancel := context.WithCancel(within(t))
	more := async(func() (*transport.Slot, error) { return a.Acquire(blocked) })
	for n := range 4 {
		if _, err := recv(within(t), b, n, 8, 100); err != nil {
			t.Fatal(err)
		}
	}
	// The receiver waits too: requests of the blocked sender are answered, with nothing.
	idle := async(func() (*transport.Slot, error) { return b.Recv(blocked) })
	select {
	case r := <-more:
		t.Errorf("a fifth slot of four: %+v", r)
	case <-time.After(50 * time.Millisecond):
	}
	cancel()
	if _, err := await(t, more); !errors.Is(err, context.Canceled) {
		t.Errorf("acquire: %v", err)
	}
	_, _ = await(t, idle)
}

func testReleaseOrder(t *testing.T, s *suite) {
	a, b := s.open(t, func(r *transport.OpenRequest) { r.Slots = 7 })
	ctx := within(t)
	const frames = 700
	sent := async(func() (struct{}, error) {
		for n := range frames {
			if err := send(ctx, a, n, 8, 64); err != nil {
				return struct{}{}, err
			}
		}
		return struct{}{}, a.Flush(ctx)
	})
	rng := rand.New(rand.NewPCG(1, 2))
	var held []*transport.Slot
	for n := 0; n < frames || len(held) > 0; {
		// The next frame can come only when the slot of the one seven before it is free.
		room := len(held) == 0 || uint64(n) < held[0].Frame+7
		if n < frames && room && (len(held) == 0 || rng.IntN(2) == 0) {
			slot, err := recv(ctx, b, n, 8, 64)
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, slot)
			n++
			continue
		}
		i := rng.IntN(len(held))
		if err := b.Release(held[i]); err != nil {
			t.Fatal(err)
		}
		held = append(held[:i], held[i+1:]...)
	}
	// Whoever receives also answers the sender's last request.
	last := async(func() (*transport.Slot, error) { return b.Recv(ctx) })
	if _, err := await(t, sent); err != nil {
		t.Error(err)
	}
	finish(t, a, b, last)
}

// finish closes both ends of a flushed stream; last is a Recv that waits.
func finish(t *testing.T, a transport.SendStream, b transport.RecvStream, last <-chan result[*transport.Slot]) {
	t.Helper()
	closed := async(func() (struct{}, error) { return struct{}{}, a.Close() })
	if _, err := await(t, last); !errors.Is(err, io.EOF) {
		t.Errorf("recv after the last frame: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if _, err := await(t, closed); err != nil {
		t.Error(err)
	}
}

func testSlowReceiver(t *testing.T, s *suite) {
	size := min(s.largest, 1<<20)
	a, b := s.open(t, func(r *transport.OpenRequest) { r.Slots, r.SlotSize = 2, size })
	ctx := within(t)
	var done int
	sent := async(func() (int, error) {
		for n := range 40 {
			if err := send(ctx, a, n, 8, size); err != nil {
				return n, err
			}
		}
		return 40, nil
	})
	for n := range 40 {
		slot, err := recv(ctx, b, n, 8, size)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 { // as slow as it takes
			fill(slot.Data(), n)
		}
		if err := b.Release(slot); err != nil {
			t.Fatal(err)
		}
		done++
	}
	if n, err := await(t, sent); err != nil || n != done {
		t.Errorf("sent %d, %v", n, err)
	}
}

func testDiscard(t *testing.T, s *suite) {
	a, b := s.open(t)
	ctx := within(t)
	for range 10 {
		slot, err := a.Acquire(ctx)
		if err != nil || slot.Frame != 0 {
			t.Fatalf("acquire: %+v, %v", slot, err)
		}
		a.Discard(slot)
	}
	pump(t, a, b, 0, 10, 8, 8)
}

func testReleaseTwice(t *testing.T, s *suite) {
	a, b := s.open(t)
	if err := send(within(t), a, 0, 8, 8); err != nil {
		t.Fatal(err)
	}
	slot, err := recv(within(t), b, 0, 8, 8)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Release(slot); err != nil {
		t.Fatal(err)
	}
	if err := b.Release(slot); !errors.Is(err, transport.ErrProtocol) {
		t.Errorf("second release: %v", err)
	}
	acquired, err := a.Acquire(within(t))
	if err != nil {
		t.Fatal(err)
	}
	a.Discard(acquired)
	if err := a.Send(within(t), acquired); !errors.Is(err, transport.ErrProtocol) {
		t.Errorf("send of a slot that was given back: %v", err)
	}
}

func testFlush(t *testing.T, s *suite) {
	a, b := s.open(t)
	ctx := within(t)
	if err := a.Flush(ctx); err != nil {
		t.Fatalf("flush of nothing: %v", err)
	}
	for n := range 3 {
		if err := send(ctx, a, n, 8, 8); err != nil {
			t.Fatal(err)
		}
	}
	flushed := async(func() (struct{}, error) { return struct{}{}, a.Flush(ctx) })
	var held []*transport.Slot
	for n := range 3 {
		slot, err := recv(ctx, b, n, 8, 8)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, slot)
	}
	inUse(t, a, 3)
	inUse(t, b, 3)
	next := async(func() (*transport.Slot, error) { return b.Recv(ctx) })
	for _, slot := range held {
		select {
		case r := <-flushed:
			t.Fatalf("flushed with slots unreleased: %v", r.err)
		default:
		}
		if err := b.Release(slot); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := await(t, flushed); err != nil {
		t.Error(err)
	}
	inUse(t, a, 0)
	inUse(t, b, 0)
	finish(t, a, b, next)
}

// inUse compares what a stream says of its slots, if it says anything.
func inUse(t *testing.T, st transport.Stream, want int) {
	t.Helper()
	if g, ok := st.(transport.Gauged); ok && g.InUse() != want {
		t.Errorf("%T has %d slots in use, want %d", st, g.InUse(), want)
	}
}

func testManyStreams(t *testing.T, s *suite) {
	const streams = 16
	done := make([]<-chan result[struct{}], streams)
	for i := range streams {
		a, b := s.open(t, func(r *transport.OpenRequest) { r.Stream = uint32(i) })
		ctx := within(t)
		done[i] = async(func() (struct{}, error) {
			for n := range 100 {
				if err := send(ctx, a, n, 8, 8192); err != nil {
					return struct{}{}, err
				}
			}
			return struct{}{}, nil
		})
		defer func() {
			for n := range 100 {
				slot, err := recv(ctx, b, n, 8, 8192)
				if err != nil {
					t.Error(err)
					return
				}
				if err := b.Release(slot); err != nil {
					t.Error(err)
				}
			}
			if _, err := await(t, done[i]); err != nil {
				t.Error(err)
			}
		}()
	}
}
