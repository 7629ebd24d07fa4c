package main

import (
	"context"
	"net"
	"net/netip"

	"github.com/hashicorp/go-hclog"

	"scp_rdma/transport"
	"scp_rdma/transport/tcp"
)

// transportNames lists the transports of this build, most preferred first.
func transportNames() []string { return []string{"tcp"} }

// clientTransports makes the transports of a sender.
func clientTransports(ctx context.Context, o *options, host string, log hclog.Logger) (*transport.Registry, error) {
	return transport.NewRegistry(tcp.New(tcp.Config{
		Rails: unique(o.rails), Peer: resolve(ctx, o, host), Logger: log.Named("tcp"),
	})).Select(o.transport)
}

// serverTransports makes the transports of a receiver, and what takes the data
// connections that come to its port.
func serverTransports(o *options, addr netip.AddrPort, log hclog.Logger) (*transport.Registry, func(net.Conn), error) {
	t := tcp.New(tcp.Config{Port: addr.Port(), Bind: addr.Addr(), Logger: log.Named("tcp")})
	reg, err := transport.NewRegistry(t).Select(o.transport)
	return reg, t.HandleData, err
}

// resolve finds the address that HOST most likely is reached at, to name the
// default rail. What is wrong with the name is for dialling to say.
func resolve(ctx context.Context, o *options, host string) netip.AddrPort {
	if a, err := netip.ParseAddr(host); err == nil {
		return netip.AddrPortFrom(a, o.port)
	}
	family := "ip"
	switch {
	case o.ipv4:
		family = "ip4"
	case o.ipv6:
		family = "ip6"
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, family, host)
	if err != nil || len(addrs) == 0 {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(addrs[0].Unmap(), o.port)
}
