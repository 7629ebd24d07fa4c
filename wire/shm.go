package wire

import (
	"encoding/binary"
	"fmt"
)

// SHMRail is what a rail of shm tells of itself: where its sockets can be found. Two
// processes with the same can reach each other. Layout: boot id, network namespace's
// device u64, its inode u64.
type SHMRail struct {
	Boot       [16]byte // /proc/sys/kernel/random/boot_id, random(4)
	Dev, Inode uint64   // of /proc/thread-self/ns/net, namespaces(7)
}

// SHMRailSize is the size of a SHMRail, bytes.
const SHMRailSize = 32

// Append appends the rail's SHMRailSize bytes.
func (r *SHMRail) Append(b []byte) []byte {
	b = append(b, r.Boot[:]...)
	b = binary.LittleEndian.AppendUint64(b, r.Dev)
	return binary.LittleEndian.AppendUint64(b, r.Inode)
}

// ParseSHMRail reads a rail's description.
func ParseSHMRail(b []byte) (SHMRail, error) {
	if len(b) != SHMRailSize {
		return SHMRail{}, fmt.Errorf("shm rail of %d bytes: %w", len(b), ErrMalformed)
	}
	r := SHMRail{Dev: binary.LittleEndian.Uint64(b[16:]), Inode: binary.LittleEndian.Uint64(b[24:])}
	copy(r.Boot[:], b)
	return r, nil
}

// SHMOffer is what a responder of shm offers: a nonce for the proofs, and the name of
// its socket. Layout: nonce, name.
type SHMOffer struct {
	Nonce [16]byte
	Name  [16]byte // of a socket in the abstract namespace, unix(7), in hex
}

// SHMOfferSize is the size of a SHMOffer, bytes.
const SHMOfferSize = 32

// Append appends the offer's SHMOfferSize bytes.
func (o *SHMOffer) Append(b []byte) []byte {
	b = append(b, o.Nonce[:]...)
	return append(b, o.Name[:]...)
}

// ParseSHMOffer reads an offer.
func ParseSHMOffer(b []byte) (SHMOffer, error) {
	var o SHMOffer
	if len(b) != SHMOfferSize {
		return o, fmt.Errorf("shm offer of %d bytes: %w", len(b), ErrMalformed)
	}
	copy(o.Name[:], b[copy(o.Nonce[:], b):])
	return o, nil
}
