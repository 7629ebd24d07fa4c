package engine

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"scp_rdma/transport"
	"scp_rdma/wire"
)

// DefaultRetryFor is how long streams are tried again once all are gone.
const DefaultRetryFor = 30 * time.Second

// routes are all of them, most preferred first. The streams of a session take the
// first on which one comes about: a way that looks good may still swallow packets,
// and one that was good may break.
type routes struct {
	all      []*route
	retryFor time.Duration

	mu    sync.Mutex
	at    int       // those before were given up
	ever  bool      // a stream was joined
	since time.Time // when what is wrong now began; zero: nothing is
}

// findRoutes lists the transports that both sides have and whose rails pair.
// passed says why those that are preferred to the first are not used.
func findRoutes(reg *transport.Registry, mine probed, hello *wire.Hello, path transport.Path) (all []*route, passed []error, err error) {
	for _, tr := range reg.All() {
		pairs, err := pairRails(tr, mine, hello, path)
		switch {
		case err == nil:
			all = append(all, &route{transport: tr, lanes: lanesOf(tr.Name(), pairs)})
		case len(all) == 0 && !(shortcut(tr) && reg.Len() > 1):
			passed = append(passed, err)
		}
	}
	if len(all) == 0 {
		return nil, nil, fmt.Errorf("no transport to the peer: %w", errors.Join(append(passed, transport.ErrUnavailable)...))
	}
	return all, passed, nil
}

// shortcut says of a transport that it is not missed where it doesn't reach.
func shortcut(tr transport.Transport) bool {
	s, ok := tr.(transport.Shortcut)
	return ok && s.Shortcut()
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

// first is the route to begin with.
func (r *routes) first() *route { return r.all[0] }

// counts are the rails in use, and the name of their transport.
func (r *routes) counts() (name string, rails []*railCount) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, way := range r.all {
		for _, l := range way.lanes {
			if i == r.at || l.ever {
				rails = append(rails, l.count)
			}
		}
	}
	return r.all[r.at].transport.Name(), rails
}

// spread finds a home for each of n streams, on each route.
func (r *routes) spread(n int) {
	for _, way := range r.all {
		way.spread(n)
	}
}

// choice is what a stream that wants to be joined is to do: take a lane, or wait.
type choice struct {
	route  *route
	lane   *lane // nil: wait
	until  time.Time
	passed error // why the route before this one was given up just now
}

// choose finds a lane for a stream. Its own comes first, by its number; as long as
// others run it waits for that one, for they carry its share meanwhile. With nobody
// left any lane will do, then the next route, and in the end there is none.
func (r *routes) choose(stream uint32, now time.Time) (choice, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var passed error
	for {
		way := r.all[r.at]
		n := len(way.lanes)
		at := way.homeOf(stream)
		home := way.lanes[at]
		running := r.running()
		for k := range n {
			l := way.lanes[(at+k)%n]
			if !now.Before(l.next) && (running && !now.Before(l.rest) || !running && !r.tried(l)) {
				return choice{route: way, lane: l, passed: passed}, nil
			}
			if running {
				until := home.next
				if home.rest.After(until) {
					until = home.rest
				}
				return choice{until: until, passed: passed}, nil
			}
		}
		switch {
		case r.at+1 < len(r.all):
			r.at++
			passed = fmt.Errorf("%s: %w", way.transport.Name(), way.errs())
		case !r.ever || now.Sub(r.since) > max(r.retryFor, 0):
			return choice{}, r.hopeless()
		default:
			until := home.next
			for _, l := range way.lanes {
				if l.next.Before(until) {
					until = l.next
				}
			}
			return choice{until: until, passed: passed}, nil
		}
	}
}

// tried says that a lane had its chance since nothing runs any more, where there is
// something else to turn to, or nothing has ever run; mu is held.
func (r *routes) tried(l *lane) bool {
	if r.ever && r.at+1 == len(r.all) {
		return false // it may come back
	}
	return !r.since.IsZero() && !l.shut.Before(r.since)
}

// running says whether any stream is joined; mu is held.
func (r *routes) running() bool {
	for _, way := range r.all {
		if way.alive() {
			return true
		}
	}
	return false
}

// hopeless is why nothing can be carried any more; mu is held.
func (r *routes) hopeless() error {
	var errs []error
	for _, way := range r.all {
		errs = append(errs, way.errs())
	}
	err := errors.Join(append(errs, transport.ErrUnavailable)...)
	if r.ever {
		return fmt.Errorf("no rail has come back within %v: %w", r.retryFor, err)
	}
	return err
}

// joined notes a stream that was joined on a lane.
func (r *routes) joined(l *lane) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ever, l.ever = true, true
	l.alive++
	l.count.streams.Store(max(l.count.streams.Load(), int64(l.alive)))
}

// ended notes one that has ended as it should.
func (r *routes) ended(l *lane) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l.alive--
}

// broke notes one that has not; progress: something it carried was acknowledged.
func (r *routes) broke(l *lane, err error, progress bool, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l.alive--
	if progress {
		l.fails = 0
	}
	r.note(l, err, now)
}

// rests notes one that was ended for its rail to have nothing for a while.
func (r *routes) rests(l *lane, until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l.alive--
	l.rest = until
}

// several says whether there is more than one rail, of one transport.
func (r *routes) several() bool {
	for _, way := range r.all {
		if len(way.lanes) > 1 {
			return true
		}
	}
	return false
}

// progress notes that something was acknowledged: it isn't hopeless.
func (r *routes) progress() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.since = time.Time{}
}

// failed notes one that didn't come about, after which a lane isn't tried again at
// once. It says whether that is the first failure in a row, which is to be told, and
// whether one was ever joined.
func (r *routes) failed(l *lane, err error, now time.Time) (first, ever bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first, ever = l.fails == 0, l.ever
	l.fails = max(l.fails, 1)
	l.shut = now
	r.note(l, err, now)
	return first, ever
}

func (r *routes) note(l *lane, err error, now time.Time) {
	l.fail(err, now)
	if r.since.IsZero() {
		r.since = now
	}
}
