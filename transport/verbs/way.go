package verbs

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"scp_rdma/transport"
	"scp_rdma/transport/verbs/internal/nic"
	"scp_rdma/wire"
)

// hopLimit is as IP's: a routed RoCE v2 network is crossed.
const hopLimit = 64

// trafficClass is that of packets from a port.
func (t *Transport) trafficClass(p nic.Port) uint8 {
	if t.cfg.TrafficClass != nil {
		return *t.cfg.TrafficClass
	}
	return p.TrafficClass
}

// immediate says whether frames may come with immediate data over a device.
func (t *Transport) immediate(d nic.DeviceAttr) bool { return t.cfg.Notice == NoticeImm && !d.IWARP }

// level says whether a port has the service level that the user wants.
func (t *Transport) level(p nic.Port, iwarp bool) error {
	if n := t.cfg.ServiceLevel; n > 7 && p.Ethernet && !iwarp {
		return fmt.Errorf("--sl %d: RoCE has it as a priority of 0 to 7: %w", n, transport.ErrUnavailable)
	}
	return nil
}

// pkey is the row of a port's P_Key table to use. Ethernet has one key and no choice.
func (t *Transport) pkey(p nic.Port) (int, error) {
	want := t.cfg.PKey
	if p.Ethernet || want == nil {
		return max(0, slices.IndexFunc(p.PKeys, func(k uint16) bool { return k != 0 })), nil
	}
	row := want.Row
	if want.Key != 0 {
		row = slices.IndexFunc(p.PKeys, func(k uint16) bool { return k != 0 && k&0x7fff == want.Key&0x7fff })
	}
	if row >= 0 && row < len(p.PKeys) && p.PKeys[row] != 0 {
		return row, nil
	}
	var there []string
	for i, k := range p.PKeys {
		if k != 0 {
			there = append(there, fmt.Sprintf("0x%04x in row %d", k, i))
		}
	}
	name := fmt.Sprintf("0x%04x", want.Key)
	if want.Key == 0 {
		name = fmt.Sprint(want.Row)
	}
	return 0, fmt.Errorf("--pkey %s: port %d has %s: have the subnet manager make it a member of the partition: %w",
		name, p.Number, cmp.Or(strings.Join(there, ", "), "no P_Key"), transport.ErrUnavailable)
}

// way is the path to the peer. A responder goes from the address that the
// initiator has chosen, which must be one of the rail's. The link's mu is held.
func (e *endpoint) way(o wire.VerbsOffer) (nic.Peer, error) {
	l := e.l
	kind, mine, peer := e.offer.GIDType, e.offer.GID, e.offer.Peer
	if !l.req.Initiator {
		kind, mine, peer = o.GIDType, o.Peer, o.GID
		if !hasGID(e.rail, kind, mine) {
			return nic.Peer{}, fmt.Errorf("GID %x of type %d is none of the rail's: %w", mine, kind, transport.ErrProtocol)
		}
	}
	if o.Link != e.rail.Link {
		return nic.Peer{}, fmt.Errorf("link layer %d of the peer, %d here: %w", o.Link, e.rail.Link, transport.ErrProtocol)
	}
	row, ok := rowOf(l.port, kind, mine)
	if !ok {
		return nic.Peer{}, fmt.Errorf("GID %v (%v) has left port %d: %w", netip.AddrFrom16(mine), nic.GIDType(kind-1), l.port.Number, transport.ErrUnavailable)
	}
	l.kind, l.gid = kind, mine
	p := nic.Peer{
		Port: l.port.Number, GIDIndex: row, GID: peer, LID: o.LID, PathBits: l.pathBits(), QPN: o.QPN, PSN: o.PSN, Global: true,
		SL: l.d.t.cfg.ServiceLevel, TrafficClass: l.d.t.trafficClass(l.port), FlowLabel: flowLabel(l.req),
		PathMTU: min(l.port.ActiveMTU, int(o.MTU)), HopLimit: hopLimit, MinRNR: minRNR, ReadDepth: readDepth,
	}
	if e.rail.Link != wire.VerbsIB || kind != wire.VerbsGIDIB {
		return p, nil
	}
	return e.onIB(p, mine)
}

// onIB is a way on InfiniBand: by LID within a subnet. What has the LID of others too
// is told apart by a GRH, on either side, and a router needs one.
func (e *endpoint) onIB(p nic.Peer, mine [16]byte) (nic.Peer, error) {
	peer, err := wire.ParseVerbsRail(e.l.req.Pair.Peer.Info)
	if err != nil {
		return nic.Peer{}, fmt.Errorf("the peer's rail: %w: %w", transport.ErrProtocol, err)
	}
	if sameSubnet(mine, p.GID) {
		p.Global = e.rail.NeedsGRH || peer.NeedsGRH
		return p, nil
	}
	if p.LID = flid(p.GID); p.LID == 0 {
		return nic.Peer{}, fmt.Errorf("the peer is in another subnet (GID prefix %x, here %x), and its GID doesn't name the router's LID: --connect cm, which asks the subnet manager for the way: %w",
			p.GID[:8], mine[:8], transport.ErrUnavailable)
	}
	return p, nil
}

// sameSubnet says whether two GIDs of InfiniBand are of one subnet: their prefixes are
// the same, but for what names a router in them.
func sameSubnet(a, b [16]byte) bool {
	if flid(a) != 0 && flid(b) != 0 {
		a[4], a[5], b[4], b[5] = 0, 0, 0, 0
	}
	return [8]byte(a[:8]) == [8]byte(b[:8])
}

// flid is the LID by which a GID is reached from other subnets: a site-local prefix
// (fec0::/10) of a subnet manager that routes has it in bits 32 to 47, and the subnet
// in the 16 after them (as NCCL and UCX read it). 0: it names none.
func flid(gid [16]byte) uint16 {
	if gid[0] != 0xfe || gid[1]&0xc0 != 0xc0 {
		return 0
	}
	return uint16(gid[4])<<8 | uint16(gid[5])
}

// pathBits is which of its port's LIDs a stream comes from and is sent to: the subnet
// manager routes each its own way, so streams take different ones.
func (l *link) pathBits() uint8 {
	return uint8(l.req.Stream & (1<<l.port.LMC - 1))
}

// flowLabel is that of a stream's packets. Of RoCE v2 it makes the UDP source port, by
// which switches and bonds choose a way: 0xc000 and its low 14 bits, folded with the
// upper ones (rdma_flow_label_to_udp_sport; mlx5 since Linux 5.8, rxe and irdma since
// 5.18; 0 would leave it to the product of the QPNs). Streams of one session have
// neighbours, so that no two share a way that has room for both, and one that is made
// anew leaves the way of the old. A bond of mlx5 sends QPs over its ports in turn.
func flowLabel(req transport.OpenRequest) uint32 {
	first := uint32(req.Session[0])<<8 | uint32(req.Session[1])
	return 1<<14 | (first+req.Stream+64*req.Epoch)&0x3fff // a session has 64 streams at most
}
