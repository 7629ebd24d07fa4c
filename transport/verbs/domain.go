package verbs

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"scp_rdma/transport"
	"scp_rdma/transport/verbs/internal/nic"
)

// lanes is for how many streams of the first one's size a CQ is made: the usual
// number per rail. More streams get another CQ with its poller.
const lanes = 8

type domainKey struct {
	session transport.ID
	device  string
}

// domain is one session on one device: nothing of it is shared with another
// session. It lives as long as its streams.
type domain struct {
	t    *Transport
	key  domainKey
	refs int // under t.mu

	dev  nic.Device
	attr nic.DeviceAttr
	pd   nic.PD

	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex
	pollers []*poller
	ports   map[int]nic.Port // as the first stream on each found it
	links   atomic.Uint32    // so many were made
}

// domain finds or opens the domain of a session and device, and holds it.
func (t *Transport) domain(key domainKey) (*domain, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if d := t.domains[key]; d != nil {
		d.refs++
		return d, nil
	}
	d := &domain{t: t, key: key, refs: 1, ports: map[int]nic.Port{}}
	if err := d.open(); err != nil {
		return nil, err
	}
	t.domains[key] = d
	return d, nil
}

func (d *domain) open() error {
	var err error
	if d.dev, err = d.t.cfg.Devices.Open(d.key.device); err != nil {
		return err
	}
	if d.attr, err = d.dev.Attr(); err == nil {
		d.pd, err = d.dev.AllocPD()
	}
	if err != nil {
		return errors.Join(err, d.dev.Close())
	}
	ctx, cancel := context.WithCancel(context.Background())
	d.cancel = cancel
	d.work.Go(func() { d.watch(ctx) })
	d.work.Go(func() { d.beat(ctx) })
	return nil
}

// release lets go; the last one closes all.
func (d *domain) release() error {
	d.t.mu.Lock()
	d.refs--
	last := d.refs == 0
	if last {
		delete(d.t.domains, d.key)
	}
	d.t.mu.Unlock()
	if !last {
		return nil
	}
	d.cancel()
	d.work.Wait()
	var err error
	for _, p := range d.pollers {
		err = errors.Join(err, p.stop())
	}
	return errors.Join(err, d.pd.Close(), d.dev.Close())
}

// watch takes the device's events and tells the streams that they are about.
func (d *domain) watch(ctx context.Context) {
	for {
		e, err := d.dev.WaitEvent(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			d.each(func(l *link) { l.fail(fmt.Errorf("events of %s: %w", d.key.device, err)) })
			return
		}
		d.t.cfg.Logger.Info("event", "device", d.key.device, "event", e.Type.String(), "port", e.Port, "QP", e.QPN)
		d.forget(e.Port)
		d.each(func(l *link) {
			if err := eventError(e, l.qpn, l.port.Number); err != nil {
				l.fail(err)
			}
		})
		if e.Type == nic.EventGIDChange || e.Type == nic.EventLIDChange {
			d.moved(e.Port)
		}
	}
}

// moved looks at a port whose addresses have changed, and ends the streams whose own is
// not there any more. One that is in another row is there: a QP keeps what it was given
// (Linux 6.1, ib_core/cache.c: the old row is freed with the last QP that has it).
func (d *domain) moved(number int) {
	p, err := d.port(number)
	if err != nil {
		d.t.cfg.Logger.Warn("a port whose addresses have changed can't be asked", "device", d.key.device, "port", number, "error", err)
		return
	}
	d.each(func(l *link) { l.left(p) })
}

// beat has idle streams look after their peers, and all let go of a device that was
// taken away: until then the kernel may keep whoever does that waiting.
func (d *domain) beat(ctx context.Context) {
	tick := time.NewTicker(d.t.cfg.Heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if d.dev.Removed() {
				d.each(func(l *link) {
					l.fail(fmt.Errorf("%s was removed or renamed: bring it back, or leave it to the other rails: %w", d.key.device, transport.ErrPeerGone))
				})
				continue
			}
			d.each((*link).heartbeat)
		}
	}
}

// each calls f with every link.
func (d *domain) each(f func(*link)) {
	d.mu.Lock()
	var all []*link
	for _, p := range d.pollers {
		all = append(all, p.all()...)
	}
	d.mu.Unlock()
	for _, l := range all {
		f(l)
	}
}

// poller finds or makes a poller whose CQ has room for n more completions, and
// takes that room. It runs on cores.
func (d *domain) poller(n int, cores []int) (*poller, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range d.pollers {
		if p.take(n) {
			return p, nil
		}
	}
	if n > d.attr.MaxCQE {
		return nil, fmt.Errorf("%d completions do not fit a CQ of %s (%d): use fewer slots: %w",
			n, d.key.device, d.attr.MaxCQE, transport.ErrUnavailable)
	}
	p, err := newPoller(d.dev, min(lanes*n, d.attr.MaxCQE), cores)
	if err != nil {
		return nil, err
	}
	p.take(n)
	d.pollers = append(d.pollers, p)
	return p, nil
}

// port is the state of a port when the session came to it: reading it anew, with
// its GID table, would cost each stream more than making its QP. What changes
// afterwards is an event, which has the port forgotten and ends the streams that can't
// go on; those that are joined again find the addresses as they are then.
func (d *domain) port(number int) (nic.Port, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p, ok := d.ports[number]; ok {
		return p, nil
	}
	p, err := d.dev.Port(number)
	if err == nil {
		d.ports[number] = p
	}
	return p, err
}

// forget has a port looked at anew by the next stream; 0 is of no port.
func (d *domain) forget(number int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.ports, number)
}
