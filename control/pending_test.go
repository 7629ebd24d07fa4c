package control

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"scp_rdma/wire"
)

// from is a connection that comes from an address.
type from struct {
	net.Conn
	addr netip.Addr
}

func (f from) RemoteAddr() net.Addr { return &net.TCPAddr{IP: f.addr.AsSlice(), Port: 1} }

func TestWhoMustMakeRoom(t *testing.T) {
	now := time.Unix(1000, 0)
	enter := func(p *pending, addr string, age time.Duration) (in, out *unproved) {
		return p.enter(from{addr: netip.MustParseAddr(addr)}, now.Add(-age))
	}
	fill := func(addrs ...string) *pending {
		p := newPending(len(addrs))
		for i, a := range addrs {
			if in, out := enter(p, a, time.Duration(len(addrs)-i)*time.Millisecond); in == nil || out != nil {
				t.Fatalf("no room for %d of %d", i, len(addrs))
			}
		}
		return p
	}
	const a, b, c = "192.0.2.1", "192.0.2.2", "2001:db8::1"
	for name, tt := range map[string]struct {
		p    *pending
		from string
		want string // whose oldest goes; "": the newcomer is turned away
	}{
		"one address has most":                    {fill(a, a, a, b), b, a},
		"another newcomer":                        {fill(a, a, b, b, a), c, a},
		"its own address has most, and all go on": {fill(b, a, a, a), a, ""},
		"all have few":                            {fill(a, b), c, ""},
		"two against one":                         {fill(a, a, b), b, ""},
		"a network of one host counts as one":     {fill(c, "2001:db8::2", "2001:db8::3", b), b, c},
	} {
		in, out := enter(tt.p, tt.from, 0)
		switch {
		case tt.want == "" && (in != nil || out != nil):
			t.Errorf("%s: in %v, out %v", name, in, out)
		case tt.want != "" && (in == nil || out == nil || out.from != origin(netip.MustParseAddr(tt.want))):
			t.Errorf("%s: in %v, out %v, want one of %s", name, in, out, tt.want)
		case out != nil:
			for left := range tt.p.list {
				if left.from == out.from && left.since.Before(out.since) {
					t.Errorf("%s: an older one stayed", name)
				}
			}
		}
		if len(tt.p.list) > tt.p.limit {
			t.Errorf("%s: %d of %d", name, len(tt.p.list), tt.p.limit)
		}
	}
	// Who has had time enough goes, of whatever address.
	p := newPending(1)
	enter(p, a, ownGrace+time.Second)
	if in, out := enter(p, a, 0); in == nil || out == nil {
		t.Errorf("an old one stays: %v, %v", in, out)
	}
	// But not who has just come a step further: then it is the other's turn.
	p = newPending(2)
	first, _ := enter(p, a, 3*time.Second)
	second, _ := enter(p, a, 2*time.Second)
	p.step(first, now)
	if _, out := enter(p, a, 0); out != second {
		t.Errorf("%v went, who has just come further is %v", out, first)
	}
	for u := range p.list {
		p.leave(u)
	}
	if in, out := enter(p, b, 0); in == nil || out != nil {
		t.Errorf("who left holds a place: %v, %v", in, out)
	}
}

func TestKnocksAreToldNowAndThen(t *testing.T) {
	var k knocks
	now := time.Unix(1000, 0)
	for i, want := range []struct {
		after  time.Duration
		untold int
		speak  bool
	}{{0, 0, true}, {0, 0, false}, {knockPause / 2, 0, false}, {knockPause, 2, true}, {knockPause, 0, true}} {
		now = now.Add(want.after)
		if untold, speak := k.tell(now); untold != want.untold || speak != want.speak {
			t.Errorf("%d: %d, %v", i, untold, speak)
		}
	}
}

// Over the limit, a client is told so; when there is room it is served.
func TestUnprovedConnectionsAreBounded(t *testing.T) {
	const limit = 8
	l := listen(t, func(c *ListenConfig) { c.Pending, c.Handshake = limit, patience })
	var held []*net.TCPConn
	for range limit {
		nc := dial(t, l)
		write(t, nc, preamble())
		if _, err := readPreamble(nc); err != nil { // it has its place
			t.Fatal(err)
		}
		held = append(held, nc)
	}
	_, err := Dial(soon(t), to(l.Addr().String(), Config{}))
	var busy *BusyError
	if !errors.As(err, &busy) {
		t.Errorf("one too many: %v", err)
	}
	one := dial(t, l)
	if p, err := readPreamble(one); err != nil || p.Kind != wire.KindBye {
		t.Errorf("one too many hears %+v, %v", p, err)
	}
	for _, nc := range held {
		_ = nc.Close()
	}
	// Those that left make room.
	for end := time.Now().Add(patience); ; {
		c, err := Dial(soon(t), to(l.Addr().String(), Config{}))
		if err == nil {
			c.Abort()
			break
		}
		if !errors.As(err, &busy) || time.Now().After(end) {
			t.Fatal(err)
		}
	}
	if c, err := l.Accept(soon(t)); err != nil {
		t.Error(err)
	} else {
		c.Abort()
	}
}

// Who has proved itself is no longer one of the crowd, and never makes room.
func TestACrowdClosesNobodyWhoIsIn(t *testing.T) {
	const limit = 2
	l := listen(t, func(c *ListenConfig) { c.Pending = limit })
	nc := prove(t, dial(t, l))
	c, err := l.Accept(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Abort()
	data := dial(t, l) // one that is no stranger's, and is handed on
	write(t, data, wire.AppendPreamble(nil, wire.Preamble{Kind: wire.KindData, Version: wire.Version}))
	_, _ = data.Read(make([]byte, 1))
	for end := time.Now().Add(patience); ; {
		l.new.mu.Lock()
		n := len(l.new.list)
		l.new.mu.Unlock()
		if n == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d of those that are in or gone are still counted", n)
		}
	}
	for range 10 * limit {
		_ = dial(t, l)
	}
	write(t, nc, encode(t, number(1)))
	expect(t, c, 1)
}

// The oldest of a crowd of one address is closed for a newcomer of the same,
// once it has had its time.
func TestACrowdOfOneAddressKeepsNobodyOut(t *testing.T) {
	const limit = 4
	l := listen(t, func(c *ListenConfig) { c.Pending, c.Handshake = limit, patience })
	var held []*net.TCPConn
	for range limit {
		nc := dial(t, l)
		write(t, nc, preamble())
		if _, err := readPreamble(nc); err != nil {
			t.Fatal(err)
		}
		held = append(held, nc)
	}
	client := make(chan *Conn, 1)
	go func() {
		for {
			c, err := Dial(soon(t), to(l.Addr().String(), Config{}))
			if errors.As(err, new(*BusyError)) {
				continue
			}
			if err != nil {
				t.Error(err)
			}
			client <- c
			return
		}
	}()
	server, err := l.Accept(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	server.Abort()
	if c := <-client; c != nil {
		c.Abort()
	}
	if _, err := held[0].Read(make([]byte, 1)); err == nil || errors.Is(err, syscall.EAGAIN) {
		t.Errorf("the oldest is still there: %v", err)
	}
}
