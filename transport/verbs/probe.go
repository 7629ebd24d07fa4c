package verbs

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"scp_rdma/transport"
	"scp_rdma/transport/verbs/internal/nic"
	"scp_rdma/wire"
)

// Candidate is a port that might be a rail, or a device that couldn't be opened.
// Err is nil if it can be used, else the reason and the cure.
type Candidate struct {
	Rail   transport.Rail
	Device nic.DeviceAttr // with the name only, if it couldn't be opened
	Port   nic.Port
	GIDs   []nic.GID // those that may be used, best first: the first is the usual choice
	Err    error
}

// Candidates tries every device for real. One that is bad spoils no other.
func (t *Transport) Candidates(ctx context.Context) ([]Candidate, error) {
	if t.cfg.Devices == nil {
		return nil, fmt.Errorf("no devices: %w", transport.ErrUnavailable)
	}
	devices, err := t.cfg.Devices.Devices()
	if err != nil {
		return nil, err
	}
	networks := networks()
	var all []Candidate
	for _, d := range devices {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		all = append(all, t.device(d, networks)...)
	}
	return all, nil
}

// device makes candidates of a device's ports.
func (t *Transport) device(d nic.Listed, networks []netip.Prefix) []Candidate {
	bad := func(a nic.DeviceAttr, err error) []Candidate {
		return []Candidate{{Rail: transport.Rail{Name: d.Name}, Device: a, Err: err}}
	}
	attr := nic.DeviceAttr{Name: d.Name}
	if d.Err != nil {
		return bad(attr, d.Err)
	}
	dev, err := t.cfg.Devices.Open(d.Name)
	if err != nil {
		return bad(attr, err)
	}
	defer func() { _ = dev.Close() }() // nothing stands on it
	if attr, err = dev.Attr(); err != nil {
		return bad(nic.DeviceAttr{Name: d.Name}, err)
	}
	if err := t.connectable(attr); err != nil {
		return bad(attr, err)
	}
	if err := t.lockable(dev); err != nil {
		return bad(attr, err)
	}
	var all []Candidate
	for n := 1; n <= attr.Ports; n++ {
		c := Candidate{Rail: transport.Rail{Name: d.Name}, Device: attr}
		if attr.Ports > 1 {
			c.Rail.Name = fmt.Sprintf("%s:%d", d.Name, n)
		}
		if c.Port, c.Err = dev.Port(n); c.Err == nil {
			c.GIDs, c.Err = t.usable(c.Port, attr)
		}
		c.Port.Number = n
		if c.Err == nil {
			c.Rail.Info = railOf(c, c.GIDs, networks)
		}
		all = append(all, c)
	}
	return all
}

// connectable says whether the QPs of a device can be connected.
func (t *Transport) connectable(a nic.DeviceAttr) error {
	switch {
	case a.IWARP && t.cfg.Connect == OOB:
		return fmt.Errorf("iWARP is connected by rdma_cm only: leave out --connect oob: %w", transport.ErrUnavailable)
	case !a.IWARP && t.cfg.Connect != CM:
		return nil
	}
	if _, err := t.cfg.Devices.Connector(); err != nil {
		return fmt.Errorf("no rdma_cm to connect it by: %w", err)
	}
	return nil
}

// fits says whether QPs are connected by such an address.
func (t *Transport) fits(p nic.Port, iwarp bool, g nic.GID) bool {
	switch {
	case iwarp || t.cfg.Connect == CM && !p.Ethernet:
		return g.Type == nic.GIDIP
	case t.cfg.Connect == CM:
		return g.Type == nic.GIDRoCEv2 && !netip.AddrFrom16(g.GID).IsLinkLocalUnicast()
	case p.Ethernet:
		return g.Type == nic.GIDRoCEv1 || g.Type == nic.GIDRoCEv2
	}
	return g.Type == nic.GIDIB
}

// lockable tries whether so much memory can be registered, where the user's locked
// memory has a limit: better no rail than one that fails once streams are opened.
func (t *Transport) lockable(dev nic.Device) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil || limit.Cur == unix.RLIM_INFINITY {
		return nil // if the limit is not known, registering tells
	}
	pd, err := dev.AllocPD()
	if err != nil {
		return err
	}
	defer func() { _ = pd.Close() }() // nothing stands on it
	s, err := transport.NewHugeSlab(transport.UsualMemory)
	if err != nil {
		return err
	}
	defer s.Drop()
	mr, err := pd.RegMR(s.Bytes(), nic.AccessLocalWrite)
	if err != nil {
		return fmt.Errorf("%w: %w", err, transport.ErrUnavailable)
	}
	return mr.Close()
}

// usable are the addresses of a port, if what the user wants of it can be had.
func (t *Transport) usable(p nic.Port, d nic.DeviceAttr) ([]nic.GID, error) {
	list, err := t.usableGIDs(p, d)
	if err == nil {
		_, err = t.pkey(p)
	}
	if err == nil {
		err = t.level(p, d.IWARP)
	}
	if err != nil {
		return nil, err
	}
	return list, nil
}

// usableGIDs sorts the addresses of a port, best first, or says why it has none.
func (t *Transport) usableGIDs(p nic.Port, d nic.DeviceAttr) ([]nic.GID, error) {
	if p.State != nic.PortActive {
		return nil, fmt.Errorf("port %d is down: %s: %w", p.Number, cureDown(p, d.VF), transport.ErrUnavailable)
	}
	if !wire.ValidVerbsMTU(uint16(p.ActiveMTU)) {
		return nil, fmt.Errorf("port %d has an MTU of %d bytes: %w", p.Number, p.ActiveMTU, transport.ErrUnavailable)
	}
	list := slices.DeleteFunc(slices.Clone(p.GIDs), func(g nic.GID) bool {
		nobody := g.Type == nic.GIDIB && [8]byte(g.GID[8:]) == [8]byte{} // a GUID is missing
		return g.Index > 255 || g.GID == [16]byte{} || nobody || !t.fits(p, d.IWARP, g)
	})
	switch {
	case len(list) == 0 && (d.IWARP || t.cfg.Connect == CM):
		return nil, fmt.Errorf("port %d has no IP address, by which rdma_cm finds it: give its network card one (ip addr add): %w", p.Number, transport.ErrUnavailable)
	case len(list) == 0:
		return nil, fmt.Errorf("port %d has no GID: %s: %w", p.Number, cureNoGID(p, d.VF), transport.ErrUnavailable)
	}
	slices.SortStableFunc(list, func(a, b nic.GID) int { return cmp.Compare(rank(a), rank(b)) })
	return list[:min(len(list), wire.MaxVerbsGIDs)], nil
}

// rank orders GIDs: RoCE v2, which can be routed, before v1; IPv4, then global
// IPv6, then link-local ones, which are on every card and lead nowhere else.
func rank(g nic.GID) int {
	a := netip.AddrFrom16(g.GID)
	r := 1
	switch {
	case a.Is4In6():
		r = 0
	case a.IsLinkLocalUnicast():
		r = 2
	}
	if g.Type == nic.GIDRoCEv1 {
		r += 3
	}
	return r
}

// railOf describes a port to peers.
func railOf(c Candidate, gids []nic.GID, networks []netip.Prefix) []byte {
	p := c.Port
	r := wire.VerbsRail{Link: wire.VerbsIB, Port: uint8(p.Number), MTU: uint16(p.ActiveMTU), LID: p.LID, NeedsGRH: p.NeedsGRH}
	switch {
	case c.Device.IWARP:
		r.Link = wire.VerbsIWARP
	case p.Ethernet:
		r.Link = wire.VerbsEthernet
	}
	for _, g := range gids {
		r.GIDs = append(r.GIDs, wire.VerbsGID{GID: g.GID, Type: uint8(g.Type) + 1, Index: uint8(g.Index), Bits: prefixBits(g, networks)})
	}
	return r.Append(nil)
}

// networks are the addresses of this host's network cards, each with the length
// of its prefix; none where they can't be listed.
func networks() []netip.Prefix {
	addrs, _ := net.InterfaceAddrs() // without them, what is usual is taken
	var list []netip.Prefix
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			list = append(list, p)
		}
	}
	return list
}

// prefixBits is the length of the network's prefix that a GID is in, within 128
// bits. A card of another network namespace can't be asked: then what is usual.
func prefixBits(g nic.GID, networks []netip.Prefix) uint8 {
	a := netip.AddrFrom16(g.GID)
	for _, p := range networks {
		if p.Addr() == a.Unmap() && g.Type != nic.GIDIB {
			return uint8(p.Bits() + 128 - p.Addr().BitLen())
		}
	}
	if a.Is4In6() {
		return 96 + 24
	}
	return 64
}

func hasGID(r wire.VerbsRail, kind uint8, gid [16]byte) bool {
	return slices.ContainsFunc(r.GIDs, func(g wire.VerbsGID) bool { return g.Type == kind && g.GID == gid })
}

// rowOf finds the row of an address in a port's table as it is now.
func rowOf(p nic.Port, kind uint8, gid [16]byte) (int, bool) {
	for _, g := range p.GIDs {
		if g.GID == gid && uint8(g.Type)+1 == kind {
			return g.Index, true
		}
	}
	return 0, false
}

// Probe implements transport.Transport.
func (t *Transport) Probe(ctx context.Context) ([]transport.Rail, error) {
	all, err := t.Candidates(ctx)
	if err != nil {
		return nil, fmt.Errorf("verbs: %w", err)
	}
	names := t.cfg.Rails
	if len(names) == 0 {
		names = t.preferred(all)
	}
	var rails []transport.Rail
	var why []string
	for _, name := range names {
		r, err := t.rail(all, name)
		switch {
		case err == nil:
			rails = append(rails, r)
		case len(t.cfg.Rails) > 0:
			return nil, fmt.Errorf("verbs: rail %q: %w (there are: %s)", name, err, describe(all))
		default:
			why = append(why, fmt.Sprintf("%s: %v", name, err))
		}
	}
	switch {
	case len(rails) > 0:
		return rails, nil
	case len(why) > 0:
		return nil, fmt.Errorf("verbs: no device can be used: %s: %w", strings.Join(why, "; "), transport.ErrUnavailable)
	}
	return nil, fmt.Errorf("verbs: no RDMA devices on this host: %w", transport.ErrUnavailable)
}

// preferred are the names of all candidates: those that are near the files first, and of
// those the faster ones.
func (t *Transport) preferred(all []Candidate) []string {
	list := slices.Clone(all)
	slices.SortStableFunc(list, func(a, b Candidate) int {
		return cmp.Or(cmp.Compare(t.cfg.Lies(a.Device.Name).Far, t.cfg.Lies(b.Device.Name).Far), cmp.Compare(t.rate(b), t.rate(a)))
	})
	names := make([]string, len(list))
	for i, c := range list {
		names[i] = c.Rail.Name
	}
	return names
}

// rate is what a port carries, bit/s, or its device's way into the host if that is less;
// 0: not known.
func (t *Transport) rate(c Candidate) uint64 {
	port, way := c.Port.Speed, t.cfg.Lies(c.Device.Name).Rate
	if way > 0 && way < port {
		return way
	}
	return port
}

// rail finds the rail that a name means: device, device:port, device:port:index.
func (t *Transport) rail(all []Candidate, name string) (transport.Rail, error) {
	device, port, index, err := t.parse(name)
	if err != nil {
		return transport.Rail{}, err
	}
	i := slices.IndexFunc(all, func(c Candidate) bool {
		return c.Device.Name == device && (port == 0 || c.Port.Number == port || c.Port.Number == 0)
	})
	if i < 0 {
		return transport.Rail{}, fmt.Errorf("no such device or port: %w", transport.ErrUnavailable)
	}
	c := all[i]
	r := transport.Rail{Name: name, Info: c.Rail.Info, Rate: t.rate(c), Cores: t.cfg.Lies(device).Cores}
	if c.Err != nil || index < 0 {
		return r, c.Err
	}
	for _, g := range c.GIDs {
		if g.Index == index {
			r.Info = railOf(c, []nic.GID{g}, networks())
			return r, nil
		}
	}
	return transport.Rail{}, fmt.Errorf("no GID of index %d, there are %v: %w", index, indices(c.GIDs), transport.ErrUnavailable)
}

// parse takes a rail's name apart; what it doesn't say is taken from Config. A
// port of 0 is any, an index of -1 the best.
func (t *Transport) parse(name string) (device string, port, index int, err error) {
	port, index = t.cfg.Port, -1
	if t.cfg.GID != nil {
		index = *t.cfg.GID
	}
	part := strings.Split(name, ":")
	if len(part) > 3 || part[0] == "" {
		return "", 0, 0, fmt.Errorf("want device, device:port or device:port:GID index: %w", transport.ErrUnavailable)
	}
	for i, p := range part[1:] {
		n, err := strconv.ParseUint(p, 10, 8)
		if err != nil {
			return "", 0, 0, fmt.Errorf("%q is no number up to 255: %w", p, transport.ErrUnavailable)
		}
		if i == 0 {
			port = int(n)
		} else {
			index = int(n)
		}
	}
	return part[0], port, index, nil
}

func indices(list []nic.GID) []int {
	var all []int
	for _, g := range list {
		all = append(all, g.Index)
	}
	slices.Sort(all)
	return all
}

// describe lists candidates for people.
func describe(all []Candidate) string {
	var list []string
	for _, c := range all {
		if c.Err != nil {
			list = append(list, fmt.Sprintf("%s, which can't be used: %v", c.Rail.Name, c.Err))
		} else {
			list = append(list, fmt.Sprintf("%s with GID indices %v", c.Rail.Name, indices(c.GIDs)))
		}
	}
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, "; ")
}
