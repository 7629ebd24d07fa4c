package ibv

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"scp_rdma/transport/verbs/internal/nic"
)

func addrs(list ...string) []netip.Addr {
	var all []netip.Addr
	for _, a := range list {
		all = append(all, netip.MustParseAddr(a))
	}
	return all
}

func TestAPortHasTheAddressesOfItsCards(t *testing.T) {
	ipoib := []byte{0, 0, 1, 2, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 7, 7, 7, 7, 7, 7, 7, 7}
	all := []card{
		{"lo", nil, addrs("127.0.0.1", "::1")},
		{"eth0", []byte{2, 0, 0, 0, 0, 1}, addrs("fe80::1", "2001:db8::1", "10.0.0.1")},
		{"eth0.5", []byte{2, 0, 0, 0, 0, 1}, addrs("10.5.0.1")}, // a VLAN has its card's
		{"eth1", []byte{2, 0, 0, 0, 0, 2}, addrs("10.1.0.1")},
		{"ib0", ipoib, addrs("10.9.0.1")},
	}
	mac := nic.GID{GID: [16]byte{2, 0, 0, 0, 0, 1}}
	named := nic.GID{GID: [16]byte{9}, Netdev: "eth1"}
	ib := nic.GID{GID: [16]byte(ipoib[4:])}
	for name, tt := range map[string]struct {
		row   nic.GID
		iwarp bool
		want  []string
	}{
		"by its hardware address":    {mac, true, []string{"eth0 10.0.0.1", "eth0.5 10.5.0.1", "eth0 2001:db8::1"}},
		"by the card's name":         {named, true, []string{"eth1 10.1.0.1"}},
		"on InfiniBand":              {ib, false, []string{"ib0 10.9.0.1"}},
		"on InfiniBand without any":  {mac, false, nil},
		"a GID that is no card's":    {nic.GID{GID: [16]byte{2, 0, 0, 0, 0, 9}}, true, nil},
		"a GID of zeros is not lo's": {nic.GID{}, true, nil},
	} {
		var got []string
		for i, g := range byAddress([]nic.GID{tt.row}, tt.iwarp, all) {
			got = append(got, g.Netdev+" "+netip.AddrFrom16(g.GID).Unmap().String())
			if g.Index != i || g.Type != nic.GIDIP {
				t.Errorf("%s: %+v", name, g)
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if len(cards()) == 0 {
		t.Error("this host has no network card, not even lo")
	}
}

func TestTheCauseOfNoRDMACMIsFound(t *testing.T) {
	loaded := map[string]string{"sys/class/misc/rdma_cm/abi_version": "4"}
	with := func(path string) map[string]string {
		return map[string]string{"sys/class/misc/rdma_cm/abi_version": "4", path: ""}
	}
	for want, files := range map[string]map[string]string{
		"modprobe rdma_ucm":         {"dev/infiniband/uverbs0": ""},
		"--device=":                 loaded,
		"join the group":            with("dev/infiniband/rdma_cm/a directory won't do"),
		"the kernel's log may have": with("dev/infiniband/rdma_cm"),
	} {
		if got := tree(t, files).whyNoCM(); !strings.Contains(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
