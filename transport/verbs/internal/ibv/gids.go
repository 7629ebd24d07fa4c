package ibv

import "scp_rdma/transport/verbs/internal/nic"

// named makes GIDs of sysfs's rows. Its word for a RoCE v1 GID is the same as
// for one of InfiniBand: the link layer tells.
func named(rows []gidEntry, ethernet bool) []nic.GID {
	var all []nic.GID
	for _, r := range rows {
		g := nic.GID{Index: r.index, GID: r.gid, Netdev: r.netdev}
		switch {
		case r.kind == "RoCE v2":
			g.Type = nic.GIDRoCEv2
		case ethernet:
			g.Type = nic.GIDRoCEv1
		}
		all = append(all, g)
	}
	return all
}
