package wire

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// Bounds of what verbs puts into rails and offers: both stay under the 1024
// bytes that the seam gives them.
const (
	// MaxVerbsGIDs of a rail: real ports have two per address of their card.
	MaxVerbsGIDs = 32
	// VerbsOfferSize is the size of an offer, bytes.
	VerbsOfferSize = 80
)

// Link layers of a VerbsRail (ibv_query_port(3)), and iWARP, which is on Ethernet but
// talks to its own kind only.
const (
	VerbsIB       uint8 = 1
	VerbsEthernet uint8 = 2
	VerbsIWARP    uint8 = 3
)

// Types of a VerbsGID: enum ibv_gid_type and one; and the IP address of a network
// card, by which rdma_cm finds a port.
const (
	VerbsGIDIB     uint8 = 1
	VerbsGIDRoCEv1 uint8 = 2
	VerbsGIDRoCEv2 uint8 = 3
	VerbsGIDIP     uint8 = 4
)

// VerbsGID is an address of a rail. Index is its row in the table of its port;
// Bits the length of its network's prefix within the 128 bits.
type VerbsGID struct {
	GID   [16]byte
	Type  uint8
	Index uint8
	Bits  uint8
}

// Is4 says whether the GID is an IPv4 address (::ffff:a.b.c.d).
func (g VerbsGID) Is4() bool { return [12]byte(g.GID[:12]) == [12]byte{10: 0xff, 11: 0xff} }

// VerbsRail is what a rail of verbs tells of itself. Layout: u8 link, u8 port,
// u16 active MTU in bytes, u16 LID, u8 flags (1: needs a GRH), u8 count, per GID 16
// bytes, u8 type, u8 index, u8 bits.
type VerbsRail struct {
	Link     uint8
	Port     uint8
	MTU      uint16 // bytes: 256 to 4096
	LID      uint16
	NeedsGRH bool       // on InfiniBand: its LID alone doesn't find it
	GIDs     []VerbsGID // at most MaxVerbsGIDs, best first
}

const (
	verbsRailHead = 8
	verbsGIDSize  = 19
)

// ValidVerbsMTU says whether n is one of the MTUs that verbs know, in bytes.
func ValidVerbsMTU(n uint16) bool { return n >= 256 && n <= 4096 && bits.OnesCount16(n) == 1 }

// Append appends the rail's description.
func (r *VerbsRail) Append(b []byte) []byte {
	list := r.GIDs[:min(len(r.GIDs), MaxVerbsGIDs)]
	b = append(b, r.Link, r.Port)
	b = binary.LittleEndian.AppendUint16(b, r.MTU)
	b = binary.LittleEndian.AppendUint16(b, r.LID)
	var flags uint8
	if r.NeedsGRH {
		flags = 1
	}
	b = append(b, flags, byte(len(list)))
	for _, g := range list {
		b = append(append(b, g.GID[:]...), g.Type, g.Index, g.Bits)
	}
	return b
}

// ParseVerbsRail reads a rail's description.
func ParseVerbsRail(b []byte) (VerbsRail, error) {
	if len(b) < verbsRailHead || b[7] > MaxVerbsGIDs || len(b) != verbsRailHead+int(b[7])*verbsGIDSize {
		return VerbsRail{}, fmt.Errorf("verbs rail of %d bytes: %w", len(b), ErrMalformed)
	}
	le := binary.LittleEndian
	r := VerbsRail{Link: b[0], Port: b[1], MTU: le.Uint16(b[2:]), LID: le.Uint16(b[4:]), NeedsGRH: b[6] == 1}
	if err := first(
		check{r.Link < VerbsIB || r.Link > VerbsIWARP, "link layer"},
		check{r.Port == 0, "port"},
		check{b[6] > 1, "flags"},
		check{!ValidVerbsMTU(r.MTU), "MTU"},
	); err != nil {
		return VerbsRail{}, fmt.Errorf("verbs rail: %w: %w", err, ErrMalformed)
	}
	for b = b[verbsRailHead:]; len(b) > 0; b = b[verbsGIDSize:] {
		g := VerbsGID{GID: [16]byte(b), Type: b[16], Index: b[17], Bits: b[18]}
		if g.Type < VerbsGIDIB || g.Type > VerbsGIDIP || g.Bits > 128 || g.GID == [16]byte{} {
			return VerbsRail{}, fmt.Errorf("verbs rail: GID %x: %w", b[:verbsGIDSize], ErrMalformed)
		}
		r.GIDs = append(r.GIDs, g)
	}
	return r, nil
}

// VerbsOffer is what an endpoint of verbs offers: what the peer's QP must know,
// and where it may write. Layout: u8 link, u8 GID type, u16 path MTU, u16 LID, u16
// port of rdma_cm, u32 QPN, u32 PSN, u64 address, u32 rkey, u8 flags (1: by rdma_cm, 2: takes
// immediate data), 3 bytes zero, GID, peer's GID, nonce.
type VerbsOffer struct {
	Link    uint8
	GIDType uint8  // the type of both GIDs; 0 while a responder has not seen the initiator's offer
	MTU     uint16 // active, bytes
	LID     uint16
	QPN     uint32   // 24 bits
	PSN     uint32   // 24 bits, the first that this side sends
	Addr    uint64   // of the first slot; 0 from a sender
	RKey    uint32   // 0 from a sender
	CM      bool     // the QPs are connected by rdma_cm, and not by what is said here
	Imm     bool     // frames may come as one WRITE with immediate data (VerbsImm)
	Port    uint16   // where a responder takes requests of rdma_cm; else 0
	GID     [16]byte // own; zero from a responder, whose GIDs are its rail's, but for where it takes requests
	Peer    [16]byte // the peer's, as the initiator chose it; zero from a responder
	Nonce   [16]byte
}

// Append appends the offer's VerbsOfferSize bytes.
func (o *VerbsOffer) Append(b []byte) []byte {
	le := binary.LittleEndian
	b = append(b, o.Link, o.GIDType)
	b = le.AppendUint16(b, o.MTU)
	b = le.AppendUint16(b, o.LID)
	b = le.AppendUint16(b, o.Port)
	b = le.AppendUint32(b, o.QPN)
	b = le.AppendUint32(b, o.PSN)
	b = le.AppendUint64(b, o.Addr)
	b = le.AppendUint32(b, o.RKey)
	var flags uint32
	if o.CM {
		flags |= 1
	}
	if o.Imm {
		flags |= 2
	}
	b = le.AppendUint32(b, flags)
	b = append(b, o.GID[:]...)
	b = append(b, o.Peer[:]...)
	return append(b, o.Nonce[:]...)
}

// ParseVerbsOffer reads an offer.
func ParseVerbsOffer(b []byte) (VerbsOffer, error) {
	if len(b) != VerbsOfferSize {
		return VerbsOffer{}, fmt.Errorf("verbs offer of %d bytes: %w", len(b), ErrMalformed)
	}
	le := binary.LittleEndian
	o := VerbsOffer{
		Link: b[0], GIDType: b[1], MTU: le.Uint16(b[2:]), LID: le.Uint16(b[4:]), QPN: le.Uint32(b[8:]), PSN: le.Uint32(b[12:]),
		Addr: le.Uint64(b[16:]), RKey: le.Uint32(b[24:]), CM: b[28]&1 != 0, Imm: b[28]&2 != 0, Port: le.Uint16(b[6:]), GID: [16]byte(b[32:]), Peer: [16]byte(b[48:]), Nonce: [16]byte(b[64:]),
	}
	if err := first(
		check{o.Link < VerbsIB || o.Link > VerbsIWARP, "link layer"},
		check{o.GIDType > VerbsGIDIP, "type of GID"},
		check{!ValidVerbsMTU(o.MTU), "MTU"},
		check{o.QPN >= 1<<24 || o.PSN >= 1<<24, "number of more than 24 bits"},
		check{o.Port != 0 && !o.CM, "port of rdma_cm without it"},
		check{b[28] > 3 || le.Uint32(b[28:])>>8 != 0, "bytes that should be zero"},
	); err != nil {
		return VerbsOffer{}, fmt.Errorf("verbs offer: %w: %w", err, ErrMalformed)
	}
	return o, nil
}

// VerbsImm is the immediate data of a WRITE that brings a frame and stands for its data
// CDC, where both offers say so: the slot in the upper 16 bits, the head's length in the
// lower. It goes in network byte order (ibv_post_send(3)). The length of all comes with
// the completion, and the frame is the next one.
func VerbsImm(slot uint32, head int) uint32 { return slot<<16 | uint32(head)&0xffff }

// ImmCDC is the data CDC that immediate data stand for, of a WRITE of n bytes: whether it
// fits what was granted, and slots, is for the ledger and the slot to say.
func ImmCDC(imm, n uint32, epoch uint32, frame uint64) (CDC, error) {
	c := CDC{Kind: CDCData, Epoch: epoch, Frame: frame, Slot: imm >> 16, HeadLen: imm & 0xffff}
	if c.HeadLen > n {
		return CDC{}, fmt.Errorf("immediate data %#x with %d bytes: %w", imm, n, ErrMalformed)
	}
	c.DataLen = n - c.HeadLen
	return c, nil
}
