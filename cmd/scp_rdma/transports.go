package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"scp_rdma/transport"
	"scp_rdma/transport/shm"
	"scp_rdma/transport/tcp"
	"scp_rdma/transport/verbs"
)

// transportAuto lets the engine take the best transport that both sides have.
const transportAuto = "auto"

// The transports that --transport knows.
const (
	nameTCP   = "tcp"
	nameSHM   = "shm"
	nameVerbs = "verbs"
)

// transportNames lists every transport that --transport knows, most preferred last.
func transportNames() []string { return []string{nameTCP, nameSHM, nameVerbs} }

// builtIn lists the transports of this build, most preferred first.
func builtIn() []string {
	names := []string{nameTCP}
	if shm.Built {
		names = slices.Insert(names, 0, nameSHM)
	}
	if verbs.Built {
		names = slices.Insert(names, 0, nameVerbs)
	}
	return names
}

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

// clientTransports makes the transports of a sender. peer names the default rail
// of tcp, dir where files are on this host. Who names rails, or says which GID to use, means their transport and no
// other.
func clientTransports(o *options, peer netip.AddrPort, dir string, log hclog.Logger) (*transport.Registry, error) {
	devices := verbs.Host()
	named, err := sortRails(o, devices)
	if err != nil {
		return nil, err
	}
	if len(named.verbs) > 0 && len(named.tcp) > 0 {
		return nil, usagef("-d %s: %s is a rail of verbs, %s one of tcp, and a transfer goes over one of them",
			quote(strings.Join(o.rails, ",")), quote(named.verbs[0]), quote(named.tcp[0]))
	}
	var list []transport.Transport
	if verbs.Built && len(named.tcp) == 0 {
		list = append(list, verbs.New(o.verbsConfig(devices, named.verbs, dir, log)))
	}
	if shm.Built && len(named.verbs)+len(named.tcp) == 0 && !o.addressed() {
		list = append(list, shm.New(shm.Config{Timeout: o.patience(), Logger: log.Named("shm")}))
	}
	if len(named.verbs) == 0 && !o.addressed() {
		list = append(list, tcp.New(tcp.Config{Rails: named.tcp, Peer: peer, Rate: speedOf(thisHost()), Timeout: o.patience(), Logger: log.Named("tcp")}))
	}
	return transport.NewRegistry(list...).Select(o.transport)
}

// serverTransports makes the transports of a receiver, and what takes the data
// connections that come to its port. Rails of one transport that are named leave
// the other as it is: clients without RDMA still get in.
func serverTransports(o *options, addr netip.AddrPort, log hclog.Logger) (*transport.Registry, func(net.Conn), error) {
	devices := verbs.Host()
	named, err := sortRails(o, devices)
	if err != nil {
		return nil, nil, err
	}
	t := tcp.New(tcp.Config{Rails: named.tcp, Port: addr.Port(), Bind: addr.Addr(), Rate: speedOf(thisHost()), Timeout: o.patience(), Logger: log.Named("tcp")})
	list := []transport.Transport{t}
	if shm.Built {
		list = slices.Insert(list, 0, transport.Transport(shm.New(shm.Config{Timeout: o.patience(), Logger: log.Named("shm")})))
	}
	if verbs.Built {
		list = slices.Insert(list, 0, transport.Transport(verbs.New(o.verbsConfig(devices, named.verbs, o.dir, log))))
	}
	reg, err := transport.NewRegistry(list...).Select(o.transport)
	return reg, t.HandleData, err
}

// usable tries the transports. What the user has asked for by name must work;
// what else doesn't is only told: it may work when a client comes.
func usable(ctx context.Context, o *options, reg *transport.Registry) (names []string, whyNot []error, err error) {
	named := len(o.rails) > 0 || o.addressed()
	for _, t := range reg.All() {
		_, err := t.Probe(ctx)
		switch {
		case err == nil:
			names = append(names, t.Name())
		case named || o.transport == t.Name():
			return nil, nil, err
		default:
			whyNot = append(whyNot, err)
		}
	}
	return names, whyNot, nil
}

// verbsConfig is what the flags say of verbs, and the host of its devices.
func (o *options) verbsConfig(devices verbs.Provider, rails []string, dir string, log hclog.Logger) verbs.Config {
	c := verbs.Config{Devices: devices, Rails: rails, Port: o.ibPort, Timeout: o.patience(), Logger: log.Named("verbs")}
	c.Lies = whereTo(thisHost(), dir)
	c.Connect, c.CMPorts = verbs.Connect(o.connect), verbs.Ports(o.cmPorts)
	if o.gidIndex >= 0 {
		c.GID = &o.gidIndex
	}
	if o.class >= 0 {
		class := uint8(o.class) // checked to be one
		c.TrafficClass = &class
	}
	c.ServiceLevel = uint8(max(o.sl, 0)) // checked to be one
	c.PKey = o.pkey.p
	return c
}

// patience is how long transports wait for a peer: less than by themselves where
// --timeout is less. More is for control alone, which knows the frozen from the dead.
func (o *options) patience() time.Duration { return min(o.timeout, defaultTimeout) }

// addressed says that a port or GID index was given, which only verbs has.
func (o *options) addressed() bool { return o.ibPort != 0 || o.gidIndex >= 0 }

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
