package control

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"scp_rdma/keys"
	"scp_rdma/wire"
)

// patience is how long a test waits for what must happen at once.
const patience = 2 * time.Minute

// noLeak says, at the end of the test, whether a goroutine of ours is left.
func noLeak(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		var left string
		// A goroutine may still be on its way out of the WaitGroup that was waited for.
		for end := time.Now().Add(patience); time.Now().Before(end); runtime.Gosched() {
			if left = ours(); left == "" {
				return
			}
		}
		t.Errorf("goroutine left:\n%s", left)
	})
}

// ours is the stack of a goroutine that runs code of this package.
func ours() string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	for g := range strings.SplitSeq(string(buf), "\n\n") {
		if strings.Contains(g, "scp_rdma/control.(*") || strings.Contains(g, "scp_rdma/control.onDone.func") {
			return g
		}
	}
	return ""
}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// listen opens a port on loopback.
func listen(t *testing.T, change ...func(*ListenConfig)) *Listener {
	t.Helper()
	noLeak(t)
	cfg := ListenConfig{Addr: "127.0.0.1:0", Keys: theRing()}
	for _, f := range change {
		f(&cfg)
	}
	l, err := Listen(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return l
}

// dial connects as anybody could.
func dial(t *testing.T, l *Listener) *net.TCPConn {
	t.Helper()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(patience))
	return nc.(*net.TCPConn)
}

// pair makes both sides of a control connection over loopback.
func pair(t *testing.T, cfg Config) (client, server *Conn) {
	t.Helper()
	l := listen(t, func(c *ListenConfig) { c.Config = cfg })
	got := make(chan *Conn, 1)
	go func() {
		c, err := l.Accept(soon(t))
		if err != nil {
			t.Error(err)
		}
		got <- c
	}()
	client, err := Dial(soon(t), to(l.Addr().String(), cfg))
	if err != nil {
		t.Fatal(err)
	}
	if server = <-got; server == nil {
		t.FailNow()
	}
	t.Cleanup(client.Abort)
	t.Cleanup(server.Abort)
	return client, server
}

// rogue makes a control connection whose other side is the test's own.
func rogue(t *testing.T, change ...func(*ListenConfig)) (*Conn, *client) {
	t.Helper()
	l := listen(t, change...)
	nc := prove(t, dial(t, l))
	c, err := l.Accept(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Abort)
	return c, nc
}

// theKey is what all have that may come in.
func theKey() *keys.Key {
	k, err := keys.Parse("scp_rdma1:a3a535d50c33d8ed:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f:d8802629")
	if err != nil {
		panic(err)
	}
	return &k
}

func theRing() *keys.Ring { return keys.Single("tests", *theKey()) }

func theCert(t *testing.T) tls.Certificate {
	t.Helper()
	c, err := identity()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// to dials with the right key.
func to(addr string, cfg Config) DialConfig {
	return DialConfig{Addr: addr, Key: theKey(), Config: cfg}
}

// client is a connection that has proved itself and then does what it likes.
type client struct {
	*tls.Conn
	raw *net.TCPConn
}

// prove does what a client does until Hello.
func prove(t *testing.T, nc *net.TCPConn) *client {
	t.Helper()
	tc, err := greet(soon(t), nc, theKey())
	if err != nil {
		t.Fatal(err)
	}
	return &client{tc, nc}
}

// piped makes a control connection over a pipe, for virtual time.
func piped(cfg Config) (*Conn, net.Conn) {
	a, b := net.Pipe()
	return newConn(a, a, cfg), b
}

func write(t *testing.T, w io.Writer, b []byte) {
	t.Helper()
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
}

func encode(t *testing.T, list ...wire.Message) []byte {
	t.Helper()
	var b []byte
	for _, m := range list {
		var err error
		if b, err = wire.AppendMessage(b, m); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// next reads one message that is neither ping nor pong.
func next(t *testing.T, r io.Reader) wire.Message {
	t.Helper()
	for {
		h := make([]byte, wire.HeaderSize)
		if _, err := io.ReadFull(r, h); err != nil {
			t.Fatal(err)
		}
		typ, n, err := wire.ParseHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		body := make([]byte, n)
		if _, err := io.ReadFull(r, body); err != nil {
			t.Fatal(err)
		}
		m, err := wire.ParseMessage(typ, body)
		if err != nil {
			t.Fatal(err)
		}
		if typ != wire.TypePing && typ != wire.TypePong {
			return m
		}
	}
}

// expect receives an Abort with the number; the tests count with it.
func expect(t *testing.T, c *Conn, id uint64) {
	t.Helper()
	m, err := c.Recv(soon(t))
	if a, ok := m.(*wire.Abort); err != nil || !ok || len(a.IDs) != 1 || a.IDs[0] != id {
		t.Fatalf("got %+v, %v, want number %d", m, err, id)
	}
}

func number(id uint64) *wire.Abort { return &wire.Abort{IDs: []uint64{id}} }

// large is a message of nearly 1 MiB.
func large(id uint64) *wire.Entries {
	var m wire.Entries
	for i := range uint64(15) {
		m.List = append(m.List, wire.Entry{ID: id*100 + i + 1, Kind: wire.KindFile, Name: []byte("f"),
			Xattrs: []wire.Xattr{{Name: "user.x", Value: bytes.Repeat([]byte{1}, 60<<10)}}})
	}
	return &m
}

func wantError(t *testing.T, err, target error, words ...string) {
	t.Helper()
	if err == nil || target != nil && !errors.Is(err, target) {
		t.Errorf("error %v, want %v", err, target)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q lacks %q", err, w)
		}
	}
}
