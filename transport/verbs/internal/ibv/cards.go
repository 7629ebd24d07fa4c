package ibv

import (
	"bytes"
	"net"
	"net/netip"
	"slices"

	"scp_rdma/transport/verbs/internal/nic"
)

// card is a network card of this host.
type card struct {
	name  string
	mac   []byte
	addrs []netip.Addr
}

// cards lists the network cards with their addresses; none where they can't be listed.
func cards() []card {
	list, _ := net.Interfaces() // without them a port has no address, which is told
	var all []card
	for _, i := range list {
		c := card{name: i.Name, mac: i.HardwareAddr}
		addrs, _ := i.Addrs() // it may have gone
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				c.addrs = append(c.addrs, p.Addr().Unmap())
			}
		}
		all = append(all, c)
	}
	return all
}

// has says whether a card is on a port with that row in its GID table. The row names
// the card; else the GID is made of its hardware address: of six bytes and zeros on
// iWARP (siw, irdma and cxgb4: query_gid), and on InfiniBand the last 16 of the 20
// bytes that IPoIB has (RFC 4391, 9.1.1).
func (c card) has(g nic.GID, iwarp bool) bool {
	switch {
	case g.Netdev != "":
		return g.Netdev == c.name
	case iwarp:
		return len(c.mac) == 6 && bytes.Equal(c.mac, g.GID[:6])
	}
	return len(c.mac) == 20 && bytes.Equal(c.mac[4:], g.GID[:])
}

// byAddress are the addresses by which rdma_cm finds a port: those of its cards,
// IPv4 first. A link-local one would need a zone as well.
func byAddress(rows []nic.GID, iwarp bool, all []card) []nic.GID {
	var found []nic.GID
	for _, four := range []bool{true, false} {
		for _, c := range all {
			on := slices.ContainsFunc(rows, func(g nic.GID) bool { return c.has(g, iwarp) })
			for _, a := range c.addrs {
				if on && a.Is4() == four && a.IsGlobalUnicast() {
					found = append(found, nic.GID{Index: len(found), GID: a.As16(), Type: nic.GIDIP, Netdev: c.name})
				}
			}
		}
	}
	return found
}
