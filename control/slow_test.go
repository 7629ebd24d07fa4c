package control

import (
	"context"
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A peer whose engine is at work, on a disk that takes an hour, says that it lives by
// itself: also to one that has little patience and never pings, since it has things to say.
func TestASlowPeerIsNotTakenForAFrozenOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, nc := piped(Config{Timeout: 2 * time.Second})
		peer := newConn(nc, nc, Config{})              // of which nobody calls Recv,
		go func() { _, _ = io.Copy(io.Discard, nc) }() // but its kernel takes what comes
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		done := make(chan struct{})
		go func() {
			defer close(done)
			say := time.NewTicker(100 * time.Millisecond)
			defer say.Stop()
			for ctx.Err() == nil {
				<-say.C
				if err := c.Send(number(1)); err != nil {
					t.Error(err)
					return
				}
			}
		}()
		_, err := c.Recv(ctx)
		wantError(t, err, context.DeadlineExceeded)
		<-done
		c.Abort()
		peer.Abort()
	})
}

// 16 KB/s are enough for any Timeout: a piece of 256 KiB is not, within 3 s.
func TestASlowNetworkIsFastEnoughForAShortTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, nc := piped(Config{Timeout: 3 * time.Second})
		if err := c.Send(large(1)); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 16<<10)
		for total := 0; total < 512<<10; {
			<-time.After(time.Second) // virtual
			n, err := nc.Read(buf)
			if err != nil {
				t.Fatalf("after %d bytes: %v", total, err)
			}
			total += n
		}
		if err := c.Send(number(1)); err != nil {
			t.Error(err)
		}
		c.Abort()
	})
}

// timedOut is a connection that the kernel has given up.
type timedOut struct{ net.Conn }

func (timedOut) Read([]byte) (int, error)  { return 0, syscall.ETIMEDOUT }
func (timedOut) Write([]byte) (int, error) { return 0, syscall.ETIMEDOUT }

func TestAWayOnWhichNothingIsAcknowledgedIsNamedWithItsTime(t *testing.T) {
	a, b := net.Pipe()
	t.Cleanup(func() { _ = b.Close() })
	c := newConn(timedOut{a}, a, Config{Timeout: 3 * time.Second})
	_, err := c.Recv(t.Context())
	wantError(t, err, ErrSilent, "recv", "nothing is acknowledged for 3s")
	wantError(t, c.flush([]byte{1}), ErrSilent, "send", "nothing is acknowledged for 3s")
	c.Abort()
}
