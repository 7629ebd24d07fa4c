package control

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"scp_rdma/keys"
	"scp_rdma/wire"
)

// nobodyIn fails the test if the listener has let somebody in.
func nobodyIn(t *testing.T, l *Listener) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if c, err := l.Accept(ctx); err == nil {
		c.Abort()
		t.Error("somebody was let in")
	}
}

func TestTheRightKeyOpensTheDoor(t *testing.T) {
	seen := map[string]bool{}
	for range 2 {
		t.Run("again", func(t *testing.T) {
			client, server := pair(t, Config{})
			if server.Holder().Name != "tests" || server.Holder().Key != *theKey() || client.Holder().Key != *theKey() {
				t.Errorf("%+v, %+v", server.Holder(), client.Holder())
			}
			for _, label := range []string{"a", "b"} {
				mine, err1 := client.Derive(label)
				theirs, err2 := server.Derive(label)
				if err := errors.Join(err1, err2); err != nil || len(mine) != keys.Size || !bytes.Equal(mine, theirs) {
					t.Errorf("secrets %x, %x, %v", mine, theirs, err)
				}
				if seen[string(mine)] {
					t.Error("another label or connection has the same secret")
				}
				seen[string(mine)] = true
			}
		})
	}
}

func TestWrongKeysAreRefusedOnBothSides(t *testing.T) {
	other := keys.New()
	for name, tt := range map[string]struct {
		dial  func(*DialConfig)
		words string
		log   string
	}{
		"no key":      {func(c *DialConfig) { c.Key, c.NoAuth = nil, true }, "wants a key", "no key"},
		"another key": {func(c *DialConfig) { c.Key = &other }, "does not take key " + other.ID().String(), "not known here"},
	} {
		t.Run(name, func(t *testing.T) {
			var log logged
			l := listen(t, log.into)
			cfg := to(l.Addr().String(), Config{})
			tt.dial(&cfg)
			_, err := Dial(soon(t), cfg)
			wantError(t, err, ErrAuth, tt.words, cfg.Addr)
			nobodyIn(t, l)
			if !strings.Contains(log.String(), tt.log) {
				t.Errorf("log %q", log.String())
			}
			served(t, l)
		})
	}
}

func TestWithoutKeysBothMustSaySo(t *testing.T) {
	open := listen(t, func(c *ListenConfig) { c.Keys, c.NoAuth = nil, true })
	_, err := Dial(soon(t), to(open.Addr().String(), Config{}))
	wantError(t, err, ErrAuth, "does not prove", "--no-auth")
	c, err := open.Accept(soon(t)) // for the server it was a client like others
	if err != nil {
		t.Fatal(err)
	}
	c.Abort()
	client := make(chan *Conn, 1)
	go func() {
		c, err := Dial(soon(t), DialConfig{Addr: open.Addr().String(), NoAuth: true})
		if err != nil {
			t.Error(err)
		}
		client <- c
	}()
	server, err := open.Accept(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Abort()
	c = <-client
	if c == nil {
		t.FailNow()
	}
	defer c.Abort()
	a, err1 := c.Derive("x")
	b, err2 := server.Derive("x")
	if err := errors.Join(err1, err2); err != nil || !bytes.Equal(a, b) || server.Holder().Rights != keys.RightsOpen {
		t.Errorf("secrets %x, %x, %v; %+v", a, b, err, server.Holder())
	}
}

func TestNeitherKeyNorWillIsAnError(t *testing.T) {
	_, err := Listen(t.Context(), ListenConfig{Addr: "127.0.0.1:0"})
	wantError(t, err, errConfig)
	_, err = Dial(soon(t), DialConfig{Addr: "127.0.0.1:1"})
	wantError(t, err, errConfig)
}

// tlsTo is a client's TLS with a server, before any proof.
func tlsTo(t *testing.T, l *Listener, cfg *tls.Config) *tls.Conn {
	t.Helper()
	nc := dial(t, l)
	if err := introduce(nc); err != nil {
		t.Fatal(err)
	}
	return tls.Client(nc, cfg)
}

// authOf is what an honest client says on this connection.
func authOf(t *testing.T, tc *tls.Conn) *wire.Auth {
	t.Helper()
	if err := tc.HandshakeContext(soon(t)); err != nil {
		t.Fatal(err)
	}
	bind, err := binding(tc)
	if err != nil {
		t.Fatal(err)
	}
	id := theKey().ID()
	return &wire.Auth{KeyID: id[:], Proof: proof(*theKey(), labelClient, bind)}
}

func TestProofsThatAreNone(t *testing.T) {
	l := listen(t)
	replayed := authOf(t, tlsTo(t, l, clientTLS()))
	for name, forge := range map[string]func(tc *tls.Conn) *wire.Auth{
		"of zeroes":               func(*tls.Conn) *wire.Auth { return &wire.Auth{KeyID: replayed.KeyID, Proof: make([]byte, 32)} },
		"of another connection":   func(*tls.Conn) *wire.Auth { return replayed },
		"with one bit changed":    func(tc *tls.Conn) *wire.Auth { a := authOf(t, tc); a.Proof[31] ^= 1; return a },
		"with a bit of the start": func(tc *tls.Conn) *wire.Auth { a := authOf(t, tc); a.Proof[0] ^= 0x80; return a },
		"of another key":          func(tc *tls.Conn) *wire.Auth { a := authOf(t, tc); a.KeyID[0] ^= 1; return a },
		"meant for clients": func(tc *tls.Conn) *wire.Auth {
			a := authOf(t, tc)
			bind, _ := binding(tc)
			a.Proof = proof(*theKey(), labelServer, bind)
			return a
		},
		"of the secret's label": func(tc *tls.Conn) *wire.Auth {
			a := authOf(t, tc)
			bind, _ := export(tc, exportSecret)
			a.Proof = proof(*theKey(), labelClient, bind)
			return a
		},
		"by a key of zeroes": func(tc *tls.Conn) *wire.Auth {
			a := authOf(t, tc)
			bind, _ := binding(tc)
			id := keys.Key{}.ID()
			return &wire.Auth{KeyID: id[:], Proof: proof(keys.Key{}, labelClient, bind)[:len(a.Proof)]}
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc := tlsTo(t, l, clientTLS())
			if err := tc.HandshakeContext(soon(t)); err != nil {
				t.Fatal(err)
			}
			write(t, tc, encode(t, forge(tc)))
			if bye, ok := next(t, tc).(*wire.Bye); !ok || bye.Code != wire.ByeAuth {
				t.Errorf("the server says %+v", bye)
			}
			if _, err := tc.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("then: %v", err)
			}
			nobodyIn(t, l)
		})
	}
	served(t, l)
}

// Before its proof a client may say one thing only, of a bounded size.
func TestNothingIsReadBeforeTheProof(t *testing.T) {
	for name, b := range map[string][]byte{
		"a hello":              encode(t, &wire.Hello{Version: wire.Version}),
		"a ping":               encode(t, &wire.Ping{N: 1}),
		"a bye":                encode(t, &wire.Bye{}),
		"a length of 1 MiB":    {0, 0, 0x10, 0, byte(wire.TypeEntries)},
		"a length of 64 KiB":   {0, 0, 1, 0, byte(wire.TypeHello)},
		"too large a proof":    {200, 0, 0, 0, byte(wire.TypeAuth)},
		"a proof without CBOR": {2, 0, 0, 0, byte(wire.TypeAuth), 0xff, 0xff},
		"an unknown type":      {0, 0, 0, 0, 250},
	} {
		t.Run(name, func(t *testing.T) {
			l := listen(t)
			tc := tlsTo(t, l, clientTLS())
			write(t, tc, b)
			got, err := io.ReadAll(tc)
			if len(got) > 0 || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the server says %x, %v", got, err)
			}
			nobodyIn(t, l)
			served(t, l)
		})
	}
}

func TestOnlyTLS13AndNoTickets(t *testing.T) {
	l := listen(t)
	old := clientTLS()
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	if err := tlsTo(t, l, old).HandshakeContext(soon(t)); err == nil {
		t.Error("TLS 1.2 is taken")
	}
	foreign := clientTLS()
	foreign.NextProtos = []string{"h2"}
	if err := tlsTo(t, l, foreign).HandshakeContext(soon(t)); err == nil {
		t.Error("another protocol inside TLS is taken")
	}
	cached := clientTLS()
	cached.ClientSessionCache = tls.NewLRUClientSessionCache(10)
	for range 3 {
		tc := tlsTo(t, l, cached)
		write(t, tc, encode(t, authOf(t, tc)))
		if _, ok := next(t, tc).(*wire.Authed); !ok {
			t.Fatal("not let in")
		}
		if tc.ConnectionState().DidResume {
			t.Error("a session was resumed")
		}
		c, err := l.Accept(soon(t))
		if err != nil {
			t.Fatal(err)
		}
		c.Abort()
	}
}

// One deadline covers TLS and the proof as well: a byte now and then gains nothing.
func TestSlowProofsAreGivenUp(t *testing.T) {
	l := listen(t, func(c *ListenConfig) { c.Handshake = 400 * time.Millisecond })
	silent := tlsTo(t, l, clientTLS())
	if err := silent.HandshakeContext(soon(t)); err != nil {
		t.Fatal(err)
	}
	slow := tlsTo(t, l, clientTLS())
	auth := encode(t, authOf(t, slow))
	start := time.Now()
	tick := time.NewTicker(60 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		if _, err := slow.Write(auth[i%8 : i%8+1]); err != nil {
			break
		}
		if time.Since(start) > patience {
			t.Fatal("a byte now and then holds the connection for ever")
		}
		<-tick.C
	}
	if _, err := silent.Read(make([]byte, 1)); err == nil {
		t.Error("a client that proves nothing is kept")
	}
	nobodyIn(t, l)
}
