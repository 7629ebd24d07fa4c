package softnic

import (
	"cmp"
	"context"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"scp_rdma/transport/verbs/internal/nic"
)

// device is an open device.
type device struct {
	object
	f      *Fabric
	hw     *hardware
	events chan nic.Event
	once   sync.Once
	gone   chan struct{} // ends WaitEvent
}

func (d *device) tell(e nic.Event) {
	select {
	case d.events <- e:
	default: // nobody listens, and nobody will read more than these
	}
}

// Attr implements nic.Device.
func (d *device) Attr() (nic.DeviceAttr, error) {
	d.f.mu.Lock()
	defer d.f.mu.Unlock()
	s := d.hw.Spec
	return nic.DeviceAttr{
		Name: s.Name, Firmware: "soft", NodeGUID: 1, IWARP: s.IWARP, MaxQP: 1 << 16, MaxQPWR: s.MaxQPWR, MaxSGE: s.MaxSGE,
		MaxCQ: 1 << 16, MaxCQE: s.MaxCQE, MaxMR: 1 << 16, MaxPD: 1 << 16, MaxMRSize: 1 << 62, Ports: s.Ports, NUMA: -1, VF: s.VF,
	}, d.use("query device")
}

// Port implements nic.Device.
func (d *device) Port(number int) (nic.Port, error) {
	d.f.mu.Lock()
	defer d.f.mu.Unlock()
	if number < 1 || number > d.hw.Ports {
		return nic.Port{}, fmt.Errorf("query port %d of %s: %w", number, d.hw.Name, unix.EINVAL)
	}
	p := nic.Port{
		Number: number, State: nic.PortActive, Ethernet: !d.hw.IB, ActiveMTU: d.hw.MTU, MaxMTU: 4096,
		MaxMessage: 1 << 23, LID: d.hw.LID, LMC: d.hw.LMC, NeedsGRH: d.hw.NeedsGRH, Speed: cmp.Or(d.hw.Speed, 1e10),
		GIDs: append([]nic.GID(nil), d.hw.GIDs...), TrafficClass: d.hw.Class,
	}
	if d.hw.IB {
		p.PKeys = d.hw.pkeys()
	}
	if d.hw.down {
		p.State = nic.PortDown
	}
	return p, d.use("query port")
}

// Removed implements nic.Device.
func (d *device) Removed() bool {
	d.f.mu.Lock()
	defer d.f.mu.Unlock()
	return d.hw.removed
}

// WaitEvent implements nic.Device.
func (d *device) WaitEvent(ctx context.Context) (nic.Event, error) {
	return within(ctx, d.events, d.gone)
}

// Close implements nic.Device.
func (d *device) Close() error {
	d.once.Do(func() { close(d.gone) })
	d.f.mu.Lock()
	defer d.f.mu.Unlock()
	_, err := d.end()
	if err == nil {
		delete(d.hw.opens, d)
	}
	return err
}

// pd is a protection domain.
type pd struct {
	object
	dev *device
}

// AllocPD implements nic.Device.
func (d *device) AllocPD() (nic.PD, error) {
	d.f.mu.Lock()
	defer d.f.mu.Unlock()
	p := &pd{object: object{f: d.f, kind: "PD"}, dev: d}
	if err := p.grow(&d.object); err != nil {
		return nil, err
	}
	return p, nil
}

// Close implements nic.PD.
func (p *pd) Close() error {
	p.f.mu.Lock()
	defer p.f.mu.Unlock()
	_, err := p.end()
	return err
}

// mr is registered memory. Its address is made up: key << 32, so that no two lie
// beside each other and a range that runs over meets nothing.
type mr struct {
	object
	pd     *pd
	mem    []byte
	key    uint32
	access nic.Access
}

// RegMR implements nic.PD.
func (p *pd) RegMR(mem []byte, access nic.Access) (nic.MR, error) {
	p.f.mu.Lock()
	defer p.f.mu.Unlock()
	if len(mem) == 0 {
		return nil, fmt.Errorf("register memory: nothing to register: %w", unix.EINVAL)
	}
	m := &mr{object: object{f: p.f, kind: "MR"}, pd: p, mem: mem, key: p.f.number(), access: access}
	if err := m.grow(&p.object); err != nil {
		return nil, err
	}
	p.f.mrs[m.key] = m
	return m, nil
}

// Addr implements nic.MR.
func (m *mr) Addr() uint64 { return uint64(m.key) << 32 }

// RKey implements nic.MR.
func (m *mr) RKey() uint32 { return m.key }

// Close implements nic.MR. Requests that are posted don't hold it, as with
// devices: they fail when they get there.
func (m *mr) Close() error {
	m.f.mu.Lock()
	defer m.f.mu.Unlock()
	first, err := m.end()
	if first {
		delete(m.f.mrs, m.key)
	}
	return err
}

// at is a range of the MR; nil, false outside of it.
func (m *mr) at(offset, length int) ([]byte, bool) {
	if offset < 0 || length < 0 || offset > len(m.mem) || length > len(m.mem)-offset {
		return nil, false
	}
	return m.mem[offset : offset+length], true
}
