package verbs

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"scp_rdma/transport"
	"scp_rdma/wire"
)

// maxCandidates bounds the ways to try for one local rail.
const maxCandidates = 8

// choice is what Pair has decided, as RailPair.Info: u8 type of GID, own GID,
// peer's GID.
type choice struct {
	kind       uint8
	mine, peer [16]byte
}

func (c choice) append(b []byte) []byte {
	return append(append(append(b, c.kind), c.mine[:]...), c.peer[:]...)
}

func parseChoice(b []byte) (choice, error) {
	if len(b) != 33 {
		return choice{}, fmt.Errorf("a pair of verbs with %d bytes: %w", len(b), transport.ErrProtocol)
	}
	return choice{kind: b[0], mine: [16]byte(b[1:]), peer: [16]byte(b[17:])}, nil
}

// How far an address of the peer is; less is better.
const (
	self     = iota // the rail's own: both ends are on this host
	near            // in the network of the rail
	away            // of the same kind, perhaps behind a router
	besides         // of another rail of this host: not every device finds the way
	farthest        // link-local, and not the only hope
)

// Pair implements transport.Transport: rails of one link layer, by GIDs of one
// type and family.
func (t *Transport) Pair(local, peer []transport.Rail, _ transport.Path) ([]transport.RailPair, error) {
	mine, err := parseRails(local)
	if err != nil {
		return nil, fmt.Errorf("pair: %w", err)
	}
	theirs, err := parseRails(peer)
	if err != nil {
		return nil, fmt.Errorf("pair: peer: %w: %w", transport.ErrProtocol, err)
	}
	var pairs []transport.RailPair
	for i := range mine {
		for _, w := range ways(mine, theirs, i) {
			pairs = append(pairs, transport.RailPair{Local: local[i], Peer: peer[w.rail], Info: w.append(nil)})
		}
	}
	if len(pairs) == 0 {
		return nil, fmt.Errorf("pair: no rails of one link layer with GIDs of one type: %w", transport.ErrUnavailable)
	}
	return pairs, nil
}

func parseRails(rails []transport.Rail) ([]wire.VerbsRail, error) {
	list := make([]wire.VerbsRail, len(rails))
	for i, r := range rails {
		var err error
		if list[i], err = wire.ParseVerbsRail(r.Info); err != nil {
			return nil, fmt.Errorf("rail %q: %w", r.Name, err)
		}
	}
	return list, nil
}

// way is one way from a local rail to one of the peer's.
type way struct {
	choice
	rail int // of the peer
	far  int
	rank int // of the own GID: its place in the rail's list
	turn int // so that local rails that see the same rails don't all take the first
}

// ways ranks, for local rail i, the ways to each rail of the peer: the best GID
// pair of each.
func ways(mine, theirs []wire.VerbsRail, i int) []way {
	var list []way
	for j, r := range theirs {
		if w, ok := best(mine, i, r); ok {
			w.rail = j
			w.turn = (j - i + 2*len(theirs)*len(mine)) % len(theirs)
			list = append(list, w)
		}
	}
	slices.SortStableFunc(list, func(a, b way) int {
		return cmp.Or(cmp.Compare(a.far, b.far), cmp.Compare(a.rank, b.rank), cmp.Compare(a.turn, b.turn))
	})
	return list[:min(len(list), maxCandidates)]
}

// best finds the best pair of GIDs of local rail i and one of the peer's.
func best(mine []wire.VerbsRail, i int, r wire.VerbsRail) (way, bool) {
	found, ok := way{}, false
	for rank, g := range mine[i].GIDs {
		for _, p := range r.GIDs {
			if mine[i].Link != r.Link || g.Type != p.Type || g.Is4() != p.Is4() || linkLocal(g) != linkLocal(p) {
				continue
			}
			w := way{choice: choice{g.Type, g.GID, p.GID}, far: distance(mine, i, g, p), rank: rank}
			if !ok || w.far < found.far || w.far == found.far && w.rank < found.rank {
				found, ok = w, true
			}
		}
	}
	return found, ok
}

func linkLocal(g wire.VerbsGID) bool {
	return g.Type != wire.VerbsGIDIB && netip.AddrFrom16(g.GID).IsLinkLocalUnicast()
}

// distance says how far the peer's GID p is from our g.
func distance(mine []wire.VerbsRail, i int, g, p wire.VerbsGID) int {
	switch {
	case hasGID(mine[i], p.Type, p.GID):
		return self
	case linkLocal(g):
		return farthest
	case slices.ContainsFunc(mine, func(m wire.VerbsRail) bool { return hasGID(m, p.Type, p.GID) }):
		return besides
	case netip.PrefixFrom(netip.AddrFrom16(g.GID), int(g.Bits)).Contains(netip.AddrFrom16(p.GID)):
		return near
	}
	return away
}
