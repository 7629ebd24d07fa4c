package e2e

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"scp_rdma/keys"
	"scp_rdma/wire"
)

// The labels of the protocol, written down once more: this client shares no
// code with the program but the layout of messages.
const (
	labelClient = "scp_rdma client proof v1"
	labelServer = "scp_rdma server proof v1"
	exportProof = "EXPORTER-scp_rdma-proof-v1"
)

// knock connects, says the preamble and begins TLS.
func knock(addr string) (*tls.Conn, error) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	_ = nc.SetDeadline(time.Now().Add(patience))
	if _, err := nc.Write(preamble(wire.Version)); err != nil {
		return nil, errors.Join(err, nc.Close())
	}
	if _, err := io.ReadFull(nc, make([]byte, wire.PreambleSize)); err != nil {
		return nil, errors.Join(err, nc.Close())
	}
	tc := tls.Client(nc, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"scp_rdma"}, ServerName: "x"}) //nolint:gosec // the stranger trusts anybody
	if err := tc.Handshake(); err != nil {
		return nil, errors.Join(err, nc.Close())
	}
	return tc, nil
}

// shown is what a client shows of a key on a connection.
func shown(tc *tls.Conn, k keys.Key, label string) (*wire.Auth, error) {
	st := tc.ConnectionState()
	bind, err := st.ExportKeyingMaterial(exportProof, nil, 32)
	if err != nil {
		return nil, err
	}
	id, proof := k.ID(), k.MAC(label, bind)
	return &wire.Auth{KeyID: id[:], Proof: proof[:]}, nil
}

// say sends messages, whatever becomes of them.
func say(w io.Writer, list ...wire.Message) error {
	var b []byte
	for _, m := range list {
		var err error
		if b, err = wire.AppendMessage(b, m); err != nil {
			return err
		}
	}
	_, err := w.Write(b)
	return err
}

// answer is what a server says until it closes the connection.
func answer(c net.Conn) ([]wire.Message, error) {
	var list []wire.Message
	for {
		h := make([]byte, wire.HeaderSize)
		if _, err := io.ReadFull(c, h); err != nil {
			if os.IsTimeout(err) {
				return list, err
			}
			return list, nil
		}
		typ, n, err := wire.ParseHeader(h)
		if err != nil {
			return list, err
		}
		body := make([]byte, n)
		if _, err := io.ReadFull(c, body); err != nil {
			return list, err
		}
		m, err := wire.ParseMessage(typ, body)
		if err != nil {
			return list, err
		}
		list = append(list, m)
	}
}

// session is what a client asks for after its proof; a stranger asks all the same.
func session() []wire.Message {
	return []wire.Message{
		&wire.Hello{Version: wire.Version, Rails: []wire.RailSet{{Transport: "tcp", Rails: []wire.Rail{{Name: "lo"}}}}},
		&wire.Open{Path: []byte("stolen/"), Contents: true},
	}
}

// strangers are clients that have no key, each with a way to get in without.
func strangers(t *testing.T) map[string]func(tc *tls.Conn) ([]wire.Message, error) {
	other := keys.New()
	with := func(change func(a *wire.Auth)) func(tc *tls.Conn) ([]wire.Message, error) {
		return func(tc *tls.Conn) ([]wire.Message, error) {
			a, err := shown(tc, setting.key, labelClient)
			if err != nil {
				return nil, err
			}
			change(a)
			return append([]wire.Message{a}, session()...), nil
		}
	}
	// A proof that was good on its own connection, which is closed right after.
	tc, err := knock(serve(t, nobody(), folder(t, nobody())).addr)
	must(t, err)
	replayed, err := shown(tc, setting.key, labelClient)
	must(t, err)
	must(t, tc.Close())
	return map[string]func(tc *tls.Conn) ([]wire.Message, error){
		"no proof at all": func(*tls.Conn) ([]wire.Message, error) { return session(), nil },
		"no key": func(*tls.Conn) ([]wire.Message, error) {
			return append([]wire.Message{&wire.Auth{}}, session()...), nil
		},
		"another key": func(tc *tls.Conn) ([]wire.Message, error) {
			a, err := shown(tc, other, labelClient)
			return append([]wire.Message{a}, session()...), err
		},
		"a proof of another key under this one's ID": func(tc *tls.Conn) ([]wire.Message, error) {
			a, err := shown(tc, other, labelClient)
			id := setting.key.ID()
			a.KeyID = id[:]
			return append([]wire.Message{a}, session()...), err
		},
		"a replayed proof": func(*tls.Conn) ([]wire.Message, error) { return append([]wire.Message{replayed}, session()...), nil },
		"a server's proof": func(tc *tls.Conn) ([]wire.Message, error) {
			a, err := shown(tc, setting.key, labelServer)
			return append([]wire.Message{a}, session()...), err
		},
		"a bit changed":     with(func(a *wire.Auth) { a.Proof[rand.IntN(32)] ^= 1 << rand.IntN(8) }),
		"a guess":           with(func(a *wire.Auth) { a.Proof = bytes.Repeat([]byte{byte(rand.IntN(256))}, 32) }),
		"a proof of zeroes": with(func(a *wire.Auth) { a.Proof = make([]byte, 32) }),
	}
}

func TestNobodyComesInWithoutAKey(t *testing.T) {
	srv := serve(t, nobody(), folder(t, nobody()))
	for name, words := range strangers(t) {
		t.Run(name, func(t *testing.T) {
			tc, err := knock(srv.addr)
			must(t, err)
			defer tc.Close()
			list, err := words(tc)
			must(t, err)
			must(t, say(tc, list...))
			got, err := answer(tc)
			if err != nil {
				t.Errorf("not closed: %v", err)
			}
			for _, m := range got {
				if b, ok := m.(*wire.Bye); !ok || b.Code != wire.ByeAuth {
					t.Errorf("the server says %+v", m)
				}
			}
		})
	}
	absent(t, filepath.Join(srv.dir, "stolen"))
	srv.stillServes(t)
	absent(t, filepath.Join(srv.dir, "stolen"))
	srv.stop(t)
}

// TestAMitmBetweenRealPeers: the program on both sides, and somebody between
// who has a TLS of his own with each, or shows the client its own proof.
func TestAMitmBetweenRealPeers(t *testing.T) {
	srv := serve(t, nobody(), folder(t, nobody()))
	cert := certificate(t)
	greeted := func(c net.Conn) *tls.Conn {
		if _, err := io.ReadFull(c, make([]byte, wire.PreambleSize)); err != nil {
			return nil
		}
		if _, err := c.Write(preamble(wire.Version)); err != nil {
			return nil
		}
		return tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"scp_rdma"}, MinVersion: tls.VersionTLS13})
	}
	for name, between := range map[string]func(c *tls.Conn){
		"hands everything on": func(c *tls.Conn) {
			up, err := knock(srv.addr)
			if err != nil {
				return
			}
			var wg sync.WaitGroup
			wg.Go(func() { _, _ = io.Copy(up, c); _ = up.Close() })
			_, _ = io.Copy(c, up)
			_ = c.Close()
			wg.Wait()
		},
		"shows the client its own proof": func(c *tls.Conn) {
			h := make([]byte, wire.HeaderSize+46)
			if _, err := io.ReadFull(c, h); err != nil {
				return
			}
			if m, err := wire.ParseMessage(wire.TypeAuth, h[wire.HeaderSize:]); err == nil {
				_ = say(c, &wire.Authed{Proof: m.(*wire.Auth).Proof})
			}
			_, _ = io.Copy(io.Discard, c)
		},
	} {
		t.Run(name, func(t *testing.T) {
			port := peer(t, func(c net.Conn) {
				if tc := greeted(c); tc != nil {
					between(tc)
				}
				_ = c.Close()
			})
			r := sendTo(t, "127.0.0.1", port)
			r.wants(t, 6)
			r.says(t, "127.0.0.1:"+port)
		})
	}
	absent(t, filepath.Join(srv.dir, "file"))
	srv.stillServes(t)
	srv.stop(t)
}

func TestAKeyFileThatOthersCanReadIsRefusedAsAnyUser(t *testing.T) {
	eachUser(t, func(t *testing.T, w who) {
		dir := folder(t, w)
		file := filepath.Join(dir, "key")
		write(t, file, []byte(setting.key.Text()))
		srv := serve(t, w, folder(t, w))
		data := filepath.Join(dir, "data")
		write(t, data, []byte("x"))
		for mode, code := range map[os.FileMode]int{0o600: 0, 0o400: 0, 0o640: 6, 0o604: 6, 0o666: 6} {
			must(t, os.Chmod(file, mode))
			srv.send(t, w, "--key-file", file, data, "").wants(t, code)
		}
		must(t, os.Chmod(file, 0o600))
		must(t, unix.Chown(file, 4242, 4242))
		srv.send(t, w, "--key-file", file, data, "").wants(t, map[uint32]int{0: 6, 65534: 1}[w.uid])
		srv.stop(t)
	})
}
