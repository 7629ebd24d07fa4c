package control

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"scp_rdma/wire"
)

func TestMessagesArriveInOrderBothWays(t *testing.T) {
	client, server := pair(t, Config{})
	for i := range uint64(1000) {
		if err := errors.Join(client.Send(number(i)), server.Send(number(i))); err != nil {
			t.Fatal(err)
		}
	}
	for i := range uint64(1000) {
		expect(t, client, i)
		expect(t, server, i)
	}
	if client.LocalAddr() != server.RemoteAddr() || client.RemoteAddr() != server.LocalAddr() || !client.LocalAddr().Addr().Is4() {
		t.Errorf("addresses %v - %v and %v - %v", client.LocalAddr(), client.RemoteAddr(), server.LocalAddr(), server.RemoteAddr())
	}
}

// Ten hours pass in virtual time, nobody says a word, and the pair still lives.
func TestKeepaliveKeepsAnIdlePairAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, nc := piped(Config{})
		peer := newConn(nc, nc, Config{})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Hour)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := peer.Recv(ctx)
			wantError(t, err, context.DeadlineExceeded)
		})
		_, err := c.Recv(ctx)
		wantError(t, err, context.DeadlineExceeded)
		wg.Wait()
		if err := c.Send(number(1)); err != nil {
			t.Error(err)
		}
		expect(t, peer, 1)
		c.Abort()
		peer.Abort()
	})
}

func TestPeerThatSaysNothingIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, nc := piped(Config{})
		go func() { _, _ = io.Copy(io.Discard, nc) }()
		start := time.Now()
		_, err := c.Recv(t.Context())
		wantError(t, err, ErrSilent, "30s")
		if d := time.Since(start); d != 30*time.Second {
			t.Errorf("after %v", d)
		}
		c.Abort()
	})
}

// A peer that talks and never reads is as good as dead.
func TestPeerThatTakesNothingIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, nc := piped(Config{})
		ping := encode(t, &wire.Ping{N: 1})
		var peer sync.WaitGroup
		peer.Go(func() {
			for {
				if _, err := nc.Write(ping); err != nil {
					return
				}
				<-time.After(time.Second) // virtual
			}
		})
		start := time.Now()
		_, err := c.Recv(t.Context())
		wantError(t, err, ErrSilent, "not taken")
		if d := time.Since(start); d < 30*time.Second || d > 36*time.Second {
			t.Errorf("after %v", d)
		}
		wantError(t, c.Send(number(1)), ErrSilent)
		c.Abort()
		peer.Wait()
	})
}

// A slow network is no silent peer: each byte gives it another Timeout.
func TestSlowPeerIsHeardOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, nc := piped(Config{})
		go func() { _, _ = io.Copy(io.Discard, nc) }()
		go func() {
			for _, b := range encode(t, number(1)) {
				<-time.After(29 * time.Second) // virtual
				_, _ = nc.Write([]byte{b})
			}
		}()
		start := time.Now()
		m, err := c.Recv(t.Context())
		if err != nil || time.Since(start) < time.Minute {
			t.Errorf("%v, %v after %v", m, err, time.Since(start))
		}
		c.Abort()
	})
}

// The same for writing: 4 MiB at 64 KiB every 5 s take longer than Timeout.
func TestSlowTakerIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, nc := piped(Config{})
		for i := range uint64(4) {
			if err := c.Send(large(i)); err != nil {
				t.Fatal(err)
			}
		}
		buf := make([]byte, 64<<10)
		for total := 0; total < 3<<20; {
			<-time.After(5 * time.Second) // virtual
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

func TestLengthAloneAllocatesNothingBig(t *testing.T) {
	c, nc := rogue(t)
	write(t, nc, []byte{0, 0, 0x10, 0, byte(wire.TypeEntries), 1, 2, 3})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := c.Recv(ctx)
	wantError(t, err, context.DeadlineExceeded)
	if cap(c.in) > 2*readBuffer {
		t.Errorf("%d bytes allocated for 3 that came", cap(c.in))
	}
}

func TestRecvGoesOnAfterItsContextEndedInMidMessage(t *testing.T) {
	c, nc := rogue(t)
	b := encode(t, number(1), number(2))
	for cut := range b {
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("the reason")
		done := make(chan error, 1)
		go func() { _, err := c.Recv(ctx); done <- err }()
		write(t, nc, b[:cut%8])
		cancel(why)
		wantError(t, <-done, why)
		write(t, nc, b[cut%8:])
		expect(t, c, 1)
		expect(t, c, 2)
	}
}

// The end of one Recv's ctx must not hit the next Recv.
func TestContextOfOneRecvNeverEndsAnother(t *testing.T) {
	c, nc := rogue(t)
	b := encode(t, number(1))
	for range 2000 {
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		write(t, nc, b)
		if _, err := c.Recv(ctx); errors.Is(err, context.Canceled) {
			expect(t, c, 1)
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// The same, where chance has no part in it: after stop, f has run or never will.
func TestStopWaitsForWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		release, stopped := make(chan struct{}), make(chan struct{})
		stop := onDone(ctx, func() { <-release })
		cancel()
		synctest.Wait()
		go func() { stop(); close(stopped) }()
		synctest.Wait()
		select {
		case <-stopped:
			t.Error("stop returned while f runs")
		default:
		}
		close(release)
		<-stopped
		stop() // a second time does nothing
	})
}

// A context that ended just before a read is armed must end that read too.
func TestReadIsNotArmedAfterTheEndOfItsContext(t *testing.T) {
	c, _ := rogue(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c.until(ctx)() // the deadline that the end of ctx sets is set
	start := time.Now()
	wantError(t, c.fill(ctx, 1), context.Canceled)
	if d := time.Since(start); d > patience {
		t.Errorf("after %v", d)
	}
}

func TestBytesThatAreNoMessage(t *testing.T) {
	tests := map[string][]byte{
		"an oversize length":    {1, 0, 0x10, 0, byte(wire.TypeEntries)},
		"an oversize hello":     {1, 0, 1, 0, byte(wire.TypeHello)},
		"a body that's no CBOR": {1, 0, 0, 0, byte(wire.TypePing), 0xff},
		"a name that climbs": append([]byte{10, 0, 0, 0, byte(wire.TypeEntries)},
			0xa1, 1, 0x81, 0xa3, 1, 1, 3, 1, 4, 0x42, '.', '.'),
	}
	tests["a name that climbs"][0] = byte(len(tests["a name that climbs"]) - wire.HeaderSize)
	for name, b := range tests {
		t.Run(name, func(t *testing.T) {
			c, nc := rogue(t)
			write(t, nc, b)
			_, err := c.Recv(soon(t))
			wantError(t, err, wire.ErrMalformed)
		})
	}
}

func TestRecvGoesOnAfterAnUnknownType(t *testing.T) {
	c, nc := rogue(t)
	write(t, nc, append([]byte{1, 0, 0, 0, 200, 0}, encode(t, number(7))...))
	_, err := c.Recv(soon(t))
	wantError(t, err, wire.ErrUnknownType)
	expect(t, c, 7)
}

func TestEndsOfTheConnection(t *testing.T) {
	bye := &wire.Bye{Code: wire.ByeDone}
	tests := map[string]struct {
		last  []byte
		reset bool
		want  error
	}{
		"closed after a bye":           {encode(t, bye), false, io.EOF},
		"reset after a bye":            {encode(t, bye), true, io.EOF},
		"closed without a bye":         {nil, false, io.ErrUnexpectedEOF},
		"reset without a bye":          {nil, true, io.ErrUnexpectedEOF},
		"killed in mid header":         {encode(t, number(1))[:3], false, io.ErrUnexpectedEOF},
		"killed in mid body":           {encode(t, number(1))[:7], false, io.ErrUnexpectedEOF},
		"killed in mid word, said bye": {append(encode(t, bye), 1, 2), false, io.ErrUnexpectedEOF},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, nc := rogue(t)
			write(t, nc, append(encode(t, number(1)), tt.last...))
			expect(t, c, 1)
			if len(tt.last) > wire.HeaderSize && tt.last[4] == byte(wire.TypeBye) {
				m, err := c.Recv(soon(t))
				if b, ok := m.(*wire.Bye); err != nil || !ok || b.Code != wire.ByeDone {
					t.Fatalf("%+v, %v", m, err)
				}
			}
			if tt.reset {
				_ = nc.raw.SetLinger(0)
				_ = nc.raw.Close()
			}
			_ = nc.Close()
			_, err := c.Recv(soon(t))
			wantError(t, err, tt.want)
			if tt.want == io.EOF && err != io.EOF {
				t.Errorf("%v is not io.EOF itself", err)
			}
		})
	}
}

func TestFullQueueHarmsNothing(t *testing.T) {
	// Who reads takes seconds for all that lies in the queue, and many on a busy machine.
	c, nc := rogue(t, func(c *ListenConfig) { c.Timeout = patience })
	sent := uint64(0)
	var err error
	for err == nil {
		if err = c.Send(large(sent)); err == nil {
			sent++
		}
	}
	wantError(t, err, ErrQueueFull)
	if sent < MaxQueued>>20 {
		t.Errorf("full after %d MiB", sent)
	}
	for i := range sent {
		if e, ok := next(t, nc).(*wire.Entries); !ok || e.List[0].ID != i*100+1 {
			t.Fatalf("message %d: %+v", i, e)
		}
	}
	if err := c.Send(number(1)); err != nil {
		t.Error(err)
	}
	if m, ok := next(t, nc).(*wire.Abort); !ok || m.IDs[0] != 1 {
		t.Errorf("%+v", m)
	}
}

// Who pings and never reads must not fill memory with answers.
func TestPingsWithoutReadingFillNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, nc := piped(Config{})
		go func() { _, _ = c.Recv(t.Context()) }()
		var b []byte
		for i := range uint64(50_000) {
			b = append(b, encode(t, &wire.Ping{N: i})...)
		}
		write(t, nc, b)
		synctest.Wait()
		c.mu.Lock()
		n := len(c.queue)
		c.mu.Unlock()
		if n == 0 || n > readBuffer+100 {
			t.Errorf("%d bytes of answers wait", n)
		}
		c.Abort()
	})
}

func TestMessageThatThePeerWouldRefuseFailsHere(t *testing.T) {
	client, server := pair(t, Config{})
	wantError(t, client.Send(&wire.Entries{List: []wire.Entry{{ID: 1, Kind: wire.KindFile, Name: []byte("a/b")}}}), wire.ErrMalformed)
	if err := client.Send(number(3)); err != nil {
		t.Fatal(err)
	}
	expect(t, server, 3)
}

// counted counts the writes of a connection.
type counted struct {
	net.Conn
	writes int
}

func (c *counted) Write(b []byte) (int, error) {
	c.writes++
	return c.Conn.Write(b)
}

func TestWhatGathersGoesOutInOneWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		nc := &counted{Conn: a}
		c := newConn(nc, nc, Config{})
		for i := range uint64(500) {
			if err := c.Send(number(i)); err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				synctest.Wait() // the writer holds the first, the rest gathers
			}
		}
		for i := range uint64(500) {
			if m := next(t, b).(*wire.Abort); m.IDs[0] != i {
				t.Fatalf("%+v, want %d", m, i)
			}
		}
		synctest.Wait()
		c.Abort()
		if nc.writes != 2 {
			t.Errorf("%d writes, want 2", nc.writes)
		}
	})
}
