package tcp

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"scp_rdma/transport"
	"scp_rdma/wire"
)

// rail makes a rail from prefixes.
func rail(name string, prefixes ...string) transport.Rail {
	var r wire.TCPRail
	for _, p := range prefixes {
		r.Prefixes = append(r.Prefixes, netip.MustParsePrefix(p))
	}
	return transport.Rail{Name: name, Info: r.Append(nil)}
}

// ways lists pairs as "local>peer address"; no address is the control path.
func ways(pairs []transport.RailPair) []string {
	var list []string
	for _, p := range pairs {
		to := "control"
		if a, ok := netip.AddrFromSlice(p.Info); ok {
			to = a.String()
		}
		list = append(list, p.Local.Name+">"+p.Peer.Name+" "+to)
	}
	return list
}

func TestPairTriesTheLikeliestFirst(t *testing.T) {
	control := transport.Path{Remote: netip.MustParseAddrPort("192.0.2.1:1777")}
	far := []transport.Rail{
		rail("mgmt", "192.0.2.1/24"), rail("p0", "10.0.0.1/24", "fd00:1::1/64"), rail("p1", "10.0.1.1/24", "fe80::1/64"),
		rail("lo", "127.0.0.1/8", "::1/128"),
	}
	tests := map[string]struct {
		cfg   Config
		local []transport.Rail
		want  []string
	}{
		"without -d only the way that control runs": {
			Config{}, []transport.Rail{rail("eth0", "10.0.0.2/24")}, []string{"eth0>mgmt control"},
		},
		"the same prefix, then the same family, then control": {
			Config{Rails: []string{"a"}}, []transport.Rail{rail("a", "10.0.1.2/24")},
			[]string{"a>p1 10.0.1.1", "a>mgmt 192.0.2.1", "a>p0 10.0.0.1", "a>mgmt control"},
		},
		"IPv6 keeps to IPv6": {
			Config{Rails: []string{"a"}}, []transport.Rail{rail("a", "fd00:1::2/64")},
			[]string{"a>p0 fd00:1::1", "a>mgmt control"},
		},
		"two rails of one network start at different addresses": {
			Config{Rails: []string{"a", "b"}}, []transport.Rail{rail("a", "172.16.0.1/16"), rail("b", "172.16.0.2/16")},
			[]string{
				"a>mgmt 192.0.2.1", "a>p0 10.0.0.1", "a>p1 10.0.1.1", "a>mgmt control",
				"b>p0 10.0.0.1", "b>p1 10.0.1.1", "b>mgmt 192.0.2.1", "b>mgmt control",
			},
		},
	}
	for name, tt := range tests {
		got, err := New(tt.cfg).Pair(tt.local, far, control)
		if diff := cmp.Diff(tt.want, ways(got)); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}

func TestLoopbackIsReachedFromLoopbackOnly(t *testing.T) {
	tr := New(Config{Rails: []string{"lo"}})
	near := []transport.Rail{rail("lo", "127.0.0.1/8")}
	for control, want := range map[string][]string{
		"127.0.0.1:1": {"lo>lo 127.0.0.1", "lo>lo control"},
		"192.0.2.1:1": {"lo>lo control"},
	} {
		got, err := tr.Pair(near, near, transport.Path{Remote: netip.MustParseAddrPort(control)})
		if diff := cmp.Diff(want, ways(got)); err != nil || diff != "" {
			t.Errorf("control over %s: %v\n%s", control, err, diff)
		}
	}
}

func TestProbeNamesWhatThereIs(t *testing.T) {
	ctx := context.Background()
	_, err := New(Config{Rails: []string{"nosuch0"}}).Probe(ctx)
	if !errors.Is(err, transport.ErrUnavailable) || !strings.Contains(err.Error(), "nosuch0") || !strings.Contains(err.Error(), "lo (127.0.0.1)") {
		t.Errorf("a rail that is not there: %v", err)
	}
	_, err = New(Config{Rails: []string{"192.0.2.77"}}).Probe(ctx)
	if !errors.Is(err, transport.ErrUnavailable) {
		t.Errorf("an address of another host: %v", err)
	}
	rails, err := New(Config{Peer: netip.MustParseAddrPort("127.0.0.1:1")}).Probe(ctx)
	if err != nil || len(rails) != 1 || rails[0].Name != "lo" {
		t.Errorf("the route to loopback: %+v, %v", rails, err)
	}
	rails, err = New(Config{Bind: netip.MustParseAddr("127.0.0.1")}).Probe(ctx)
	if diff := cmp.Diff([]transport.Rail{rail("lo", "127.0.0.1/8")}, rails); err != nil || diff != "" {
		t.Errorf("a server bound to one address: %v\n%s", err, diff)
	}
}

func TestDialerBindsToTheRail(t *testing.T) {
	tests := []struct {
		rail transport.Rail
		to   string
		want string // "": no way
	}{
		{rail("eth0", "10.0.0.1/24", "10.0.1.1/24"), "10.0.1.9", "10.0.1.1:0"},
		{rail("eth0", "10.0.0.1/24"), "8.8.8.8", "10.0.0.1:0"},
		{rail("eth0", "fe80::5/64", "fd00::5/64"), "fd00:2::9", "[fd00::5]:0"},
		{rail("eth0", "fd00::5/64", "fe80::5/64"), "fe80::9%eth0", "[fe80::5%eth0]:0"},
		{rail("eth0", "10.0.0.1/24"), "fd00::9", ""},
	}
	for _, tt := range tests {
		e := &endpoint{t: New(Config{Rails: []string{"eth0"}}), req: transport.OpenRequest{Pair: transport.RailPair{Local: tt.rail}}}
		d, err := e.dialer(netip.MustParseAddr(tt.to))
		if tt.want == "" {
			if !errors.Is(err, transport.ErrUnavailable) {
				t.Errorf("to %s: %v", tt.to, err)
			}
			continue
		}
		if err != nil || d.LocalAddr.String() != tt.want {
			t.Errorf("to %s: from %v, %v, want %s", tt.to, d.LocalAddr, err, tt.want)
		}
	}
}

func TestWhereToDial(t *testing.T) {
	offer := wire.TCPOffer{Addrs: []netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:1777")}}
	control := netip.MustParseAddrPort("192.0.2.1:9999")
	for to, want := range map[string]string{
		"":          "192.0.2.1:9999", // the port that got through a NAT
		"192.0.2.1": "192.0.2.1:9999",
		"10.0.0.1":  "10.0.0.1:1777",
		"10.0.0.3":  "10.0.0.3:9999",
	} {
		e := &endpoint{req: transport.OpenRequest{Control: transport.Path{Remote: control}}}
		if to != "" {
			e.req.Pair.Info = netip.MustParseAddr(to).AsSlice()
		}
		got := e.addresses(offer)
		if len(got) != 1 || got[0].String() != want {
			t.Errorf("pair with %q: %v, want %s", to, got, want)
		}
	}
}
