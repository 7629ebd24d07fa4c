package localfs

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// hiddenPrefix begins the names that a session uses for what has no name yet.
const hiddenPrefix = ".scp_rdma."

// The ends of hidden names that are made from a final one, and can be found again.
const (
	partSuffix    = ".part"
	journalSuffix = ".journal"
	markSuffix    = ".mark"
)

// hashDigits is how many digits of a hash stand in such a name. Its length is fixed,
// for the final one may have 255 bytes already.
const hashDigits = 32

// hiddenOf is the hidden name that belongs to a final one.
func hiddenOf(name, suffix string) string {
	sum := sha256.Sum256([]byte(name))
	return hiddenPrefix + hex.EncodeToString(sum[:hashDigits/2]) + suffix
}

// reserved says whether a name is one that hiddenOf makes. No entry may have one: it
// would be taken for half a file, or stand in the way of one.
func reserved(name string) bool {
	rest, ok := strings.CutPrefix(name, hiddenPrefix)
	if !ok || len(rest) < hashDigits || !allHex(rest[:hashDigits]) {
		return false
	}
	switch rest[hashDigits:] {
	case partSuffix, journalSuffix, markSuffix:
		return true
	}
	return false
}

// temporary says whether a name is any that a session hides things under.
func temporary(name string) bool {
	rest, ok := strings.CutPrefix(name, hiddenPrefix)
	if !ok {
		return false
	}
	session, serial, ok := strings.Cut(rest, ".")
	return reserved(name) || ok && len(session) == sessionDigits && allHex(session) && serial != "" && (serial == stashName || allHex(serial))
}

func allHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }

// errReserved: the entry would be taken for a temporary.
var errReserved = fmt.Errorf("%w: it is reserved for temporaries", ErrName)
