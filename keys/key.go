package keys

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Size of a key, bytes.
const Size = 32

// ID names a key without telling it: the first bytes of a hash of it.
type ID [8]byte

// String is the ID as people see it.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Key is a secret that both ends of a session hold. Keys compare with ==.
type Key struct{ secret [Size]byte }

// New makes a key.
func New() Key {
	var k Key
	rand.Read(k.secret[:]) // crypto/rand never fails (Go 1.24)
	return k
}

// Labels keep what is made of one key apart.
const (
	labelID    = "scp_rdma key id v1"
	labelCheck = "scp_rdma key check v1"
)

// ID names the key.
func (k Key) ID() ID {
	m := k.MAC(labelID)
	return ID(m[:len(ID{})])
}

// Format implements fmt.Formatter: no verb prints the secret.
func (k Key) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "key "+k.ID().String()) // a failing writer is its owner's matter
}

// MarshalText implements encoding.TextMarshaler, for loggers that don't print but marshal.
func (k Key) MarshalText() ([]byte, error) { return fmt.Append(nil, k), nil }

// MAC is HMAC-SHA256 (RFC 2104) over a label and parts. The label ends with a
// zero byte, so that none is the beginning of another; parts have lengths that
// the label fixes.
func (k Key) MAC(label string, parts ...[]byte) [sha256.Size]byte {
	h := hmac.New(sha256.New, k.secret[:])
	h.Write([]byte(label))
	h.Write([]byte{0})
	for _, p := range parts {
		h.Write(p)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// Derive makes a secret of Size bytes from the key and a secret that only the
// two ends of one connection have (HKDF-SHA256, RFC 5869: the key is the salt).
// The zero Key is for connections without one.
func (k Key) Derive(shared []byte, label string) ([]byte, error) {
	out, err := hkdf.Key(sha256.New, shared, k.secret[:], label, Size)
	if err != nil {
		return nil, fmt.Errorf("derive %s: %w", label, err)
	}
	return out, nil
}

// textPrefix begins the text of a key; the digit is the form's version.
const textPrefix = "scp_rdma1"

// Text is the key as it stands in a file: prefix, ID, secret and check, with
// colons between, without a newline. This is the secret.
func (k Key) Text() string {
	return strings.Join([]string{textPrefix, k.ID().String(), hex.EncodeToString(k.secret[:]), k.check()}, ":")
}

// check finds a text that was damaged when it was copied.
func (k Key) check() string {
	m := k.MAC(labelCheck)
	return hex.EncodeToString(m[:4])
}

// ErrDamaged: the text is no key, or no longer the one it was.
var ErrDamaged = errors.New("not a whole key")

// Parse reads the text of a key, without blanks around it. The error tells
// nothing of the text.
func Parse(text string) (Key, error) {
	var k Key
	parts := strings.Split(text, ":")
	switch {
	case parts[0] != textPrefix:
		return k, fmt.Errorf("it does not begin with %s: %w", textPrefix, ErrDamaged)
	case len(parts) != 4 || len(parts[2]) != 2*Size:
		return k, fmt.Errorf("it has not the length of a key (was it cut when it was copied?): %w", ErrDamaged)
	}
	if _, err := hex.Decode(k.secret[:], []byte(parts[2])); err != nil {
		return Key{}, fmt.Errorf("it has a character that is no hexadecimal digit: %w", ErrDamaged)
	}
	if k.Text() != text {
		return Key{}, fmt.Errorf("its parts do not belong together (was it changed when it was copied?): %w", ErrDamaged)
	}
	return k, nil
}
