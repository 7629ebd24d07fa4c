package transporttest

import (
	"context"
	"errors"
	"io"
	"testing"

	"scp_rdma/transport"
)

func testCleanClose(t *testing.T, s *suite) {
	a, b := s.open(t)
	pump(t, a, b, 0, 10, 8, 8)
	ctx := within(t)
	end := async(func() (*transport.Slot, error) { return b.Recv(ctx) })
	if err := a.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	finish(t, a, b, end)
	if _, err := b.Recv(ctx); !errors.Is(err, io.EOF) {
		t.Errorf("recv again: %v", err)
	}
}

func testUncleanClose(t *testing.T, s *suite) {
	a, b := s.open(t)
	ctx := within(t)
	pump(t, a, b, 0, 5, 8, 8)
	if err := send(ctx, a, 5, 8, 8); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	for {
		_, err := b.Recv(ctx)
		if err == nil {
			continue // what was under way may still arrive
		}
		if errors.Is(err, io.EOF) || !errors.Is(err, transport.ErrPeerGone) {
			t.Errorf("recv after an unclean close: %v", err)
		}
		return
	}
}

// blocked is a call that waits, and the streams of both ends.
type blocked struct {
	name        string
	mine, other transport.Stream
	call        func(ctx context.Context) error
}

// blockedCalls makes one of each kind.
func (s *suite) blockedCalls(t *testing.T) []blocked {
	t.Helper()
	var list []blocked
	pair := func(stream uint32, fill int) (transport.SendStream, transport.RecvStream) {
		a, b := s.open(t, func(r *transport.OpenRequest) { r.Stream = stream })
		for n := range fill {
			if err := send(within(t), a, n, 8, 8); err != nil {
				t.Fatal(err)
			}
		}
		return a, b
	}
	a, b := pair(10, 4)
	list = append(list, blocked{"acquire", a, b, func(ctx context.Context) error { _, err := a.Acquire(ctx); return err }})
	c, d := pair(11, 2)
	list = append(list, blocked{"flush", c, d, func(ctx context.Context) error { return c.Flush(ctx) }})
	e, f := pair(12, 0)
	list = append(list, blocked{"recv", f, e, func(ctx context.Context) error { _, err := f.Recv(ctx); return err }})
	return list
}

func testCancel(t *testing.T, s *suite) {
	cause := errors.New("enough")
	for _, w := range s.blockedCalls(t) {
		ctx, cancel := context.WithCancelCause(within(t))
		done := async(func() (struct{}, error) { return struct{}{}, w.call(ctx) })
		cancel(cause)
		if _, err := await(t, done); !errors.Is(err, cause) && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", w.name, err)
		}
		if err := w.call(ctx); err == nil {
			t.Errorf("%s with a context that has ended succeeded", w.name)
		}
	}
	// Connect of a responder that nobody joins, and of an initiator with a context that has ended.
	r := s.request(t)
	r.Role = transport.Receiver
	r.Pair.Local, r.Pair.Peer = r.Pair.Peer, r.Pair.Local
	e, err := s.Responder.Open(within(t), r)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(within(t))
	done := async(func() (transport.Stream, error) { return e.Connect(ctx, nil) })
	cancel(cause)
	if _, err := await(t, done); err == nil {
		t.Error("connect without a peer succeeded")
	}
}

func testOwnClose(t *testing.T, s *suite) {
	for _, w := range s.blockedCalls(t) {
		done := async(func() (struct{}, error) { return struct{}{}, w.call(within(t)) })
		if err := w.mine.Close(); err != nil {
			t.Errorf("%s: close: %v", w.name, err)
		}
		if _, err := await(t, done); !errors.Is(err, transport.ErrClosed) {
			t.Errorf("%s: %v", w.name, err)
		}
	}
}

func testPeerClose(t *testing.T, s *suite) {
	for _, w := range s.blockedCalls(t) {
		done := async(func() (struct{}, error) { return struct{}{}, w.call(within(t)) })
		if err := w.other.Close(); err != nil {
			t.Errorf("%s: close: %v", w.name, err)
		}
		if _, err := await(t, done); !errors.Is(err, transport.ErrPeerGone) {
			t.Errorf("%s: %v", w.name, err)
		}
	}
}

func testKilled(t *testing.T, s *suite) {
	if s.kill == nil {
		return // closing is the only end it has, and that is another test
	}
	for _, w := range s.blockedCalls(t) {
		done := async(func() (struct{}, error) { return struct{}{}, w.call(within(t)) })
		s.kill(w.other)
		if _, err := await(t, done); !errors.Is(err, transport.ErrPeerGone) {
			t.Errorf("%s: %v", w.name, err)
		}
	}
}

func testCloseTwice(t *testing.T, s *suite) {
	a, b := s.open(t)
	if err := send(within(t), a, 0, 8, 8); err != nil {
		t.Fatal(err)
	}
	slot, err := recv(within(t), b, 0, 8, 8)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	fill(slot.Bytes(), 7) // a slot in somebody's hands stays memory
	if err := b.Release(slot); err == nil {
		t.Error("release on a closed stream succeeded")
	}
	if _, err := a.Acquire(within(t)); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("acquire: %v", err)
	}
	if err := a.Flush(within(t)); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("flush: %v", err)
	}
	if _, err := b.Recv(within(t)); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("recv: %v", err)
	}
}
