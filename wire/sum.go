package wire

import (
	"crypto/sha256"
	"hash"

	"github.com/zeebo/xxh3"
)

// SumKind is a digest of a file for people to keep, in the bytes that tools for it print.
type SumKind uint8

// The digests: XXH3 of 128 bits as xxh128sum has it, and SHA-256.
const (
	SumNone SumKind = iota
	SumXXH128
	SumSHA256
)

// Size is the length of the digest, bytes; 0 of none.
func (k SumKind) Size() int {
	switch k {
	case SumXXH128:
		return DigestSize
	case SumSHA256:
		return sha256.Size
	case SumNone:
	}
	return 0
}

// New begins a digest; nil for none. Its Write never fails.
func (k SumKind) New() hash.Hash {
	switch k {
	case SumXXH128:
		return xxh128{xxh3.New()}
	case SumSHA256:
		return sha256.New()
	case SumNone:
	}
	return nil
}

// xxh128 is XXH3 of 128 bits as a hash.Hash, in its canonical bytes, which are big endian.
type xxh128 struct{ *xxh3.Hasher }

// Size implements hash.Hash.
func (xxh128) Size() int { return DigestSize }

// Sum implements hash.Hash.
func (x xxh128) Sum(b []byte) []byte {
	s := x.Sum128().Bytes()
	return append(b, s[:]...)
}

func validDigest(b []byte) bool {
	return len(b) == SumXXH128.Size() || len(b) == SumSHA256.Size()
}
