package control

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"

	"scp_rdma/keys"
	"scp_rdma/wire"
)

// impostor is a server without the key: it answers a client's proof as it likes.
func impostor(t *testing.T, answer func(tc *tls.Conn, a *wire.Auth) wire.Message) string {
	cert := theCert(t)
	return stranger(t, func(nc net.Conn) {
		if _, err := readPreamble(nc); err != nil {
			return
		}
		_, _ = nc.Write(preamble())
		tc := tls.Server(nc, serverTLS(cert))
		m, err := hear(tc, wire.TypeAuth)
		if err != nil {
			return
		}
		_ = say(tc, answer(tc, m.(*wire.Auth)))
		_, _ = io.Copy(io.Discard, tc)
	})
}

func TestServersThatAreNone(t *testing.T) {
	other := keys.New()
	for name, tt := range map[string]struct {
		answer func(tc *tls.Conn, a *wire.Auth) wire.Message
		words  []string
	}{
		"the client's own proof": {func(_ *tls.Conn, a *wire.Auth) wire.Message { return &wire.Authed{Proof: a.Proof} }, []string{"proof of the key is wrong"}},
		"no proof":               {func(*tls.Conn, *wire.Auth) wire.Message { return &wire.Authed{} }, []string{"does not prove"}},
		"a proof of zeroes":      {func(*tls.Conn, *wire.Auth) wire.Message { return &wire.Authed{Proof: make([]byte, 32)} }, []string{"proof of the key is wrong"}},
		"a proof of another key": {func(tc *tls.Conn, _ *wire.Auth) wire.Message {
			bind, _ := binding(tc)
			return &wire.Authed{Proof: proof(other, labelServer, bind)}
		}, []string{"proof of the key is wrong"}},
		"a refusal": {func(*tls.Conn, *wire.Auth) wire.Message {
			return &wire.Bye{Code: wire.ByeAuth, Text: "run this: \x1b[2J rm"}
		}, []string{"does not take key"}},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := Dial(soon(t), to(impostor(t, tt.answer), Config{}))
			if err == nil {
				c.Abort()
			}
			wantError(t, err, ErrAuth, tt.words...)
			if err != nil && strings.ContainsAny(err.Error(), "\x1b") {
				t.Errorf("the impostor's words are shown: %q", err)
			}
		})
	}
	for name, text := range map[string]wire.Message{
		"another reason":   &wire.Bye{Code: wire.ByeError, Text: "\x1b[2J\nscp_rdma: all is well"},
		"an odd message":   &wire.Ping{N: 1},
		"a hello too soon": &wire.Hello{Version: wire.Version},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Dial(soon(t), to(impostor(t, func(*tls.Conn, *wire.Auth) wire.Message { return text }), Config{}))
			if err == nil || strings.ContainsAny(err.Error(), "\x1b\n") {
				t.Errorf("%q", err)
			}
		})
	}
}

// A man in the middle has a TLS of his own with either side and hands every
// byte on. Neither side takes the other's proof, which is bound to another TLS.
func TestAManInTheMiddleIsSeen(t *testing.T) {
	l := listen(t)
	cert := theCert(t)
	addr := someone(t, func(nc net.Conn) {
		if _, err := readPreamble(nc); err != nil {
			return
		}
		_, _ = nc.Write(preamble())
		up, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return
		}
		defer func() { _ = up.Close() }()
		if introduce(up) != nil {
			return
		}
		mine, theirs := tls.Server(nc, serverTLS(cert)), tls.Client(up, clientTLS())
		done := make(chan struct{})
		go func() { _, _ = io.Copy(theirs, mine); close(done) }()
		_, _ = io.Copy(mine, theirs)
		_ = nc.Close()
		<-done
	})
	_, err := Dial(soon(t), to(addr, Config{}))
	wantError(t, err, ErrAuth)
	nobodyIn(t, l)
	served(t, l)
}

func TestWhatIsInTheClearTellsNothing(t *testing.T) {
	l := listen(t)
	var seen bytes.Buffer
	addr := someone(t, func(nc net.Conn) {
		up, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return
		}
		done := make(chan struct{})
		go func() { _, _ = io.Copy(up, io.TeeReader(nc, &seen)); _ = up.(*net.TCPConn).CloseWrite(); close(done) }()
		_, _ = io.Copy(nc, up)
		_ = nc.Close()
		<-done
		_ = up.Close()
	})
	client, err := Dial(soon(t), to(addr, Config{})) // a relay that changes nothing is no harm
	if err != nil {
		t.Fatal(err)
	}
	server, err := l.Accept(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Send(&wire.Open{Path: []byte("a path that is nobody's business")}); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Recv(soon(t)); err != nil {
		t.Fatal(err)
	}
	client.Abort()
	server.Abort()
	id := theKey().ID()
	if bytes.Contains(seen.Bytes(), []byte("nobody's business")) || bytes.Contains(seen.Bytes(), id[:]) {
		t.Error("a path or the key's ID crossed in the clear")
	}
}
