package control

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// ownGrace is how long a connection that has just come a step further is safe
// from having to make room for another of its own address: many honest clients
// that start at once should wait for each other, not push each other out. With
// 512 places it lets 5000 newcomers a second in, more than two cores can greet.
const ownGrace = 100 * time.Millisecond

// unproved is one connection that has not said yet who it is.
type unproved struct {
	nc    net.Conn
	from  netip.Prefix // what counts as one address
	since time.Time    // of its last step: coming, preamble, TLS
}

// pending bounds connections that have not proved themselves. When there are too
// many, the address that has most of them loses the one that has not come a step
// further for longest: whoever opens connections by the thousand gets in his own
// way, and who goes on gets by even if he comes from the same address.
type pending struct {
	limit int

	mu   sync.Mutex
	list map[*unproved]bool
}

func newPending(limit int) *pending { return &pending{limit: limit, list: map[*unproved]bool{}} }

// enter takes a connection in, or says that there is no room for it. Which one
// has to go instead, if any, is for the caller to close.
func (p *pending) enter(nc net.Conn, now time.Time) (in, out *unproved) {
	u := &unproved{nc: nc, from: origin(addrPort(nc.RemoteAddr()).Addr()), since: now}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.list) >= p.limit {
		if out = p.victim(u); out == nil {
			return nil, nil
		}
		delete(p.list, out)
	}
	p.list[u] = true
	return u, out
}

// step notes that a connection has come a step further. The number of steps is
// small and fixed: bytes alone are none.
func (p *pending) step(u *unproved, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	u.since = now
}

// victim finds who must make room for u. p.mu is held.
func (p *pending) victim(u *unproved) *unproved {
	count := map[netip.Prefix]int{}
	for v := range p.list {
		count[v.from]++
	}
	var oldest *unproved
	for v := range p.list {
		switch {
		case oldest == nil, count[v.from] > count[oldest.from],
			count[v.from] == count[oldest.from] && v.since.Before(oldest.since):
			oldest = v
		}
	}
	// An address with as few as u's own has done nothing wrong.
	if count[oldest.from] > count[u.from]+1 || u.since.Sub(oldest.since) > ownGrace {
		return oldest
	}
	return nil
}

// leave takes a connection out: it is proved, or gone.
func (p *pending) leave(u *unproved) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.list, u)
}

// origin is what counts as one address: an IPv6 host has a /64 to choose from.
func origin(a netip.Addr) netip.Prefix {
	bits := 64
	if a.Is4() {
		bits = 32
	}
	p, _ := a.WithZone("").Prefix(bits) // the zero Prefix for what is no IP address: one for all
	return p
}
