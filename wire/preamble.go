package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
)

// Version of the protocol. Both ends must speak the same.
const Version uint16 = 4

// Kinds of connections on the one port of a server.
const (
	KindControl byte = 'C'
	KindData    byte = 'D'
	KindBye     byte = 'B' // of a server that takes no connection now: a Bye follows, in the clear
)

// PreambleSize is the size of a preamble, bytes.
const PreambleSize = 8

const preambleMagic = "SRDM"

// Preamble is the first thing either side says on a TCP connection, the same in
// every version: "SRDM", the kind, a zero, the version (u16).
type Preamble struct {
	Kind    byte
	Version uint16
}

// AppendPreamble appends the preamble's PreambleSize bytes.
func AppendPreamble(b []byte, p Preamble) []byte {
	b = append(b, preambleMagic...)
	b = append(b, p.Kind, 0)
	return binary.LittleEndian.AppendUint16(b, p.Version)
}

// ForeignError says that the peer speaks something else.
type ForeignError struct {
	Speaks string // "ssh", "http", ...; else the bytes, quoted
}

// Error implements error.
func (e *ForeignError) Error() string { return "the other side speaks " + e.Speaks + ", not scp_rdma" }

// ParsePreamble reads a preamble. Bytes that are not ours, even fewer than
// PreambleSize of them, give a *ForeignError. Any version parses.
func ParsePreamble(b []byte) (Preamble, error) {
	head := b[:min(len(b), PreambleSize)]
	if !bytes.HasPrefix(head, []byte(preambleMagic)) {
		return Preamble{}, &ForeignError{Speaks: guess(head)}
	}
	if len(b) < PreambleSize {
		return Preamble{}, fmt.Errorf("preamble of %d bytes: %w", len(b), ErrMalformed)
	}
	p := Preamble{Kind: b[4], Version: binary.LittleEndian.Uint16(b[6:])}
	if p.Kind != KindControl && p.Kind != KindData && p.Kind != KindBye || b[5] != 0 {
		return Preamble{}, fmt.Errorf("preamble %q: %w", head, ErrMalformed)
	}
	return p, nil
}

// guess names a protocol by its first bytes.
func guess(b []byte) string {
	for _, g := range []struct{ prefix, name string }{
		{"SSH-", "ssh"}, {"HTTP", "http"}, {"GET ", "http"}, {"POST", "http"}, {"HEAD", "http"},
		{"PUT ", "http"}, {"OPTI", "http"}, {"PRI ", "http"}, {"\x16\x03", "tls"}, {"\x15\x03", "tls"}, {"220", "smtp or ftp"},
		{"@RSY", "rsync"},
	} {
		if strings.HasPrefix(string(b), g.prefix) {
			return g.name
		}
	}
	return fmt.Sprintf("%q", b)
}
