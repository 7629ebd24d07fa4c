package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/hashicorp/go-hclog"

	"scp_rdma/transport"
	"scp_rdma/transport/tcp"
)

// transportAuto lets the engine take the best transport that both sides have.
const transportAuto = "auto"

// transportNames lists every transport that --transport knows, most preferred last.
func transportNames() []string { return []string{"tcp", "verbs"} }

// builtIn lists the transports of this build, most preferred first.
func builtIn() []string { return []string{"tcp"} }

// checkTransport tells a name that is none from one that this build lacks.
func checkTransport(name string) error {
	switch {
	case name == transportAuto || slices.Contains(builtIn(), name):
		return nil
	case slices.Contains(transportNames(), name):
		return fmt.Errorf("--transport %s: this build can't do that, it has %s: %w", name, strings.Join(builtIn(), ", "), transport.ErrUnavailable)
	}
	return usagef("--transport %s: it takes %s", quote(name), strings.Join(append([]string{transportAuto}, transportNames()...), ", "))
}

// clientTransports makes the transports of a sender. peer names the default rail.
func clientTransports(o *options, peer netip.AddrPort, log hclog.Logger) (*transport.Registry, error) {
	t := tcp.New(tcp.Config{Rails: unique(o.rails), Peer: peer, Logger: log.Named("tcp")})
	return transport.NewRegistry(t).Select(o.transport)
}

// serverTransports makes the transports of a receiver, and what takes the data
// connections that come to its port.
func serverTransports(o *options, addr netip.AddrPort, log hclog.Logger) (*transport.Registry, func(net.Conn), error) {
	t := tcp.New(tcp.Config{Port: addr.Port(), Bind: addr.Addr(), Logger: log.Named("tcp")})
	reg, err := transport.NewRegistry(t).Select(o.transport)
	return reg, t.HandleData, err
}

// resolve finds the address that HOST is reached at first: LookupNetIP sorts as
// the dialler does (RFC 6724). What is wrong with a name is for dialling to say.
func resolve(ctx context.Context, o *options, host string) netip.AddrPort {
	if a, err := netip.ParseAddr(host); err == nil {
		return netip.AddrPortFrom(a, o.port)
	}
	family := "ip" + strings.TrimPrefix(o.network(), "tcp")
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, family, host)
	if err != nil || len(addrs) == 0 {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(addrs[0].Unmap(), o.port)
}

// unique drops what stands twice.
func unique(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
