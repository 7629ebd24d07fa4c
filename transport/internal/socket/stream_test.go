package socket

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"scp_rdma/transport"
)

// ends are the two ends of a connection.
func ends(t *testing.T) (a, b Conn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var list [2]Conn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "end")
		c, err := net.FileConn(f)
		_ = f.Close()
		if err != nil {
			t.Fatal(err)
		}
		list[i] = c.(Conn)
	}
	return list[0], list[1]
}

// join makes both ends of a stream, with slots of their own or the same ones.
func join(t *testing.T, slots int, shared bool) (*SendStream, *RecvStream) {
	t.Helper()
	a, b := ends(t)
	c := Config{Conn: a, Bound: time.Minute, Silence: time.Minute,
		Request: transport.OpenRequest{Role: transport.Sender, Slots: slots, SlotSize: transport.MinSlotSize}}
	if shared {
		slab, err := transport.NewSlab(SlabSize(c.Request))
		if err != nil {
			t.Fatal(err)
		}
		slab.Hold() // one reference for each end
		c.Shared = slab
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	c.Conn, c.Request.Role = b, transport.Receiver
	r, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = s.Close(), r.Close() })
	return s.(*SendStream), r.(*RecvStream)
}

func bothWays(t *testing.T, test func(t *testing.T, shared bool)) {
	for name, shared := range map[string]bool{"slots of its own": false, "the same slots": true} {
		t.Run(name, func(t *testing.T) { test(t, shared) })
	}
}

// A frame costs no garbage but the watch over ctx: 10 GB/s in slots of 1 MiB
// are 10,000 frames a second, on a collector that should have nothing to do.
func TestAFrameAllocatesNothing(t *testing.T) {
	bothWays(t, func(t *testing.T, shared bool) {
		s, r := join(t, 4, shared)
		ctx := context.Background()
		n := testing.AllocsPerRun(500, func() {
			slot, err := s.Acquire(ctx)
			if err == nil {
				err = slot.SetLen(64, 100)
			}
			if err == nil {
				err = s.Send(ctx, slot)
			}
			if err == nil {
				slot, err = r.Recv(ctx)
			}
			if err == nil {
				err = r.Release(slot)
			}
			if err != nil {
				t.Fatal(err)
			}
		})
		if n > 2 {
			t.Errorf("%v allocations per frame", n)
		}
	})
}

func TestMemoryGoesWithItsLastHolder(t *testing.T) {
	s, r := join(t, 2, false)
	slot, err := s.Acquire(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = s.Close(), r.Close()
	if r.slab.Bytes() != nil {
		t.Error("nobody holds a slot of the receiver, its memory is still mapped")
	}
	if s.slab.Bytes() == nil {
		t.Fatal("memory was unmapped under a slot in use")
	}
	slot.Space()[0] = 1
	s.Discard(slot)
	if s.slab.Bytes() != nil {
		t.Error("the last slot is back, the memory is still mapped")
	}
}

// The receiver's engine may be busy with the last frames, or slow to close.
func TestACleanCloseDoesNotWaitForThePeersEngine(t *testing.T) {
	bothWays(t, func(t *testing.T, shared bool) {
		s, r := join(t, 2, shared)
		end := make(chan error, 1)
		go func() { _, err := r.Recv(context.Background()); end <- err }()
		began := time.Now()
		if err := errors.Join(s.Flush(context.Background()), s.Close()); err != nil {
			t.Error(err)
		}
		if d := time.Since(began); d >= closeWait {
			t.Errorf("close took %v", d)
		}
		if err := <-end; !errors.Is(err, io.EOF) {
			t.Errorf("recv: %v", err)
		}
	})
}

// What crosses the socket of a stream whose ends have the same slots is CDCs alone.
func TestSharedSlotsAreNotCopied(t *testing.T) {
	s, r := join(t, 3, true)
	for n := range 7 {
		slot, err := s.Acquire(t.Context())
		if err == nil {
			err = slot.SetLen(3, transport.MinSlotSize)
		}
		if err != nil {
			t.Fatal(err)
		}
		copy(slot.Head(), "abc")
		slot.Data()[4095] = byte(n)
		if err := s.Send(t.Context(), slot); err != nil {
			t.Fatal(err)
		}
		got, err := r.Recv(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if int(got.Index) != n%3 || string(got.Head()) != "abc" || &got.Data()[0] != &slot.Space()[0] || got.Data()[4095] != byte(n) {
			t.Errorf("frame %d: slot %d, head %q", n, got.Index, got.Head())
		}
		if err := r.Release(got); err != nil {
			t.Fatal(err)
		}
	}
}
