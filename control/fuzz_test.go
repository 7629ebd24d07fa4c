package control

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"scp_rdma/wire"
)

// door is a listener whose connections are the test's own.
func door(t testing.TB) (*Listener, *pipes) {
	t.Helper()
	p := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	cert, err := identity()
	if err != nil {
		t.Fatal(err)
	}
	cfg := ListenConfig{Config: Config{}.withDefaults(), Keys: theRing(), Pending: DefaultPending,
		Data: func(nc net.Conn) { _, _ = io.CopyN(io.Discard, nc, wire.JoinSize); _ = nc.Close() }}
	l := newListener(context.Background(), p, cfg, cert)
	t.Cleanup(func() { _ = l.Close() })
	return l, p
}

// pipes is a net.Listener of pipes.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// knock is a new connection to the door.
func (p *pipes) knock() net.Conn {
	a, b := net.Pipe()
	p.conns <- b
	_ = a.SetDeadline(time.Now().Add(patience))
	return a
}

// over waits until the other side has closed, and says whether somebody came in.
func over(t *testing.T, l *Listener, said io.Reader, raw net.Conn) {
	t.Helper()
	_, _ = io.Copy(io.Discard, said)
	_ = raw.Close() // a pipe holds nothing: TLS's own end might find nobody who reads it
	select {
	case conn := <-l.accept:
		conn.Abort()
		t.Fatal("let in")
	default:
	}
}

// FuzzStranger says anything at all at the door.
func FuzzStranger(f *testing.F) {
	l, p := door(f)
	f.Add([]byte("SSH-2.0-x\r\n"))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Add(append(preamble(), 0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3))
	f.Add(append(wire.AppendPreamble(nil, wire.Preamble{Kind: wire.KindData, Version: wire.Version}), make([]byte, wire.JoinSize)...))
	f.Add(wire.AppendPreamble(nil, wire.Preamble{Kind: wire.KindControl, Version: 9}))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := p.knock()
		go func() { // what is said back must not hold up what is said; ends with the connection
			_, _ = c.Write(b)
			_ = c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		}()
		over(t, l, c, c)
	})
}

// FuzzUnproved says anything at all inside TLS, where the proof belongs.
func FuzzUnproved(f *testing.F) {
	l, p := door(f)
	id := theKey().ID()
	for _, m := range []wire.Message{&wire.Auth{}, &wire.Auth{KeyID: id[:], Proof: make([]byte, 32)}, &wire.Hello{}, &wire.Bye{}} {
		b, err := wire.AppendMessage(nil, m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c := p.knock()
		if err := introduce(c); err != nil {
			t.Fatal(err)
		}
		tc := tls.Client(c, clientTLS())
		if err := tc.HandshakeContext(context.Background()); err != nil {
			t.Fatal(err)
		}
		go func() { // ends with the connection
			_, _ = tc.Write(b)
			_ = c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		}()
		over(t, l, tc, c)
	})
}

// FuzzServersAnswer is what a client without proof from its server is told.
func FuzzServersAnswer(f *testing.F) {
	cert, err := identity()
	if err != nil {
		f.Fatal(err)
	}
	for _, m := range []wire.Message{&wire.Authed{}, &wire.Authed{Proof: make([]byte, 32)}, &wire.Bye{Code: wire.ByeAuth}, &wire.Bye{Code: wire.ByeBusy, Text: "x"}} {
		b, err := wire.AppendMessage(nil, m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, c := net.Pipe()
		defer func() { _ = a.Close() }()
		go func() { // ends with the connection
			defer func() { _ = c.Close() }()
			if _, err := readPreamble(c); err != nil {
				return
			}
			_, _ = c.Write(preamble())
			tc := tls.Server(c, serverTLS(cert))
			if _, err := hear(tc, wire.TypeAuth); err != nil {
				return
			}
			_, _ = tc.Write(b)
		}()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if tc, err := greet(ctx, a, theKey()); err == nil {
			_ = tc.NetConn().Close()
			t.Fatal("a server without the key is believed")
		}
	})
}
