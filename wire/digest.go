package wire

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"
)

// DigestSize is the length of a digest, bytes.
const DigestSize = 16

// Digest sums the contents of a whole file, XXH3 of 128 bits: two files that differ
// by chance have different ones. It is no defence against files made to collide.
type Digest struct{ h *xxh3.Hasher }

// NewDigest begins a digest.
func NewDigest() Digest { return Digest{xxh3.New()} }

// Add takes the next bytes of the file.
func (d Digest) Add(p []byte) { _, _ = d.h.Write(p) } // it never fails

// Sum is the digest of what was added.
func (d Digest) Sum() []byte {
	s := d.h.Sum128()
	b := binary.LittleEndian.AppendUint64(make([]byte, 0, DigestSize), s.Hi)
	return binary.LittleEndian.AppendUint64(b, s.Lo)
}
