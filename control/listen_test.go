package control

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"scp_rdma/internal/testkit"
	"scp_rdma/wire"
)

// logged is where a listener's words go.
type logged struct{ testkit.Output }

// into makes a listener log there.
func (l *logged) into(c *ListenConfig) {
	c.Logger = hclog.New(&hclog.LoggerOptions{Output: &l.Output, Level: hclog.Info})
}

// served says that the listener still serves.
func served(t *testing.T, l *Listener) {
	t.Helper()
	client := make(chan *Conn, 1)
	go func() {
		c, err := Dial(soon(t), to(l.Addr().String(), Config{}))
		if err != nil {
			t.Error(err)
		}
		client <- c
	}()
	server, err := l.Accept(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	server.Abort()
	if c := <-client; c != nil {
		c.Abort()
	}
}

func TestStrangersAreNamedAndClosed(t *testing.T) {
	tests := map[string]struct{ says, logs, hears string }{
		"ssh":        {"SSH-2.0-OpenSSH_9.6\r\n", "speaks ssh", ""},
		"a browser":  {"GET / HTTP/1.1\r\nCookie: " + strings.Repeat("x", 200<<10) + "\r\n\r\n", "speaks http", "HTTP/1.0 400 "},
		"tls":        {"\x16\x03\x01\x02\x00\x01\x00\x01", "speaks tls", ""},
		"an escape":  {"\x1b[2J\x1b[31mboo", `\x1b[2J`, ""},
		"three bits": {"SRD", `SRD`, ""},
		"nothing":    {"", "EOF", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var log logged
			l := listen(t, log.into)
			nc := dial(t, l)
			var talk sync.WaitGroup
			talk.Go(func() {
				_, _ = io.WriteString(nc, tt.says)
				_ = nc.CloseWrite()
			})
			heard, err := io.ReadAll(nc)
			talk.Wait()
			if tt.hears != "" && err != nil || !strings.HasPrefix(string(heard), tt.hears) || tt.hears == "" && len(heard) > 0 {
				t.Errorf("heard %q, %v", heard, err)
			}
			served(t, l)
			if s := log.String(); !strings.Contains(s, tt.logs) || !strings.Contains(s, nc.LocalAddr().String()) || strings.Contains(s, "\x1b") {
				t.Errorf("log: %q", s)
			}
		})
	}
}

func TestAnotherVersionIsToldWhich(t *testing.T) {
	for _, v := range []uint16{0, wire.Version - 1, wire.Version + 1, 999} {
		t.Run(strconv.Itoa(int(v)), func(t *testing.T) {
			l := listen(t)
			nc := dial(t, l)
			write(t, nc, wire.AppendPreamble(nil, wire.Preamble{Kind: wire.KindControl, Version: v}))
			write(t, nc, make([]byte, 1000)) // it may go on at once
			b := make([]byte, wire.PreambleSize)
			if _, err := io.ReadFull(nc, b); err != nil {
				t.Fatal(err)
			}
			p, err := wire.ParsePreamble(b)
			if err != nil || p.Version != wire.Version {
				t.Errorf("%+v, %v", p, err)
			}
			bye, ok := next(t, nc).(*wire.Bye)
			if !ok || bye.Code != wire.ByeVersion || bye.Version != wire.Version || !strings.Contains(bye.Text, "version "+strconv.Itoa(int(v))) {
				t.Errorf("%+v", bye)
			}
			if _, err := io.Copy(io.Discard, nc); err != nil {
				t.Errorf("no clean end: %v", err)
			}
			_ = nc.Close()
			served(t, l)
		})
	}
}

// silent and slow clients are closed when the handshake's time is over, and
// don't keep others waiting until then.
func TestSilentAndSlowClientsAreGivenUp(t *testing.T) {
	l := listen(t, func(c *ListenConfig) { c.Handshake = 300 * time.Millisecond })
	silent, slow := dial(t, l), dial(t, l)
	served(t, l)
	start := time.Now()
	tick := time.NewTicker(60 * time.Millisecond)
	defer tick.Stop()
	for err := error(nil); err == nil; <-tick.C {
		_, err = slow.Write([]byte("S"))
		if time.Since(start) > patience {
			t.Fatal("a byte now and then holds the connection for ever")
		}
	}
	if _, err := silent.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("silent: %v", err)
	}
}

func TestDataConnectionsGoToData(t *testing.T) {
	got := make(chan string, 1)
	l := listen(t, func(c *ListenConfig) {
		c.Data = func(nc net.Conn) {
			b, _ := io.ReadAll(nc)
			got <- string(b)
			_ = nc.Close()
		}
	})
	nc := dial(t, l)
	write(t, nc, append(wire.AppendPreamble(nil, wire.Preamble{Kind: wire.KindData, Version: wire.Version}), "the join"...))
	_ = nc.CloseWrite()
	if s := <-got; s != "the join" {
		t.Errorf("data got %q", s)
	}
	served(t, l)
}

// The deadline of the handshake is still set when Data gets the connection.
func TestDataConnectionsHaveTheHandshakesDeadline(t *testing.T) {
	got := make(chan error, 1)
	l := listen(t, func(c *ListenConfig) {
		c.Handshake = 50 * time.Millisecond
		c.Data = func(nc net.Conn) {
			_, err := nc.Read(make([]byte, 1))
			got <- err
			_ = nc.Close()
		}
	})
	write(t, dial(t, l), wire.AppendPreamble(nil, wire.Preamble{Kind: wire.KindData, Version: wire.Version}))
	select {
	case err := <-got:
		var late net.Error
		if !errors.As(err, &late) || !late.Timeout() {
			t.Errorf("read: %v", err)
		}
	case <-time.After(patience):
		t.Error("no deadline")
	}
}

func TestConnectionsOfAKindThatIsNotExpectedAreClosed(t *testing.T) {
	data := func(c *ListenConfig) {
		c.Data = func(nc net.Conn) { t.Error("taken for data"); _ = nc.Close() }
	}
	none := func(*ListenConfig) {}
	for kind, takes := range map[byte]func(*ListenConfig){wire.KindData: none, wire.KindBye: data} {
		t.Run(string(kind), func(t *testing.T) {
			nc := dial(t, listen(t, takes))
			write(t, nc, wire.AppendPreamble(nil, wire.Preamble{Kind: kind, Version: wire.Version}))
			if _, err := nc.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("read: %v", err)
			}
		})
	}
}

// Close ends everything that has not come to anything yet, and waits for it.
func TestCloseEndsPendingHandshakes(t *testing.T) {
	in := make(chan struct{})
	var out bool
	l := listen(t, func(c *ListenConfig) {
		c.Handshake = patience
		c.Data = func(nc net.Conn) {
			close(in)
			_, _ = nc.Read(make([]byte, 1))
			_ = nc.Close()
			out = true
		}
	})
	silent, data, unwanted := dial(t, l), dial(t, l), dial(t, l)
	write(t, data, wire.AppendPreamble(nil, wire.Preamble{Kind: wire.KindData, Version: wire.Version}))
	prove(t, unwanted) // now it waits for Accept
	<-in
	start := time.Now()
	if err := errors.Join(l.Close(), l.Close()); err != nil {
		t.Errorf("close: %v", err)
	}
	if d := time.Since(start); d > patience/2 {
		t.Errorf("closed after %v", d)
	}
	if !out {
		t.Error("Data still runs")
	}
	if _, err := silent.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("silent: %v", err)
	}
	if _, err := io.Copy(io.Discard, unwanted); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("unwanted: %v", err)
	}
	_, err := l.Accept(soon(t))
	wantError(t, err, ErrClosed)
	if _, err := net.Dial("tcp", l.Addr().String()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial: %v", err)
	}
}

func TestAcceptEndsWithItsContext(t *testing.T) {
	l := listen(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("a person said stop")
	cancel(why)
	_, err := l.Accept(ctx)
	wantError(t, err, why)
}

// Accepted connections outlive the listener: running sessions end by themselves.
func TestAcceptedConnectionsOutliveTheListener(t *testing.T) {
	l := listen(t)
	nc := prove(t, dial(t, l))
	c, err := l.Accept(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Abort()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, nc, encode(t, number(1)))
	expect(t, c, 1)
}

func TestPortInUseNamesThePortAndTheCure(t *testing.T) {
	l := listen(t)
	_, err := Listen(t.Context(), ListenConfig{Addr: l.Addr().String(), NoAuth: true})
	wantError(t, err, syscall.EADDRINUSE, l.Addr().String(), "-p")
	wantError(t, listenError(":22", syscall.EACCES), syscall.EACCES, ":22", "-p")
	_, err = Listen(t.Context(), ListenConfig{Addr: "192.0.2.1:0", NoAuth: true}) // RFC 5737: nobody's
	wantError(t, err, syscall.EADDRNOTAVAIL, "192.0.2.1", "no such address")
}

// exhausted is a socket that has no descriptors left a few times.
type exhausted struct {
	net.Listener
	left int
}

func (e *exhausted) Accept() (net.Conn, error) {
	if e.left > 0 {
		e.left--
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return e.Listener.Accept()
}

func TestAcceptSurvivesExhaustion(t *testing.T) {
	noLeak(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var log logged
	cfg := ListenConfig{Config: Config{}.withDefaults(), Keys: theRing(), Pending: DefaultPending}
	log.into(&cfg)
	l := newListener(t.Context(), &exhausted{ln, 3}, cfg, theCert(t))
	served(t, l)
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if s := log.String(); strings.Count(s, "accept failed") != 3 {
		t.Errorf("log: %s", s)
	}
}

// A server on all addresses of both families shows IPv4 clients as such.
func TestAddressesAreUnmapped(t *testing.T) {
	l := listen(t, func(c *ListenConfig) { c.Addr = ":0" })
	nc, err := net.Dial("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(l.Addr().Port()))))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = nc.Close() }()
	prove(t, nc.(*net.TCPConn))
	c, err := l.Accept(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Abort()
	if a := c.RemoteAddr().Addr(); !a.Is4() {
		t.Errorf("remote address %v", a)
	}
	if a := c.LocalAddr().Addr(); !a.Is4() {
		t.Errorf("local address %v", a)
	}
}
