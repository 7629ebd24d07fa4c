package control

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"time"

	"scp_rdma/keys"
	"scp_rdma/wire"
)

// ErrAuth: the two sides hold no key in common, or the peer is not who it should be.
var ErrAuth = errors.New("not authorised")

// Labels keep the proofs and secrets of one connection apart: none can be sent
// back as another. The proofs are MACs under the key over what TLS exports under
// exportProof (RFC 8446, 7.5), which no two connections have in common: somebody
// in between with a TLS of his own on either side can't hand them on.
const (
	labelClient  = "scp_rdma client proof v1"
	labelServer  = "scp_rdma server proof v1"
	exportProof  = "EXPORTER-scp_rdma-proof-v1"
	exportSecret = "EXPORTER-scp_rdma-secret-v1"
	protocolName = "scp_rdma"
)

// identity makes a server's certificate: new for each listener and known to
// nobody, because the proofs say who is who.
func identity() (tls.Certificate, error) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make certificate: %w", err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().AddDate(100, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, form, form, pub, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// serverTLS never resumes: a ticket would be a second way in.
func serverTLS(cert tls.Certificate) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert},
		NextProtos: []string{protocolName}, SessionTicketsDisabled: true,
	}
}

// clientTLS takes any certificate: whose it is the proof says, which is bound to
// this very connection.
func clientTLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{protocolName}, ServerName: protocolName,
		InsecureSkipVerify: true, //nolint:gosec // see above
	}
}

// proof is what one side shows of its key.
func proof(k keys.Key, label string, binding []byte) []byte {
	m := k.MAC(label, binding)
	return m[:]
}

// binding is what the proofs of a connection are bound to.
func binding(tc *tls.Conn) ([]byte, error) { return export(tc, exportProof) }

func export(tc *tls.Conn, label string) ([]byte, error) {
	st := tc.ConnectionState()
	b, err := st.ExportKeyingMaterial(label, nil, keys.Size)
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	return b, nil
}

// proveClient begins TLS on a connection whose preambles are done, shows the key
// and checks that the server has it too. Without a key none is shown and nothing
// asked: that is what noAuth stands for.
func proveClient(ctx context.Context, nc net.Conn, key *keys.Key) (*tls.Conn, error) {
	tc := tls.Client(nc, clientTLS())
	if err := tc.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	bind, err := binding(tc)
	if err != nil {
		return nil, err
	}
	var auth wire.Auth
	if key != nil {
		id := key.ID()
		auth = wire.Auth{KeyID: id[:], Proof: proof(*key, labelClient, bind)}
	}
	if err := say(tc, &auth); err != nil {
		return nil, err
	}
	m, err := hear(tc, wire.TypeAuthed, wire.TypeBye)
	if err != nil {
		return nil, err
	}
	authed, ok := m.(*wire.Authed)
	if !ok {
		return nil, refused(m.(*wire.Bye), key)
	}
	switch {
	case key == nil:
		return tc, nil
	case len(authed.Proof) == 0:
		return nil, fmt.Errorf("the server does not prove that it has the key: either it runs with --no-auth (then, on a network you trust, give --no-auth here too) or it is not the server you mean: %w", ErrAuth)
	case !hmac.Equal(authed.Proof, proof(*key, labelServer, bind)):
		return nil, fmt.Errorf("the server's proof of the key is wrong: it is not the server you mean, or somebody is in between: %w", ErrAuth)
	}
	return tc, nil
}

// refused says what a Bye in place of Authed means. Its text comes from somebody
// who has proved nothing: the words for what matters are this side's.
func refused(bye *wire.Bye, key *keys.Key) error {
	switch {
	case bye.Code == wire.ByeBusy:
		return &BusyError{Text: bye.Text}
	case bye.Code != wire.ByeAuth:
		return fmt.Errorf("the server refuses: %q", bye.Text)
	case key == nil:
		return fmt.Errorf("the server wants a key: without --no-auth here the key file is used: %w", ErrAuth)
	}
	return fmt.Errorf("the server does not take key %v: it has another, or none with this ID in its list; copy its key file to this host, or add this key there: %w", key.ID(), ErrAuth)
}

// proveServer is the other side of proveClient. Until it returns, nothing has
// been done for the peer but a handshake. A nil ring takes anybody. step is called
// when TLS is done.
func proveServer(ctx context.Context, nc net.Conn, cfg *tls.Config, ring *keys.Ring, step func()) (*tls.Conn, keys.Holder, error) {
	tc := tls.Server(nc, cfg)
	if err := tc.HandshakeContext(ctx); err != nil {
		return nil, keys.Holder{}, fmt.Errorf("tls: %w", err)
	}
	step()
	bind, err := binding(tc)
	if err != nil {
		return nil, keys.Holder{}, err
	}
	m, err := hear(tc, wire.TypeAuth)
	if err != nil {
		return nil, keys.Holder{}, err
	}
	if ring == nil {
		return tc, keys.Holder{Rights: keys.RightsOpen}, say(tc, &wire.Authed{})
	}
	holder, err := check(m.(*wire.Auth), ring, bind)
	if err != nil {
		// The peer's own side has better words; which check failed it isn't told.
		if say(tc, &wire.Bye{Code: wire.ByeAuth, Text: ErrAuth.Error(), Version: wire.Version}) == nil {
			linger(tc)
		}
		return nil, keys.Holder{}, err
	}
	return tc, holder, say(tc, &wire.Authed{Proof: proof(holder.Key, labelServer, bind)})
}

// check finds the key that a client names, and whether it has it.
func check(m *wire.Auth, ring *keys.Ring, bind []byte) (keys.Holder, error) {
	if len(m.KeyID) == 0 {
		return keys.Holder{}, fmt.Errorf("no key: %w", ErrAuth)
	}
	id := keys.ID(m.KeyID)
	h, ok := ring.Lookup(id)
	if !ok {
		return keys.Holder{}, fmt.Errorf("key %v is not known here: %w", id, ErrAuth)
	}
	if !hmac.Equal(m.Proof, proof(h.Key, labelClient, bind)) {
		return keys.Holder{}, fmt.Errorf("wrong proof of key %v (%s): %w", id, h.Name, ErrAuth)
	}
	return h, nil
}

func say(w io.Writer, m wire.Message) error {
	b, err := wire.AppendMessage(nil, m)
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

// hear reads one message, which must be of one of the types: of others not even
// the body is read. It takes not a byte more.
func hear(r io.Reader, types ...wire.Type) (wire.Message, error) {
	b := make([]byte, wire.HeaderSize)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, fmt.Errorf("recv: %w", err)
	}
	t, n, err := wire.ParseHeader(b)
	if err != nil {
		return nil, fmt.Errorf("recv: %w", err)
	}
	for _, want := range types {
		if t != want {
			continue
		}
		body := make([]byte, n)
		if _, err := io.ReadFull(r, body); err != nil {
			return nil, fmt.Errorf("recv: %w", err)
		}
		return wire.ParseMessage(t, body)
	}
	return nil, fmt.Errorf("recv: message %d before the proof: %w", t, wire.ErrMalformed)
}
