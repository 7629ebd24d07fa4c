package ibv

// named makes GIDs of sysfs's rows. Its word for a RoCE v1 GID is the same as
// for one of InfiniBand: the link layer tells.
func named(rows []gidEntry, ethernet bool) []GID {
	var all []GID
	for _, r := range rows {
		g := GID{Index: r.index, GID: r.gid, Netdev: r.netdev}
		switch {
		case r.kind == "RoCE v2":
			g.Type = GIDRoCEv2
		case ethernet:
			g.Type = GIDRoCEv1
		}
		all = append(all, g)
	}
	return all
}
