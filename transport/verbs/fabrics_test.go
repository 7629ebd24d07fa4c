package verbs

import (
	"net/netip"

	"scp_rdma/transport/verbs/internal/nic"
	"scp_rdma/transport/verbs/internal/softnic"
)

// roce is a port with a RoCE v2 row for each address, as its card has them.
func roce(addrs ...string) softnic.Spec {
	s := softnic.Spec{Name: "mlx5_0", MaxInline: 512, MaxSGE: 32, MaxQPWR: 1 << 15, MaxCQE: 1 << 20, MTU: 4096, Ports: 1}
	for i, a := range addrs {
		s.GIDs = append(s.GIDs, gid(i, nic.GIDRoCEv2, a))
	}
	return s
}

// ib is a port of InfiniBand with a LID, and a row for each GID.
func ib(lid uint16, gids ...string) softnic.Spec {
	s := roce()
	s.IB, s.LID = true, lid
	for i, g := range gids {
		s.GIDs = append(s.GIDs, gid(i, nic.GIDIB, g))
	}
	return s
}

func gid(index int, kind nic.GIDType, addr string) nic.GID {
	return nic.GID{Index: index, Type: kind, GID: netip.MustParseAddr(addr).As16(), Netdev: "eth0"}
}

// with changes a device.
func with(s softnic.Spec, change func(*softnic.Spec)) softnic.Spec {
	change(&s)
	return s
}

// onVLAN is a card with a VLAN on it. mlx5 has a row of each version for each address.
func onVLAN(link, plain, tagged string) softnic.Spec {
	return with(roce(), func(s *softnic.Spec) {
		s.GIDs = []nic.GID{
			gid(0, nic.GIDRoCEv1, link), gid(1, nic.GIDRoCEv2, link),
			gid(2, nic.GIDRoCEv1, plain), gid(3, nic.GIDRoCEv2, plain),
			gid(4, nic.GIDRoCEv1, tagged), gid(5, nic.GIDRoCEv2, tagged),
		}
		s.GIDs[4].Netdev, s.GIDs[5].Netdev = "eth0.100", "eth0.100"
	})
}

// fabrics are the cases.
func fabrics() []fabric {
	virtual := func(s *softnic.Spec) { s.VF = true }
	class := func(n uint8) func(*Config) { return func(c *Config) { c.TrafficClass = &n } }
	return []fabric{
		{name: "InfiniBand in one subnet: LIDs, no GRH", mine: ib(5, "fe80::5"), theirs: ib(9, "fe80::9")},
		{name: "InfiniBand across subnets: a GRH, and the LID of the router, which the peer's GID names",
			mine: ib(5, "fec0::3:1:0:0:0:5"), theirs: ib(5, "fec0::7:2:0:0:0:9")},
		{name: "InfiniBand in one subnet of a fabric that routes: LIDs",
			mine: ib(5, "fec0::3:1:0:0:0:5"), theirs: ib(9, "fec0::7:1:0:0:0:9")},
		{name: "InfiniBand across subnets, and no GID names the router", mine: ib(5, "fec0:0:0:1::5"), theirs: ib(5, "fec0:0:0:2::9")},
		{name: "InfiniBand with 4 LIDs (LMC 2) here and 2 there: streams take different ones",
			mine:   with(ib(8, "fe80::5"), func(s *softnic.Spec) { s.LMC = 2 }),
			theirs: with(ib(12, "fe80::9"), func(s *softnic.Spec) { s.LMC = 1 }), streams: 4},
		{name: "InfiniBand with a service level and a partition, by its key here, by the row there",
			mine:   with(ib(5, "fe80::5"), func(s *softnic.Spec) { s.PKeys = []uint16{0x7fff, 0, 0x8001} }),
			theirs: with(ib(9, "fe80::9"), func(s *softnic.Spec) { s.PKeys = []uint16{0xffff, 0x0001} }),
			tune:   func(c *Config) { c.ServiceLevel, c.PKey = 3, &PKey{Key: 0x8001} }, tunes: func(c *Config) { c.PKey = &PKey{Row: 1} }},
		{name: "InfiniBand, a partition that the port is not in",
			mine:   with(ib(5, "fe80::5"), func(s *softnic.Spec) { s.PKeys = []uint16{0xffff, 0, 0x8001} }),
			theirs: ib(9, "fe80::9"), tune: func(c *Config) { c.PKey = &PKey{Key: 0x8005} }},
		{name: "InfiniBand, a row of the table that is empty",
			mine:   with(ib(5, "fe80::5"), func(s *softnic.Spec) { s.PKeys = []uint16{0xffff, 0, 0x8001} }),
			theirs: ib(9, "fe80::9"), tune: func(c *Config) { c.PKey = &PKey{Row: 1} }},
		{name: "InfiniBand, the first row of the table is empty",
			mine:   with(ib(5, "fe80::5"), func(s *softnic.Spec) { s.PKeys = []uint16{0, 0x8001} }),
			theirs: with(ib(9, "fe80::9"), func(s *softnic.Spec) { s.PKeys = []uint16{0x8001} })},
		{name: "InfiniBand where a virtual function shares the LID of its host: a GRH both ways",
			mine: ib(5, "fe80::5"), theirs: with(ib(5, "fe80::9"), func(s *softnic.Spec) { s.VF, s.NeedsGRH = true, true })},
		{name: "InfiniBand, a virtual function without GUIDs", mine: with(ib(5, "fe80::"), virtual), theirs: ib(9, "fe80::9")},
		{name: "RoCE v2 over IPv4", mine: roce("fe80::1", "::ffff:192.0.2.1"), theirs: roce("fe80::2", "::ffff:192.0.2.2")},
		{name: "RoCE v2 over IPv6", mine: roce("fe80::1", "2001:db8::1"), theirs: roce("fe80::2", "2001:db8::2")},
		{name: "RoCE v2 over IPv6, where only one side has IPv4 too", mine: roce("fe80::1", "2001:db8::1", "::ffff:192.0.2.1"), theirs: roce("fe80::2", "2001:db8::2")},
		{name: "RoCE v1, and nothing else",
			mine: with(roce(), func(s *softnic.Spec) {
				s.GIDs = []nic.GID{gid(0, nic.GIDRoCEv1, "fe80::1"), gid(2, nic.GIDRoCEv1, "::ffff:192.0.2.1")}
			}),
			theirs: with(roce(), func(s *softnic.Spec) { s.GIDs = []nic.GID{gid(4, nic.GIDRoCEv1, "::ffff:192.0.2.2")} })},
		{name: "a VLAN, when the plain network of the two is another", mine: onVLAN("fe80::1", "::ffff:192.0.2.1", "::ffff:198.51.100.1"), theirs: onVLAN("fe80::2", "::ffff:203.0.113.2", "::ffff:198.51.100.2")},
		{name: "a VLAN, when both have the plain network too", mine: onVLAN("fe80::1", "::ffff:192.0.2.1", "::ffff:198.51.100.1"), theirs: onVLAN("fe80::2", "::ffff:192.0.2.2", "::ffff:198.51.100.2")},
		{name: "a bond, or many ways through the fabric: streams have different UDP ports, and a stream made anew another",
			mine: roce("::ffff:192.0.2.1"), theirs: roce("::ffff:192.0.2.2"), streams: 3, again: true},
		{name: "the traffic class of the user here, of the host there",
			mine: roce("::ffff:192.0.2.1"), theirs: with(roce("::ffff:192.0.2.2"), func(s *softnic.Spec) { s.Class = 104 }), tune: class(106)},
		{name: "RoCE with a priority, and a partition, which it has none of",
			mine: roce("::ffff:192.0.2.1"), theirs: roce("::ffff:192.0.2.2"), tune: func(c *Config) { c.ServiceLevel, c.PKey = 5, &PKey{Key: 0x8001} }},
		{name: "RoCE with a priority that Ethernet has not",
			mine: roce("::ffff:192.0.2.1"), theirs: roce("::ffff:192.0.2.2"), tune: func(c *Config) { c.ServiceLevel = 8 }},
		{name: "RoCE, a virtual function whose network card is elsewhere", mine: with(roce(), virtual), theirs: roce("::ffff:192.0.2.2")},
		{name: "RoCE without an address", mine: roce(), theirs: roce("::ffff:192.0.2.2")},
	}
}
