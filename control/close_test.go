package control

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"scp_rdma/wire"
)

func TestCloseWritesWhatIsQueued(t *testing.T) {
	client, server := pair(t, Config{})
	for i := range uint64(5000) {
		if err := client.Send(number(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.Send(&wire.Bye{Code: wire.ByeDone}); err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	go func() { closed <- client.Close() }()
	for i := range uint64(5000) {
		expect(t, server, i)
	}
	if m, err := server.Recv(soon(t)); err != nil || m.Type() != wire.TypeBye {
		t.Fatalf("%+v, %v", m, err)
	}
	if _, err := server.Recv(soon(t)); err != io.EOF {
		t.Errorf("after the bye: %v", err)
	}
	if err := errors.Join(server.Close(), <-closed); err != nil {
		t.Errorf("close: %v", err)
	}
}

// Input that nobody reads turns a close into a reset, which destroys what is
// under way. The last word must get through all the same.
func TestLastWordReachesAPeerThatStillTalks(t *testing.T) {
	for range 20 {
		t.Run("again", func(t *testing.T) {
			c, nc := rogue(t)
			var talk sync.WaitGroup
			talk.Go(func() { _, _ = nc.Write(make([]byte, 2<<20)) })
			if err := c.Send(&wire.Bye{Code: wire.ByeError, Text: "that was wrong"}); err != nil {
				t.Fatal(err)
			}
			talk.Go(func() {
				if err := c.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			})
			if b, ok := next(t, nc).(*wire.Bye); !ok || b.Text != "that was wrong" {
				t.Fatalf("got %+v", b)
			}
			if _, err := io.Copy(io.Discard, nc); err != nil {
				t.Fatalf("no clean end: %v", err)
			}
			_ = nc.Close()
			talk.Wait()
		})
	}
}

// A peer that takes nothing holds Close up for closeWait in all, wherever the
// writer is just then.
func TestCloseIsBounded(t *testing.T) {
	for _, busy := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			c, nc := piped(Config{})
			if err := c.Send(number(1)); err != nil {
				t.Fatal(err)
			}
			if busy {
				synctest.Wait() // the writer waits for the peer
			}
			_ = c.Send(number(2))
			start := time.Now()
			_ = c.Close()
			if d := time.Since(start); d != closeWait {
				t.Errorf("writer busy %v: closed after %v", busy, d)
			}
			_ = nc.Close()
		})
	}
}

// What broke off in the middle of a message can't be gone on from, even if the
// peer reads again by then.
func TestNothingFollowsABrokenWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, nc := piped(Config{})
		_ = c.Send(number(1))
		synctest.Wait()
		_ = c.Send(number(2))
		got := make([]byte, 3)
		if _, err := io.ReadFull(nc, got); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute) // virtual; the writer has given up
		wantError(t, c.Send(number(3)), ErrSilent)
		closed := make(chan error, 1)
		go func() { closed <- c.Close() }()
		if n, err := nc.Read(got); n > 0 || err != io.EOF {
			t.Errorf("%d more bytes, %v", n, err)
		}
		<-closed
	})
}

// held is a connection whose writes take as long as the test says.
type held struct {
	net.Conn
	release chan struct{}
}

func (h *held) Write(b []byte) (int, error) {
	<-h.release
	return h.Conn.Write(b)
}

func TestAbortWaitsForTheWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := net.Pipe()
		nc := &held{a, make(chan struct{})}
		c := newConn(nc, nc, Config{})
		_ = c.Send(number(1))
		synctest.Wait()
		done := make(chan struct{})
		go func() { c.Abort(); close(done) }()
		synctest.Wait()
		select {
		case <-done:
			t.Error("the writer still runs")
		default:
		}
		close(nc.release)
		<-done
	})
}

func TestAbortInterruptsClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := piped(Config{})
		_ = c.Send(number(1))
		start := time.Now()
		closed := make(chan error, 1)
		go func() { closed <- c.Close() }()
		synctest.Wait()
		c.Abort()
		<-closed
		if d := time.Since(start); d != 0 {
			t.Errorf("closed after %v", d)
		}
	})
}

func TestCloseEndsEveryCall(t *testing.T) {
	ends := map[string]func(*Conn){
		"close": func(c *Conn) { _ = c.Close() },
		"abort": (*Conn).Abort,
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			c, _ := rogue(t)
			got := make(chan error, 1)
			go func() { _, err := c.Recv(soon(t)); got <- err }()
			start := time.Now()
			end(c)
			wantError(t, <-got, ErrClosed)
			if d := time.Since(start); d > closeWait+lingerWait+patience/4 {
				t.Errorf("after %v", d)
			}
			wantError(t, c.Send(number(1)), ErrClosed)
			_, err := c.Recv(soon(t))
			wantError(t, err, ErrClosed)
			if err := c.Close(); err != nil {
				t.Errorf("second close: %v", err)
			}
			c.Abort()
		})
	}
}

// All calls at once, for the race detector; what counts is that all of them end.
func TestEverythingAtOnce(t *testing.T) {
	for range 50 {
		t.Run("again", func(t *testing.T) {
			client, server := pair(t, Config{})
			var wg sync.WaitGroup
			for _, c := range []*Conn{client, server} {
				wg.Go(func() {
					for {
						if _, err := c.Recv(soon(t)); err != nil {
							return
						}
					}
				})
				for range 2 {
					wg.Go(func() {
						for i := uint64(0); c.Send(number(i)) == nil && i < 1000; i++ {
						}
					})
				}
			}
			wg.Go(func() { _ = client.Close() })
			wg.Go(server.Abort)
			wg.Wait()
		})
	}
}
