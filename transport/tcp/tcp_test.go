package tcp

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"scp_rdma/transport"
	"scp_rdma/transport/internal/socket"
	"scp_rdma/transport/transporttest"
	"scp_rdma/wire"
)

// world is a client and a server that share a port as control would share it:
// the listener reads the preamble and hands the connection over.
func world(t testing.TB, tune func(*Config)) transporttest.World {
	t.Helper()
	return crowded(t, 0, tune)
}

// crowded is a world whose listener drops the first connections, as one does at
// whose door too many knock.
func crowded(t testing.TB, drops int, tune func(*Config)) transporttest.World {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := ln.Addr().(*net.TCPAddr).AddrPort()
	client, server := Config{Peer: at}, Config{Port: at.Port(), Bind: at.Addr()}
	tune(&client)
	tune(&server)
	responder := New(server)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			if drops > 0 {
				drops--
				_ = c.Close()
				continue
			}
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			b := make([]byte, wire.PreambleSize)
			if _, err := io.ReadFull(c, b); err != nil {
				_ = c.Close()
				continue
			}
			responder.HandleData(c)
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		wg.Wait()
	})
	return transporttest.World{Initiator: New(client), Responder: responder, Control: transport.Path{Remote: at, Local: at}}
}

func TestConformance(t *testing.T) {
	client := func(rails ...string) func(*Config) {
		return func(c *Config) {
			if c.Peer.IsValid() {
				c.Rails = rails
			}
		}
	}
	for name, tt := range map[string]struct {
		tune    func(*Config)
		largest int
	}{
		"with the kernel's buffers":              {func(*Config) {}, 0},
		"with send buffers smaller than a frame": {func(c *Config) { c.SendBuffer = 1 }, 64 << 10},
		"with a rail named by its interface":     {client("lo"), 1 << 20},
		"with a rail named by its address":       {client("127.0.0.1"), 1 << 20},
		"with two rails":                         {client("lo", "127.0.0.1"), 1 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			transporttest.Run(t, transporttest.Config{
				World: func(t *testing.T) transporttest.World { return world(t, tt.tune) },
				Kill:  kill, LargestSlot: tt.largest, Raw: raw,
				// net.ipv4.tcp_wmem and tcp_rmem end at 4 and 32 MiB on the
				// largest hosts we know.
				Swallows: 64 << 20,
			})
		})
	}
}

// A join that was lost in a crowd is tried again, but not for ever.
func TestJoinsSurviveACrowd(t *testing.T) {
	for drops, ok := range map[int]bool{0: true, maxDropped: true, maxDropped + 1: false} {
		w := crowded(t, drops, func(*Config) {})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		local, err1 := w.Initiator.Probe(ctx)
		peer, err2 := w.Responder.Probe(ctx)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		pairs, err := w.Initiator.Pair(local, peer, w.Control)
		if err != nil {
			t.Fatal(err)
		}
		req := transport.OpenRequest{
			Pair: pairs[0], Role: transport.Sender, Initiator: true, Session: transport.ID{1}, Key: make([]byte, 32),
			Slots: 1, SlotSize: 4096, Control: w.Control,
		}
		dials, err := w.Initiator.Open(ctx, req)
		if err != nil {
			t.Fatal(err)
		}
		req.Pair, req.Role, req.Initiator = transport.RailPair{Local: pairs[0].Peer, Peer: pairs[0].Local}, transport.Receiver, false
		waits, err := w.Responder.Open(ctx, req)
		if err != nil {
			t.Fatal(err)
		}
		taken := make(chan transport.Stream, 1)
		go func() {
			st, _ := waits.Connect(ctx, dials.Offer()) // nil if nobody comes
			taken <- st
		}()
		st, err := dials.Connect(ctx, waits.Offer())
		if (err == nil) != ok {
			t.Errorf("%d dropped: %v", drops, err)
		}
		cancel()
		for _, s := range []transport.Stream{st, <-taken} {
			if s != nil {
				_ = s.Close()
			}
		}
	}
}

// raw joins by hand, and leaves the connection to the suite.
func raw(t *testing.T, w transporttest.World, req transport.OpenRequest, offer []byte) io.ReadWriteCloser {
	t.Helper()
	o, err := wire.ParseTCPOffer(offer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", w.Control.Remote.String())
	if err != nil {
		t.Fatal(err)
	}
	before := wire.AppendPreamble(nil, wire.Preamble{Kind: wire.KindData, Version: wire.Version})
	hello := socket.Hello{Transport: "tcp", Request: req, Nonce: o.Nonce}
	if err := hello.Greet(t.Context(), c.(socket.Conn), before); err != nil {
		t.Fatal(err)
	}
	return c
}

func BenchmarkStream(b *testing.B) {
	transporttest.Benchmark(b, world(b, func(*Config) {}))
}

// kill ends a stream as the kernel does for a killed process: the socket is
// closed, with a reset if input was unread, and nothing is said.
func kill(st transport.Stream) { _ = st.(interface{ Conn() socket.Conn }).Conn().Close() }
