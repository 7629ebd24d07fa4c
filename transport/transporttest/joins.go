package transporttest

import (
	"context"
	"errors"
	"testing"

	"scp_rdma/transport"
)

// ends makes the requests of both ends of a stream that the initiator sends on.
func (s *suite) ends(t *testing.T) (initiator, responder transport.OpenRequest) {
	t.Helper()
	initiator = s.request(t)
	responder = initiator
	initiator.Role, initiator.Initiator, responder.Role = transport.Sender, true, transport.Receiver
	responder.Pair.Local, responder.Pair.Peer = responder.Pair.Peer, responder.Pair.Local
	return initiator, responder
}

// endpoint opens one end, closed at the latest with the test.
func endpoint(t *testing.T, tr transport.Transport, req transport.OpenRequest) transport.Endpoint {
	t.Helper()
	e, err := tr.Open(within(t), req)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(e.Offer()); n > transport.MaxOffer {
		t.Fatalf("an offer of %d bytes", n)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// testStranger: who is refused doesn't use up the endpoint of the right peer,
// and who comes after that finds the place taken.
func testStranger(t *testing.T, s *suite) {
	mine, theirs := s.ends(t)
	r := endpoint(t, s.Responder, theirs)
	joined := async(func() (transport.Stream, error) { return r.Connect(within(t), nil) })
	wrong := mine
	wrong.Key = []byte("a key of thirty-two bytes, or so?")
	if st, err := endpoint(t, s.Initiator, wrong).Connect(within(t), r.Offer()); err == nil {
		t.Fatalf("a stranger was taken: %v", st.Close())
	}
	a, err := endpoint(t, s.Initiator, mine).Connect(within(t), r.Offer())
	if err != nil {
		t.Fatalf("the right peer after a stranger: %v", err)
	}
	b, err := await(t, joined)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	if st, err := endpoint(t, s.Initiator, mine).Connect(within(t), r.Offer()); err == nil {
		t.Errorf("a second peer was taken: %v", st.Close())
	}
	pump(t, a.(transport.SendStream), b.(transport.RecvStream), 0, 5, 8, 8)
}

// testReopen: each epoch is a stream of its own, counted from frame 0.
func testReopen(t *testing.T, s *suite) {
	for epoch := range uint32(3) {
		a, b := s.open(t, func(r *transport.OpenRequest) { r.Epoch = epoch })
		pump(t, a, b, 0, 5, 8, 8)
	}
}

func testOffers(t *testing.T, s *suite) {
	mine, _ := s.ends(t)
	for _, offer := range [][]byte{nil, {}, []byte("nonsense"), make([]byte, transport.MaxOffer)} {
		ctx, cancel := context.WithTimeout(within(t), patience/10)
		if st, err := endpoint(t, s.Initiator, mine).Connect(ctx, offer); err == nil {
			t.Errorf("connected to nobody by offer %x: %v", offer[:min(len(offer), 20)], st.Close())
		}
		cancel()
	}
}

// testHostileRails: what a peer tells of its rails is ignored or refused.
func testHostileRails(t *testing.T, s *suite) {
	local, err := s.Initiator.Probe(within(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range [][]byte{nil, {0}, {255}, {1, 4, 127, 0, 0, 1}, {1, 255, 255, 255}, make([]byte, transport.MaxRailInfo)} {
		_, err := s.Initiator.Pair(local, []transport.Rail{{Name: "x", Info: info}}, s.Control)
		if err != nil && !errors.Is(err, transport.ErrProtocol) && !errors.Is(err, transport.ErrUnavailable) {
			t.Errorf("rail info %x: %v", info, err)
		}
	}
}

// testAllRails opens a stream on each rail; all carry at once, each under its name.
func testAllRails(t *testing.T, s *suite) {
	pairs := s.pairs(t)
	seen := map[string]bool{}
	for i, p := range pairs {
		if seen[p.Local.Name] {
			continue // another way for the same rail
		}
		seen[p.Local.Name] = true
		a, b := s.open(t, func(r *transport.OpenRequest) { r.Pair, r.Stream = p, uint32(i) })
		if a.Rail() != p.Local.Name || b.Rail() != p.Peer.Name {
			t.Errorf("streams on %q and %q, want %q and %q", a.Rail(), b.Rail(), p.Local.Name, p.Peer.Name)
		}
		sent := start(func() error {
			for n := range 200 {
				if err := send(within(t), a, n, 8, 4096); err != nil {
					return err
				}
			}
			return nil
		})
		received := start(func() error {
			for n := range 200 {
				slot, err := recv(within(t), b, n, 8, 4096)
				if err == nil {
					err = b.Release(slot)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		defer func() {
			if err := errors.Join(sent.wait(t), received.wait(t)); err != nil {
				t.Errorf("rail %s: %v", p.Local.Name, err)
			}
		}()
	}
}

// testConnectEnds: Connect waits for a peer, for ctx, and for Close.
func testConnectEnds(t *testing.T, s *suite) {
	mine, theirs := s.ends(t)
	for name, end := range map[string]func(e transport.Endpoint, cancel context.CancelFunc){
		"ctx":   func(_ transport.Endpoint, cancel context.CancelFunc) { cancel() },
		"Close": func(e transport.Endpoint, _ context.CancelFunc) { _ = e.Close() },
	} {
		want := map[string]error{"ctx": context.Canceled, "Close": transport.ErrClosed}[name]
		ctx, cancel := context.WithCancel(within(t))
		r := endpoint(t, s.Responder, theirs)
		c := start(func() error { _, err := r.Connect(ctx, nil); return err })
		c.blocks(t)
		end(r, cancel)
		if err := c.wait(t); !errors.Is(err, want) {
			t.Errorf("a responder that nobody joins, ended by %s: %v", name, err)
		}
		cancel()

		ctx, cancel = context.WithCancel(within(t))
		r = endpoint(t, s.Responder, theirs) // which never gets to Connect
		i := endpoint(t, s.Initiator, mine)
		c = start(func() error { _, err := i.Connect(ctx, r.Offer()); return err })
		c.blocks(t)
		end(i, cancel)
		if err := c.wait(t); !errors.Is(err, want) {
			t.Errorf("an initiator that nobody answers, ended by %s: %v", name, err)
		}
		cancel()
		_ = r.Close()
	}
	r := endpoint(t, s.Responder, theirs)
	i := endpoint(t, s.Initiator, mine)
	c := start(func() error { _, err := i.Connect(within(t), r.Offer()); return err })
	c.blocks(t)
	_ = r.Close()
	if err := c.wait(t); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("connect to an endpoint that was closed: %v", err)
	}
	if _, err := r.Connect(within(t), nil); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("connect of a closed endpoint: %v", err)
	}
}
