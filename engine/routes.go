package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"scp_rdma/transport"
	"scp_rdma/wire"
)

// lane is one local rail with the ways to join it to the peer, best first.
type lane struct {
	rail  string
	pairs []transport.RailPair
	count *railCount
	dead  error // why no stream came about on it; under routes.mu
}

// route is one transport over which the peer may be reached.
type route struct {
	transport transport.Transport
	lanes     []*lane
}

// routes are all of them, most preferred first. The streams of a session take the
// first on which one comes about: a way that looks good may still swallow packets.
type routes struct {
	all []*route

	mu sync.Mutex
	at int // of those before, nothing came about
}

// findRoutes lists the transports that both sides have and whose rails pair.
// passed says why those that are preferred to the first are not used.
func findRoutes(reg *transport.Registry, mine probed, hello *wire.Hello, path transport.Path) (r *routes, passed []error, err error) {
	r = &routes{}
	for _, tr := range reg.All() {
		pairs, err := pairRails(tr, mine, hello, path)
		switch {
		case err == nil:
			r.all = append(r.all, &route{tr, lanesOf(pairs)})
		case len(r.all) == 0:
			passed = append(passed, err)
		}
	}
	if len(r.all) == 0 {
		return nil, nil, fmt.Errorf("no transport to the peer: %w", errors.Join(append(passed, transport.ErrUnavailable)...))
	}
	return r, passed, nil
}

// pairRails pairs the rails of one transport.
func pairRails(tr transport.Transport, mine probed, hello *wire.Hello, path transport.Path) ([]transport.RailPair, error) {
	name := tr.Name()
	if err := mine.errs[name]; err != nil {
		return nil, err
	}
	peer := railsOf(hello.Rails, name)
	if len(peer) == 0 {
		return nil, fmt.Errorf("%s: the other side doesn't offer it: %w", name, transport.ErrUnavailable)
	}
	pairs, err := tr.Pair(mine.rails[name], peer, path)
	if err == nil && len(pairs) == 0 {
		err = transport.ErrUnavailable
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return pairs, nil
}

func lanesOf(pairs []transport.RailPair) []*lane {
	var lanes []*lane
	at := map[string]*lane{}
	for _, p := range pairs {
		l := at[p.Local.Name]
		if l == nil {
			l = &lane{rail: p.Local.Name, count: &railCount{name: p.Local.Name}}
			at[p.Local.Name] = l
			lanes = append(lanes, l)
		}
		l.pairs = append(l.pairs, p)
	}
	return lanes
}

// first is the route to begin with.
func (r *routes) first() *route { return r.all[0] }

// counts are the rails in use, and the name of their transport.
func (r *routes) counts() (name string, rails []*railCount) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, way := range r.all {
		for _, l := range way.lanes {
			if i == r.at || l.count.streams.Load() > 0 {
				rails = append(rails, l.count)
			}
		}
	}
	return r.all[r.at].transport.Name(), rails
}

// passed says that nothing came about on a route.
func (r *routes) passed(at int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return at < r.at
}

// why is why no stream came about on a lane, nil as long as one may.
func (r *routes) why(l *lane) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return l.dead
}

// bury notes that no stream came about on a lane; it says whether that is news.
func (r *routes) bury(l *lane, err error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l.dead != nil || l.count.streams.Load() > 0 {
		return false
	}
	l.dead = err
	return true
}

// pass gives a route up whose lanes are all dead. next is the one to take then, nil
// if another stream has given it up before; ok is false if there is no way left.
func (r *routes) pass(at int) (next *route, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at < r.at {
		return nil, true
	}
	for _, l := range r.all[at].lanes {
		if l.dead == nil {
			return nil, false // others run over it
		}
	}
	if at+1 == len(r.all) {
		return nil, false
	}
	r.at++
	return r.all[r.at], true
}

// joined is a stream that was joined with the peer.
type joined struct {
	transport.SendStream
	epoch uint32
	lane  *lane
}

// openStream joins one stream with the peer: over its lane of the first route, or
// else the others, or else the next route.
func (s *sender) openStream(ctx context.Context, id uint32) (*joined, error) {
	o := opening{s: s, id: id}
	for at, r := range s.routes.all {
		if s.routes.passed(at) {
			continue
		}
		var errs []error
		for n := range r.lanes {
			l := r.lanes[(int(id)+n)%len(r.lanes)]
			err := s.routes.why(l)
			if err == nil {
				var st *joined
				if st, err = o.over(ctx, r, l); err == nil {
					return st, nil
				}
				if ctx.Err() != nil {
					return nil, context.Cause(ctx)
				}
				if s.cfg.EveryRail {
					return nil, err
				}
				if s.routes.bury(l, err) && len(r.lanes) > 1 {
					s.log.Warn("no stream comes about on a rail, the others carry on", "error", err)
				}
			}
			errs = append(errs, err)
		}
		o.errs = append(o.errs, errs...)
		next, ok := s.routes.pass(at)
		if !ok {
			break
		}
		if next != nil && s.cfg.Observer != nil {
			s.cfg.Observer.Chosen(next.transport.Name(), []error{fmt.Errorf("%s: %w", r.transport.Name(), errors.Join(errs...))})
		}
	}
	return nil, errors.Join(append(o.errs, transport.ErrUnavailable)...)
}

// opening is what one stream has tried.
type opening struct {
	s     *sender
	id    uint32
	epoch uint32 // of the next try
	errs  []error
}

// over tries the ways of one lane, each with an epoch of its own, until one is proved.
func (o *opening) over(ctx context.Context, r *route, l *lane) (*joined, error) {
	var errs []error
	for _, pair := range l.pairs {
		epoch := o.epoch
		o.epoch++
		st, err := o.s.tryPair(ctx, r.transport, o.id, epoch, pair)
		if err == nil {
			l.count.peer.Store(&pair.Peer.Name)
			l.count.streams.Add(1)
			o.s.log.Debug("stream joined", "stream", o.id, "rail", l.rail, "peer", pair.Peer.Name, "since start", time.Since(o.s.started))
			return &joined{st, epoch, l}, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		o.s.log.Info("rail candidate does not work", "rail", l.rail, "peer", pair.Peer.Name, "error", err)
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("rail %s: %w", l.rail, errors.Join(append(errs, transport.ErrUnavailable)...))
}
