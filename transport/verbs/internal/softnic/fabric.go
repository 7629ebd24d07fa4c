package softnic

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"scp_rdma/transport"
	"scp_rdma/transport/verbs/internal/nic"
)

// Fabric joins hosts. Its zero value is ready.
type Fabric struct {
	mu    sync.Mutex
	hosts []*Host
	qps   map[uint32]*qp
	mrs   map[uint32]*mr // by key
	last  uint32         // number or key given out last
	turn  chan struct{}  // closed when a QP changed its state
	open  map[string]int // what is open, by kind
	rnr   int

	listeners map[netip.AddrPort]*listener
}

// Leaks lists what is open now, "QP (2)"; for tests.
func (f *Fabric) Leaks() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for _, kind := range slices.Sorted(maps.Keys(f.open)) {
		if n := f.open[kind]; n != 0 {
			all = append(all, fmt.Sprintf("%s (%d)", kind, n))
		}
	}
	return all
}

// RNRs is how often a SEND found no receive posted. With honest peers it stays 0.
func (f *Fabric) RNRs() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rnr
}

func (f *Fabric) count(kind string, by int) {
	if f.open == nil {
		f.open, f.qps, f.mrs, f.turn = map[string]int{}, map[uint32]*qp{}, map[uint32]*mr{}, make(chan struct{})
		f.listeners = map[netip.AddrPort]*listener{}
	}
	f.open[kind] += by
}

// number gives out numbers and keys that nobody has.
func (f *Fabric) number() uint32 {
	f.last = (f.last + 0x11) & 0xffffff
	return f.last
}

// changed wakes the QPs that wait for another.
func (f *Fabric) changed() {
	close(f.turn)
	f.turn = make(chan struct{})
}

// Spec describes a device.
type Spec struct {
	Name      string
	IWARP     bool
	IB        bool // link layer; else Ethernet
	MaxInline int  // bytes
	MaxSGE    int
	MaxQPWR   int
	MaxCQE    int
	MTU       int    // active, bytes
	Speed     uint64 // bit/s; 0: 10^10
	LID       uint16
	LMC       uint8    // it has 1<<LMC LIDs, beginning with LID
	NeedsGRH  bool     // it is not found by its LID
	PKeys     []uint16 // nil: the default partition's
	VF        bool
	Class     uint8 // what the host has set for traffic
	Ports     int
	GIDs      []nic.GID // of every port
	Alone     bool      // can't be joined with another device of its host
	Endless7  bool      // a retry count of 7 is for ever
	Broken    error     // listed, but can't be opened
}

// RXE is a device like those of the kernel's rdma_rxe on a card with an IPv4
// address: limits as measured on Linux 6.1.
func RXE(name string, addr [4]byte) Spec {
	link := [16]byte{0: 0xfe, 1: 0x80, 11: 0xff, 12: 0xfe, 13: addr[1], 14: addr[2], 15: addr[3]}
	mapped := [16]byte{10: 0xff, 11: 0xff, 12: addr[0], 13: addr[1], 14: addr[2], 15: addr[3]}
	return Spec{
		Name: name, MaxInline: 512, MaxSGE: 32, MaxQPWR: 1 << 20, MaxCQE: 32767, MTU: 1024, Ports: 1, Alone: true, Endless7: true,
		GIDs: []nic.GID{
			{Index: 0, GID: link, Type: nic.GIDRoCEv2, Netdev: "net-" + name},
			{Index: 1, GID: mapped, Type: nic.GIDRoCEv2, Netdev: "net-" + name},
		},
	}
}

// SIW is a device like those of the kernel's siw on a card with an IPv4 address:
// iWARP, limits as measured on Linux 6.1.
func SIW(name string, addr [4]byte) Spec {
	return Spec{
		Name: name, IWARP: true, MaxInline: 80, MaxSGE: 6, MaxQPWR: 32768, MaxCQE: 65536, MTU: 1024, Ports: 1, Alone: true,
		GIDs: []nic.GID{{
			Index: 0, GID: [16]byte{10: 0xff, 11: 0xff, 12: addr[0], 13: addr[1], 14: addr[2], 15: addr[3]}, Type: nic.GIDIP, Netdev: "net-" + name,
		}},
	}
}

// Host is a machine: a nic.Provider.
type Host struct {
	f       *Fabric
	devices []*hardware
	noCM    error // why there is no rdma_cm
	asked   func(device string, qpn uint32, a nic.QPAttr)
}

// OnModify has f told what each QP of the host is asked to become, as ibv_modify_qp(3)
// would be. f must not call the fabric.
func (h *Host) OnModify(f func(device string, qpn uint32, a nic.QPAttr)) {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	h.asked = f
}

var _ nic.Provider = (*Host)(nil)

// hardware is a device that may be opened many times.
type hardware struct {
	host *Host
	Spec
	down    bool
	mute    bool
	removed bool
	opens   map[*device]bool
	conns   map[*conn]bool
}

// Host adds a machine.
func (f *Fabric) Host(devices ...Spec) *Host {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count("device", 0)
	h := &Host{f: f}
	for _, s := range devices {
		h.devices = append(h.devices, &hardware{host: h, Spec: s, opens: map[*device]bool{}, conns: map[*conn]bool{}})
	}
	f.hosts = append(f.hosts, h)
	return h
}

// Devices implements nic.Provider.
func (h *Host) Devices() ([]nic.Listed, error) {
	var all []nic.Listed
	for _, d := range h.devices {
		all = append(all, nic.Listed{Name: d.Name, Err: d.Broken})
	}
	return all, nil
}

func (h *Host) find(name string) *hardware {
	i := slices.IndexFunc(h.devices, func(d *hardware) bool { return d.Name == name })
	if i < 0 {
		return nil
	}
	return h.devices[i]
}

// Open implements nic.Provider.
func (h *Host) Open(name string) (nic.Device, error) {
	hw := h.find(name)
	switch {
	case hw == nil:
		return nil, fmt.Errorf("open %s: no such device: %w", name, transport.ErrUnavailable)
	case hw.Broken != nil:
		return nil, fmt.Errorf("open %s: %w", name, hw.Broken)
	}
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	if hw.removed {
		return nil, fmt.Errorf("open %s: no such device: %w", name, transport.ErrUnavailable)
	}
	d := &device{f: h.f, hw: hw, events: make(chan nic.Event, 256), object: object{f: h.f, kind: "device"}, gone: make(chan struct{})}
	hw.opens[d] = true
	h.f.count("device", 1)
	return d, nil
}

// SetPort plugs or unplugs all ports of a device.
func (h *Host) SetPort(name string, up bool) {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	hw := h.find(name)
	hw.down = !up
	e := nic.Event{Type: nic.EventPortError, Port: 1}
	if up {
		e.Type = nic.EventPortActive
	}
	hw.tell(e)
	h.f.changed()
}

// SetRemoved takes a device away, as `rdma link delete` does, or brings it back. Who has
// it open is told nothing, but for connections of rdma_cm; it can't be opened any more.
func (h *Host) SetRemoved(name string, removed bool) {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	hw := h.find(name)
	hw.removed = removed
	for c := range hw.conns {
		if removed {
			c.over(errRemoved)
		}
	}
}

// SetGIDs changes the GID table of a device's ports, as giving its card an address or
// taking it away does, and says so.
func (h *Host) SetGIDs(name string, gids ...nic.GID) {
	h.change(name, nic.EventGIDChange, func(hw *hardware) { hw.GIDs = gids })
}

// SetLID has the subnet manager give a device's ports another LID.
func (h *Host) SetLID(name string, lid uint16) {
	h.change(name, nic.EventLIDChange, func(hw *hardware) { hw.LID = lid })
}

func (h *Host) change(name string, e nic.EventType, change func(*hardware)) {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	hw := h.find(name)
	change(hw)
	hw.tell(nic.Event{Type: e, Port: 1})
	h.f.changed()
}

// SetMTU gives a device's wire another MTU without a word, as a switch on the way
// may have: longer packets vanish.
func (h *Host) SetMTU(name string, bytes int) {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	h.find(name).MTU = bytes
	h.f.changed()
}

// Mute has a host vanish for good, as by a power cut: of iWARP, whose requests are done
// once they are on their way, nobody is told.
func (h *Host) Mute(name string) {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	h.find(name).mute = true
}

// Event has a device say something.
func (h *Host) Event(name string, e nic.Event) {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	h.find(name).tell(e)
}

// Break puts a QP into ERR as a fault of the device does, with an event.
func (h *Host) Break(qpn uint32) error {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	q := h.f.qps[qpn]
	if q == nil || q.dev.hw.host != h {
		return fmt.Errorf("no QP %d: %w", qpn, unix.ENOENT)
	}
	q.fault(nic.EventQPFatal)
	return nil
}

func (hw *hardware) tell(e nic.Event) {
	for d := range hw.opens {
		d.tell(e)
	}
}

// object is what can be closed while nothing stands on it.
type object struct {
	f       *Fabric
	kind    string
	parents []*object
	users   int
	closed  bool
}

// grow counts o in; f.mu is held.
func (o *object) grow(parents ...*object) error {
	for _, p := range parents {
		if p.closed {
			return fmt.Errorf("create %s: the %s is closed: %w", o.kind, p.kind, os.ErrClosed)
		}
	}
	for _, p := range parents {
		p.users++
	}
	o.parents = parents
	o.f.count(o.kind, 1)
	return nil
}

// use is nil while o can be used; f.mu is held.
func (o *object) use(op string) error {
	if o.closed {
		return fmt.Errorf("%s: the %s is closed: %w", op, o.kind, os.ErrClosed)
	}
	return nil
}

// end counts o out, once; f.mu is held.
func (o *object) end() (first bool, err error) {
	switch {
	case o.closed:
		return false, nil
	case o.users > 0:
		return false, fmt.Errorf("close %s: %d objects stand on it: %w", o.kind, o.users, unix.EBUSY)
	}
	o.closed = true
	for _, p := range o.parents {
		p.users--
	}
	o.f.count(o.kind, -1)
	return true, nil
}

// within waits for ch until ctx ends or gone is closed.
func within[T any](ctx context.Context, ch chan T, gone chan struct{}) (T, error) {
	var none T
	select {
	case v := <-ch:
		return v, nil
	case <-gone:
		return none, os.ErrClosed
	case <-ctx.Done():
		return none, context.Cause(ctx)
	}
}
