package verbs

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"scp_rdma/transport"
	"scp_rdma/transport/verbs/internal/softnic"
)

// joined is two hosts with a stream from one to the other.
func joined(t *testing.T, tune func(*Config)) (near, far *softnic.Host, s transport.SendStream, r transport.RecvStream) {
	t.Helper()
	f := &softnic.Fabric{}
	near, far = f.Host(devices(1, 1)...), f.Host(devices(1, 2)...)
	t.Cleanup(func() {
		if left := f.Leaks(); len(left) != 0 {
			t.Errorf("left open: %v", left)
		}
	})
	side := func(h *softnic.Host) *Transport {
		cfg := Config{Devices: h, StrictRNR: true, Heartbeat: 20 * time.Millisecond}
		tune(&cfg)
		return New(cfg)
	}
	mine, theirs := side(near), side(far)
	ours, errA := mine.Probe(t.Context())
	others, errB := theirs.Probe(t.Context())
	pairs, errC := mine.Pair(ours, others, transport.Path{})
	if err := errors.Join(errA, errB, errC); err != nil {
		t.Fatal(err)
	}
	req := transport.OpenRequest{
		Pair: pairs[0], Role: transport.Sender, Initiator: true, Key: []byte("a key of thirty-two bytes, or so!"), Slots: 4, SlotSize: 8192,
	}
	a, err := mine.Open(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	req.Role, req.Initiator, req.Offer = transport.Receiver, false, a.Offer()
	req.Pair.Local, req.Pair.Peer = req.Pair.Peer, req.Pair.Local
	b, err := theirs.Open(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	sent, err := a.Connect(t.Context(), b.Offer())
	if err != nil {
		t.Fatal(err)
	}
	// The responder was in RTS before: it has answered without its Connect.
	got, err := b.Connect(t.Context(), a.Offer())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(sent.Close(), got.Close()) })
	return near, far, sent.(transport.SendStream), got.(transport.RecvStream)
}

// post sends one frame.
func post(ctx context.Context, s transport.SendStream, n int) error {
	slot, err := s.Acquire(ctx)
	if err != nil {
		return err
	}
	if err := slot.SetLen(16, n); err != nil {
		return err
	}
	return s.Send(ctx, slot)
}

// A switch that drops long packets sends no error, and neither does the NIC.
func TestAWayThatSwallowsLargePacketsIsAnError(t *testing.T) {
	_, far, s, _ := joined(t, func(c *Config) { c.Stall = 200 * time.Millisecond })
	far.SetMTU("rxe0", 512)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := post(ctx, s, 8000)
	if err == nil {
		err = s.Flush(ctx)
	}
	if !errors.Is(err, transport.ErrPeerGone) || !strings.Contains(err.Error(), "MTU") {
		t.Errorf("flush: %v", err)
	}
}

// Who waits for a slow receiver has nothing posted that is not done.
func TestASlowReceiverIsNoStall(t *testing.T) {
	_, _, s, r := joined(t, func(c *Config) { c.Stall = 50 * time.Millisecond })
	ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
	defer cancel()
	for err := error(nil); err == nil; {
		err = post(ctx, s, 8000)
	}
	for range 4 {
		slot, err := r.Recv(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Release(slot); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Errorf("after a pause of many times the limit: %v", err)
	}
}

// Nobody calls the stream when its device or its peer goes: it says so all the same.
func TestAStreamThatBreaksWhileIdleSaysSo(t *testing.T) {
	for name, breaks := range map[string]func(near, far *softnic.Host, r transport.RecvStream){
		"its port goes down":    func(near, _ *softnic.Host, _ transport.RecvStream) { near.SetPort("rxe0", false) },
		"its device is removed": func(near, _ *softnic.Host, _ transport.RecvStream) { near.SetRemoved("rxe0", true) },
		"its peer is killed":    func(_, _ *softnic.Host, r transport.RecvStream) { kill(r) },
	} {
		t.Run(name, func(t *testing.T) {
			near, far, s, r := joined(t, func(c *Config) { c.AckTimeout = quick })
			breaks(near, far, r)
			select {
			case <-s.(transport.Breaker).Broken():
			case <-time.After(time.Minute):
				t.Error("it doesn't know")
			}
		})
	}
}
