package transporttest

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"scp_rdma/transport"
)

// testSendWaits: where Send may have to wait, everything ends that wait too.
func testSendWaits(t *testing.T, s *suite) {
	if s.swallows == 0 {
		return // Send never waits here
	}
	const size = 1 << 20
	for name, tt := range map[string]struct {
		end  func(a transport.SendStream, b transport.RecvStream, cancel context.CancelFunc)
		want error
	}{
		"ctx":          {func(_ transport.SendStream, _ transport.RecvStream, cancel context.CancelFunc) { cancel() }, context.Canceled},
		"own Close":    {func(a transport.SendStream, _ transport.RecvStream, _ context.CancelFunc) { _ = a.Close() }, transport.ErrClosed},
		"peer's Close": {func(_ transport.SendStream, b transport.RecvStream, _ context.CancelFunc) { _ = b.Close() }, transport.ErrPeerGone},
		"peer's death": {func(_ transport.SendStream, b transport.RecvStream, _ context.CancelFunc) { s.die(b) }, transport.ErrPeerGone},
	} {
		a, b := s.open(t, func(r *transport.OpenRequest) { r.Slots, r.SlotSize = s.swallows/size+2, size })
		ctx, cancel := context.WithCancel(within(t))
		var last error
		c := start(func() error {
			for last == nil {
				slot, err := a.Acquire(ctx)
				if err != nil {
					return errors.Join(errors.New("out of credits before Send had to wait"), err)
				}
				if err := slot.SetLen(0, size); err != nil {
					return err
				}
				last = a.Send(ctx, slot)
			}
			return last
		})
		c.blocks(t)
		began := time.Now()
		tt.end(a, b, cancel)
		if err := c.wait(t); !errors.Is(err, tt.want) || last == nil || time.Since(began) > promptly {
			t.Errorf("send, ended by %s after %v: %v", name, time.Since(began), err)
		}
		cancel()
		_, _ = a.Close(), b.Close()
	}
}

// die ends a stream without a word, as far as the transport has a way.
func (s *suite) die(st transport.Stream) {
	if s.kill != nil {
		s.kill(st)
		return
	}
	_ = st.Close()
}

// testNothingSentSince: what counts for a clean close is what was sent.
func testNothingSentSince(t *testing.T, s *suite) {
	a, b := s.open(t)
	end := start(func() error { _, err := b.Recv(within(t)); return err })
	if err := a.Flush(within(t)); err != nil {
		t.Fatal(err)
	}
	slot, err := a.Acquire(within(t))
	if err != nil {
		t.Fatal(err)
	}
	a.Discard(slot)
	// The receiver's engine does nothing but receive: the transport itself says
	// the last words, so that Close doesn't wait for more.
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if err := end.wait(t); !errors.Is(err, io.EOF) {
		t.Errorf("recv: %v, want EOF", err)
	}
}

func testSentSinceFlush(t *testing.T, s *suite) {
	a, b := s.open(t)
	pump(t, a, b, 0, 4, 8, 8)
	next := start(func() error { _, err := b.Recv(within(t)); return err })
	if err := errors.Join(a.Flush(within(t)), send(within(t), a, 4, 8, 8)); err != nil {
		t.Fatal(err)
	}
	if err := next.wait(t); err != nil {
		t.Fatal(err)
	}
	_ = a.Close()
	if _, err := b.Recv(within(t)); !errors.Is(err, transport.ErrPeerGone) {
		t.Errorf("recv: %v, want that the peer is gone", err)
	}
}

// testErrorsSayWhere: an error names the call, the rail and the stream.
func testErrorsSayWhere(t *testing.T, s *suite) {
	a, b := s.open(t, func(r *transport.OpenRequest) { r.Stream = 7 })
	_, _ = a.Close(), b.Close()
	_, acquire := a.Acquire(within(t))
	_, receive := b.Recv(within(t))
	for op, err := range map[string]error{"acquire": acquire, "flush": a.Flush(within(t)), "recv": receive} {
		var se *transport.StreamError
		if !errors.As(err, &se) || se.Op != op || se.Stream != 7 || se.Rail == "" {
			t.Errorf("%s: %#v", op, err)
		}
	}
}

// testSlotsOutliveClose: memory that somebody holds isn't taken away under him.
func testSlotsOutliveClose(t *testing.T, s *suite) {
	a, b := s.open(t)
	if err := send(within(t), a, 0, 8, 100); err != nil {
		t.Fatal(err)
	}
	in, err := recv(within(t), b, 0, 8, 100)
	if err != nil {
		t.Fatal(err)
	}
	out, err := a.Acquire(within(t))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = a.Close(), b.Close()
	fill(out.Space(), 1)
	want := make([]byte, 108)
	if fill(want, 0); string(in.Bytes()) != string(want) {
		t.Error("a frame changed when its stream was closed")
	}
	a.Discard(out)
	if err := b.Release(in); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("release on a closed stream: %v", err)
	}
}

// testWakes: with 16 slots credits go out by four, but not past one who waits.
func testWakes(t *testing.T, s *suite) {
	const slots = 16
	a, b := s.open(t, func(r *transport.OpenRequest) { r.Slots = slots })
	held := make([]*transport.Slot, slots)
	for n := range held {
		err := send(within(t), a, n, 1, 1)
		if err == nil {
			held[n], err = recv(within(t), b, n, 1, 1)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	next := start(func() error { _, err := b.Recv(within(t)); return err })
	sent := start(func() error { return send(within(t), a, slots, 1, 1) })
	sent.blocks(t)
	if err := b.Release(held[0]); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(sent.wait(t), next.wait(t)); err != nil {
		t.Errorf("after one release: %v", err)
	}
}
