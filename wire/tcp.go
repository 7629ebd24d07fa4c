package wire

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Join is the Hello of a stream over TCP, both ways, JoinSize bytes: session,
// stream u32, epoch u32, slots u32, slot size u32, proof.
type Join struct {
	Session         [16]byte
	Stream, Epoch   uint32
	Slots, SlotSize uint32
	Proof           [32]byte
}

// JoinSize is the size of a Join in bytes.
const JoinSize = 64

// Append appends the Join's JoinSize bytes.
func (j *Join) Append(b []byte) []byte {
	b = append(b, j.Session[:]...)
	for _, v := range []uint32{j.Stream, j.Epoch, j.Slots, j.SlotSize} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return append(b, j.Proof[:]...)
}

// ParseJoin reads a Join.
func ParseJoin(b []byte) (Join, error) {
	if len(b) != JoinSize {
		return Join{}, fmt.Errorf("join of %d bytes: %w", len(b), ErrMalformed)
	}
	le := binary.LittleEndian
	j := Join{Stream: le.Uint32(b[16:]), Epoch: le.Uint32(b[20:]), Slots: le.Uint32(b[24:]), SlotSize: le.Uint32(b[28:])}
	copy(j.Session[:], b)
	copy(j.Proof[:], b[32:])
	return j, nil
}

// Bounds of what TCP puts into offers and rails: both stay well under the 1024
// bytes that the seam gives them.
const (
	MaxTCPAddrs    = 32 // addresses in an offer
	MaxTCPPrefixes = 16 // prefixes of a rail
)

// TCPOffer is what a TCP endpoint offers: a nonce for the proofs and where it
// can be dialled. Layout: nonce, u8 count, per address u8 length (4, 16), bytes, port u16.
type TCPOffer struct {
	Nonce [16]byte
	Addrs []netip.AddrPort // at most MaxTCPAddrs; no zones
}

// Append appends the offer.
func (o *TCPOffer) Append(b []byte) []byte {
	b = append(b, o.Nonce[:]...)
	addrs := o.Addrs[:min(len(o.Addrs), MaxTCPAddrs)]
	b = append(b, byte(len(addrs)))
	for _, a := range addrs {
		b = appendAddr(b, a.Addr())
		b = binary.LittleEndian.AppendUint16(b, a.Port())
	}
	return b
}

// ParseTCPOffer reads an offer.
func ParseTCPOffer(b []byte) (TCPOffer, error) {
	var o TCPOffer
	if len(b) < len(o.Nonce)+1 {
		return o, fmt.Errorf("tcp offer of %d bytes: %w", len(b), ErrMalformed)
	}
	b = b[copy(o.Nonce[:], b):]
	n, b := int(b[0]), b[1:]
	if n > MaxTCPAddrs {
		return o, fmt.Errorf("tcp offer with %d addresses: %w", n, ErrMalformed)
	}
	for range n {
		addr, rest, err := parseAddr(b)
		if err != nil {
			return o, fmt.Errorf("tcp offer: %w", err)
		}
		if len(rest) < 2 {
			return o, fmt.Errorf("tcp offer ends early: %w", ErrMalformed)
		}
		o.Addrs = append(o.Addrs, netip.AddrPortFrom(addr, binary.LittleEndian.Uint16(rest)))
		b = rest[2:]
	}
	if len(b) != 0 {
		return o, fmt.Errorf("tcp offer with %d bytes too many: %w", len(b), ErrMalformed)
	}
	return o, nil
}

// TCPRail is what a TCP rail tells of itself: the addresses of its interface
// with their prefixes. Layout: u8 count, per prefix u8 length, bytes, bits u8.
type TCPRail struct {
	Prefixes []netip.Prefix // at most MaxTCPPrefixes; no zones
}

// Append appends the rail's description.
func (r *TCPRail) Append(b []byte) []byte {
	list := r.Prefixes[:min(len(r.Prefixes), MaxTCPPrefixes)]
	b = append(b, byte(len(list)))
	for _, p := range list {
		b = appendAddr(b, p.Addr())
		b = append(b, byte(p.Bits()))
	}
	return b
}

// ParseTCPRail reads a rail's description.
func ParseTCPRail(b []byte) (TCPRail, error) {
	var r TCPRail
	if len(b) < 1 || b[0] > MaxTCPPrefixes {
		return r, fmt.Errorf("tcp rail %x: %w", b[:min(len(b), 1)], ErrMalformed)
	}
	n, b := int(b[0]), b[1:]
	for range n {
		addr, rest, err := parseAddr(b)
		if err != nil {
			return r, fmt.Errorf("tcp rail: %w", err)
		}
		if len(rest) < 1 || int(rest[0]) > addr.BitLen() {
			return r, fmt.Errorf("tcp rail: prefix of %v: %w", addr, ErrMalformed)
		}
		r.Prefixes = append(r.Prefixes, netip.PrefixFrom(addr, int(rest[0])))
		b = rest[1:]
	}
	if len(b) != 0 {
		return r, fmt.Errorf("tcp rail with %d bytes too many: %w", len(b), ErrMalformed)
	}
	return r, nil
}

func appendAddr(b []byte, a netip.Addr) []byte {
	raw := a.Unmap().WithZone("").AsSlice()
	return append(append(b, byte(len(raw))), raw...)
}

// parseAddr reads a length and an address.
func parseAddr(b []byte) (netip.Addr, []byte, error) {
	if len(b) < 1 || len(b)-1 < int(b[0]) {
		return netip.Addr{}, nil, fmt.Errorf("address ends early: %w", ErrMalformed)
	}
	n := int(b[0])
	a, ok := netip.AddrFromSlice(b[1 : 1+n])
	if !ok || a.Is4In6() {
		return netip.Addr{}, nil, fmt.Errorf("address of %d bytes: %w", n, ErrMalformed)
	}
	return a, b[1+n:], nil
}
