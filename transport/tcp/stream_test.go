package tcp

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"scp_rdma/transport"
	"scp_rdma/transport/internal/socket"
	"scp_rdma/transport/transporttest"
)

// join connects a sender that dials with its receiver.
func join(tb testing.TB, w transporttest.World, slots, size int) (*socket.SendStream, *socket.RecvStream) {
	tb.Helper()
	ctx := context.Background()
	local, err := w.Initiator.Probe(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	peer, err := w.Responder.Probe(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	pairs, err := w.Initiator.Pair(local, peer, w.Control)
	if err != nil {
		tb.Fatal(err)
	}
	req := transport.OpenRequest{Pair: pairs[0], Role: transport.Receiver, Key: make([]byte, 32),
		Slots: slots, SlotSize: size, Control: w.Control}
	r, err := w.Responder.Open(ctx, req)
	if err != nil {
		tb.Fatal(err)
	}
	req.Role, req.Initiator = transport.Sender, true
	i, err := w.Initiator.Open(ctx, req)
	if err != nil {
		tb.Fatal(err)
	}
	far := make(chan transport.Stream, 1)
	go func() {
		defer close(far)
		if st, err := r.Connect(ctx, i.Offer()); err == nil {
			far <- st
		}
	}()
	near, err := i.Connect(ctx, r.Offer())
	st, ok := <-far
	if err != nil || !ok {
		tb.Fatalf("connect: %v", err)
	}
	tb.Cleanup(func() { _, _ = near.Close(), st.Close() })
	return near.(*socket.SendStream), st.(*socket.RecvStream)
}

// A slow disk is no fault, however long it takes: TCP_USER_TIMEOUT on the
// sender would end this stream, since Linux counts the time of a closed window.
func TestAReceiverMayStallFarBeyondTheTimeout(t *testing.T) {
	const slots, size = 16, 1 << 20
	const timeout = 200 * time.Millisecond
	s, r := join(t, world(t, func(c *Config) {
		c.Timeout, c.SendBuffer, c.RecvBuffer = timeout, 64<<10, 64<<10
	}), slots, size)
	ctx := context.Background()
	done := make(chan error, 1)
	go func() {
		for range slots {
			slot, err := s.Acquire(ctx)
			if err == nil {
				err = slot.SetLen(0, size)
			}
			if err == nil {
				err = s.Send(ctx, slot)
			}
			if err != nil {
				done <- err
				return
			}
		}
		done <- errors.Join(s.Flush(ctx), s.Close())
	}()
	select {
	case err := <-done:
		t.Fatalf("16 MiB went into buffers of 64 KiB, or: %v", err)
	case <-time.After(10 * timeout):
	}
	for {
		slot, err := r.Recv(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Release(slot); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestALivePeerAnswers(t *testing.T) {
	s, r := join(t, world(t, func(*Config) {}), 2, 4096)
	if !answers(s.Conn().(*net.TCPConn), time.Nanosecond) {
		t.Error("nothing is owed, and yet the peer is taken for dead")
	}
	_, _ = s.Close(), r.Close()
	if answers(s.Conn().(*net.TCPConn), time.Hour) {
		t.Error("a closed connection answers")
	}
}

// The place at an endpoint is taken with the first proof, before Connect.
func TestASecondJoinIsRefusedAtOnce(t *testing.T) {
	w := world(t, func(*Config) {})
	rails, err := w.Initiator.Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	req := transport.OpenRequest{Pair: transport.RailPair{Local: rails[0], Peer: rails[0]}, Role: transport.Receiver,
		Key: make([]byte, 32), Slots: 2, SlotSize: 4096, Control: w.Control}
	r, err := w.Responder.Open(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	req.Role, req.Initiator = transport.Sender, true
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ends := make(chan error, 2)
	for range 2 {
		i, err := w.Initiator.Open(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, err := i.Connect(ctx, r.Offer()); ends <- err }()
	}
	select {
	case err := <-ends:
		if !errors.Is(err, transport.ErrPeerGone) {
			t.Errorf("second join: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("two peers wait at one endpoint")
	}
	cancel()
	if err := <-ends; !errors.Is(err, context.Canceled) {
		t.Errorf("first join: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// Pacing costs time, and nothing inside a host needs it. Once a connection is made
// with it no other algorithm takes its timers away, so it must be off before.
func TestInsideAHostNothingIsPaced(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "not connected")
	defer f.Close()
	raw, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	e := &endpoint{t: New(Config{})}
	d, err := e.dialer(netip.MustParseAddr("127.0.0.1"))
	if err == nil {
		err = d.ControlContext(t.Context(), "tcp4", "127.0.0.1:1", raw)
	}
	if err != nil {
		t.Fatal(err)
	}
	if how, err := unix.GetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION); err != nil || how != "reno" {
		t.Errorf("congestion control %q, %v", how, err)
	}
}

func TestOwnAddresses(t *testing.T) {
	for addr, want := range map[string]bool{"127.0.0.1": true, "127.3.2.1": true, "::1": true, "192.0.2.7": false, "2001:db8::7": false} {
		if got := ownAddress(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		ip, _ := netip.AddrFromSlice(a.(*net.IPNet).IP)
		if !ownAddress(ip) {
			t.Errorf("%s is another host's", ip)
		}
	}
}
