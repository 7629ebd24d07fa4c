package tcp

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"scp_rdma/transport"
	"scp_rdma/wire"
)

// iface is a network interface that is up, with its addresses.
type iface struct {
	name     string
	prefixes []netip.Prefix
}

// interfaces lists those that are up and have an address.
func interfaces() ([]iface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	var list []iface
	for _, in := range all {
		if in.Flags&net.FlagUp == 0 {
			continue
		}
		addrs, err := in.Addrs()
		if err != nil {
			continue // it went away in between
		}
		f := iface{name: in.Name}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				f.prefixes = append(f.prefixes, p)
			}
		}
		if len(f.prefixes) > 0 {
			list = append(list, f)
		}
	}
	return list, nil
}

// rail is the interface as a rail.
func (t *Transport) rail(f iface, name string, only netip.Addr) transport.Rail {
	r := wire.TCPRail{Prefixes: f.prefixes}
	if only.IsValid() {
		r.Prefixes = slices.DeleteFunc(slices.Clone(f.prefixes), func(p netip.Prefix) bool { return p.Addr() != only })
	}
	return transport.Rail{Name: name, Info: r.Append(nil), Rate: t.cfg.Rate(f.name)}
}

func (f iface) has(a netip.Addr) bool {
	return slices.ContainsFunc(f.prefixes, func(p netip.Prefix) bool { return p.Addr() == a.WithZone("") })
}

// Probe implements transport.Transport.
func (t *Transport) Probe(ctx context.Context) ([]transport.Rail, error) {
	list, err := interfaces()
	if err != nil {
		return nil, fmt.Errorf("tcp: %w: %w", transport.ErrUnavailable, err)
	}
	switch {
	case len(t.cfg.Rails) > 0:
		return t.named(list)
	case t.cfg.Peer.IsValid():
		return t.route(ctx, list)
	}
	var rails []transport.Rail
	only := t.cfg.Bind
	if only.IsValid() && only.IsUnspecified() {
		only = netip.Addr{}
	}
	for _, f := range list {
		if !only.IsValid() || f.has(only) {
			rails = append(rails, t.rail(f, f.name, only))
		}
	}
	if len(rails) == 0 {
		return nil, fmt.Errorf("tcp: no interface is up with an address: %w", transport.ErrUnavailable)
	}
	return rails, nil
}

// named finds the rails that -d asked for.
func (t *Transport) named(list []iface) ([]transport.Rail, error) {
	var rails []transport.Rail
	for _, name := range t.cfg.Rails {
		addr, _ := netip.ParseAddr(name)
		i := slices.IndexFunc(list, func(f iface) bool { return f.name == name || addr.IsValid() && f.has(addr) })
		if i < 0 {
			return nil, fmt.Errorf("rail %q is no interface that is up and no address of this host (there are: %s): %w",
				name, strings.Join(names(list), ", "), transport.ErrUnavailable)
		}
		rails = append(rails, t.rail(list[i], name, addr))
	}
	return rails, nil
}

func names(list []iface) []string {
	var s []string
	for _, f := range list {
		for _, p := range f.prefixes {
			s = append(s, f.name+" ("+p.Addr().String()+")")
		}
	}
	return s
}

// route names the default rail after the interface that the kernel would use.
// Connecting a UDP socket asks the routing table and sends nothing.
func (t *Transport) route(ctx context.Context, list []iface) ([]transport.Rail, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "udp", t.cfg.Peer.String())
	if err != nil {
		return nil, fmt.Errorf("tcp: no route to %v: %w: %w", t.cfg.Peer.Addr(), transport.ErrUnavailable, err)
	}
	defer func() { _ = c.Close() }() // nothing was written
	local, _ := c.LocalAddr().(*net.UDPAddr)
	if local == nil {
		return nil, fmt.Errorf("tcp: no local address towards %v: %w", t.cfg.Peer.Addr(), transport.ErrUnavailable)
	}
	addr := local.AddrPort().Addr().Unmap()
	if i := slices.IndexFunc(list, func(f iface) bool { return f.has(addr) }); i >= 0 {
		return []transport.Rail{t.rail(list[i], list[i].name, netip.Addr{})}, nil
	}
	return []transport.Rail{{Name: addr.String(), Info: (&wire.TCPRail{}).Append(nil)}}, nil
}

// maxCandidates bounds the ways to try for one local rail.
const maxCandidates = 8

// Pair implements transport.Transport. RailPair.Info is the peer's address, or
// empty for the address that control runs over.
func (t *Transport) Pair(local, peer []transport.Rail, control transport.Path) ([]transport.RailPair, error) {
	remote := make([]wire.TCPRail, len(peer))
	at := transport.Rail{}
	for i, p := range peer {
		r, err := wire.ParseTCPRail(p.Info)
		if err != nil {
			return nil, fmt.Errorf("pair: rail %q of the peer: %w: %w", p.Name, transport.ErrProtocol, err)
		}
		remote[i] = r
		if i == 0 || slices.ContainsFunc(r.Prefixes, func(p netip.Prefix) bool { return p.Addr() == control.Remote.Addr().WithZone("") }) {
			at = p
		}
	}
	if len(local) == 0 || len(peer) == 0 {
		return nil, fmt.Errorf("pair: no rails: %w", transport.ErrUnavailable)
	}
	var pairs []transport.RailPair
	for i, l := range local {
		if len(t.cfg.Rails) > 0 {
			mine, err := wire.ParseTCPRail(l.Info)
			if err != nil {
				return nil, fmt.Errorf("pair: rail %q: %w", l.Name, err)
			}
			for _, c := range candidates(mine, remote, i, control) {
				pairs = append(pairs, transport.RailPair{Local: l, Peer: peer[c.rail], Info: c.addr.AsSlice()})
			}
		}
		pairs = append(pairs, transport.RailPair{Local: l, Peer: at})
	}
	return pairs, nil
}

// candidate is an address of the peer that a local rail may reach.
type candidate struct {
	rail int
	addr netip.Addr
	far  int // 0: same prefix, 1: same family
}

// candidates ranks the peer's addresses for one local rail: same prefix first.
// turn rotates equals, so that several local rails in one flat network spread
// over several of the peer's.
func candidates(mine wire.TCPRail, remote []wire.TCPRail, turn int, control transport.Path) []candidate {
	var list []candidate
	for i, r := range remote {
		for _, p := range r.Prefixes {
			a := p.Addr()
			if a.IsLinkLocalUnicast() || a.IsLoopback() != control.Remote.Addr().IsLoopback() && a.IsLoopback() {
				continue
			}
			if far := distance(mine, a); far >= 0 {
				list = append(list, candidate{rail: i, addr: a, far: far})
			}
		}
	}
	if n := len(list); n > 0 {
		turn %= n
		list = append(slices.Clone(list[turn:]), list[:turn]...)
	}
	slices.SortStableFunc(list, func(a, b candidate) int { return cmp.Compare(a.far, b.far) })
	return list[:min(len(list), maxCandidates)]
}

func distance(mine wire.TCPRail, a netip.Addr) int {
	best := -1
	for _, p := range mine.Prefixes {
		switch {
		case p.Contains(a):
			return 0
		case p.Addr().Is4() == a.Is4() && !p.Addr().IsLinkLocalUnicast():
			best = 1
		}
	}
	return best
}
