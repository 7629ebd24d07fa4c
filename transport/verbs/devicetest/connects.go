package devicetest

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"scp_rdma/transport/verbs/internal/nic"
)

// addr is the IP address of an end's network card.
func (e *end) addr() netip.Addr {
	e.t.Helper()
	g := e.row()
	if g.Type != nic.GIDRoCEv2 && g.Type != nic.GIDIP {
		e.t.Fatalf("no IP address: %+v", e.port.GIDs)
	}
	return netip.AddrFrom16(g.GID).Unmap()
}

// listen takes requests at an end's address.
func (c *Config) listen(t *testing.T, e *end, port uint16) nic.Listener {
	t.Helper()
	l := must[nic.Listener](t)(c.connector(t).Listen(netip.AddrPortFrom(e.addr(), port)))
	closes(t, "listener", l)
	return l
}

func (c *Config) connector(t *testing.T) nic.Connector {
	t.Helper()
	return must[nic.Connector](t)(c.Provider.Connector())
}

// dial finds the way from an end to a listener.
func (c *Config) dial(t *testing.T, e *end, to netip.AddrPort) nic.Conn {
	t.Helper()
	d := must[nic.Conn](t)(c.connector(t).Dial(c.soon(t), e.addr(), to))
	closes(t, "connection", d)
	return d
}

// soon is a context for what should not take long.
func (c *Config) soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// means are what a way and a QP have of ours.
func means(a, b *end) nic.Peer {
	return nic.Peer{PathMTU: min(a.port.ActiveMTU, b.port.ActiveMTU), MinRNR: 12}
}

// byCM joins two ends, of which a asks, and gives both sides of the connection.
func (c *Config) byCM(t *testing.T, a, b *end, r nic.Retry, word []byte) (asks, asked nic.Conn) {
	t.Helper()
	l := c.listen(t, b, 0)
	asks = c.dial(t, a, l.Addr())
	result := make(chan error, 1)
	go func() { result <- asks.Connect(c.soon(t), a.qp, word, means(a, b), r) }()
	asked = must[nic.Conn](t)(l.Accept(c.soon(t)))
	closes(t, "request", asked)
	if err := asked.Accept(b.qp, means(a, b), r); err != nil {
		t.Fatalf("accept: %v, connect: %v", err, <-result)
	}
	if err := <-result; err != nil {
		t.Fatalf("connect: %v", err)
	}
	return asks, asked
}

func byCM(t *testing.T, c *Config) {
	a, b := c.open(t, c.Device, caps(), cqe), c.open(t, c.Device, caps(), cqe)
	a.recv(1)
	b.recv(1)
	word := bytes.Repeat([]byte{0xa5}, nic.MaxPrivate)
	asks, asked := c.byCM(t, a, b, usual(), word)
	if got := asked.Private(); len(got) < len(word) || !bytes.Equal(got[:len(word)], word) {
		t.Errorf("the word that came: %x", got)
	}
	if asks.Device() != c.Device || asked.Device() != c.Device {
		t.Errorf("over %q and %q", asks.Device(), asked.Device())
	}
	// Who asks sends first: iWARP wants it so.
	for _, p := range [][2]*end{{a, b}, {b, a}} {
		from, to := p[0], p[1]
		from.send(nic.SendWR{Op: nic.OpSend, Length: 8, Signalled: true})
		to.is(to.one(), nic.Success)
		from.is(from.one(), nic.Success)
	}
	if s, err := a.qp.State(); c.Kind.ByHand && s != nic.RTS || err != nil { // siw says nothing of it
		t.Errorf("state %v, %v", s, err)
	}
	if _, err := c.connector(t).Dial(c.soon(t), a.addr(), netip.MustParseAddrPort("192.0.2.1:9")); err == nil {
		t.Error("a way to an address that nobody has")
	}
}

func cmEnds(t *testing.T, c *Config) {
	for name, ends := range map[string]func(b *end, asked nic.Conn) error{
		"its connection": func(_ *end, asked nic.Conn) error { return asked.Close() },
		"both":           func(b *end, asked nic.Conn) error { return errors.Join(b.qp.ToError(), b.qp.Close(), asked.Close()) },
	} {
		a, b := c.open(t, c.Device, caps(), cqe), c.open(t, c.Device, caps(), cqe)
		asks, asked := c.byCM(t, a, b, usual(), nil)
		if err := ends(b, asked); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := asks.Wait(c.soon(t)); err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the other side has closed %s: %v", name, err)
		}
	}
}

func cmRefuses(t *testing.T, c *Config) {
	a, b := c.open(t, c.Device, caps(), cqe), c.open(t, c.Device, caps(), cqe)
	l := c.listen(t, b, 0)
	asks := c.dial(t, a, l.Addr())
	result := make(chan error, 1)
	go func() { result <- asks.Connect(c.soon(t), a.qp, nil, means(a, b), usual()) }()
	asked := must[nic.Conn](t)(l.Accept(c.soon(t)))
	if err := asked.Close(); err != nil {
		t.Error(err)
	}
	if err := <-result; err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("connect: %v", err)
	}
}

func cmNobody(t *testing.T, c *Config) {
	a := c.open(t, c.Device, caps(), cqe)
	l := c.listen(t, a, 0)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	d := c.dial(t, a, l.Addr())
	if err := d.Connect(c.soon(t), a.qp, nil, means(a, a), usual()); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("connect: %v", err)
	}
}

func cmPorts(t *testing.T, c *Config) {
	e := c.open(t, c.Device, caps(), cqe)
	l := c.listen(t, e, 0)
	if l.Addr().Port() == 0 || l.Addr().Addr() != e.addr() {
		t.Errorf("it listens on %v", l.Addr())
	}
	if _, err := c.connector(t).Listen(l.Addr()); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("the port of another: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	c.listen(t, e, l.Addr().Port())
}

func cmWaits(t *testing.T, c *Config) {
	e := c.open(t, c.Device, caps(), cqe)
	l := c.listen(t, e, 0)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := l.Accept(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("accept: %v", err)
	}
	ended := make(chan error, 1)
	go func() { _, err := l.Accept(t.Context()); ended <- err }()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, os.ErrClosed) {
		t.Errorf("an accept ended by Close: %v", err)
	}
}
