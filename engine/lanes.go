package engine

import (
	"errors"
	"time"

	"scp_rdma/transport"
)

const (
	// lanePause is the pause after a second failure in a row of a rail, each further
	// one is twice as long, up to lanePauseMax: a port that comes back is used again
	// soon, and one that doesn't costs little.
	lanePause    = 250 * time.Millisecond
	lanePauseMax = 10 * time.Second
	// spareBelow: a rail whose rate is less than that part of the fastest one's carries
	// nothing as long as others do. It would add a sixteenth, and at the end all wait for
	// what it has begun. Such is the NIC for administration beside those of the fabric.
	spareBelow = 16
)

// lane is one local rail with the ways to join it to the peer, best first.
type lane struct {
	rail  string
	pairs []transport.RailPair
	count *railCount
	far   string // of the side that dials, where that is the other one
	rate  uint64 // bit/s, as far as this host knows; 0: not known
	spare bool   // it carries only when no other lane does
	cores []int  // that lie near it; none: any

	// Under routes.mu.
	alive int       // streams joined on it now
	ever  bool      // one was
	fails int       // failures in a row: nothing was acknowledged between them
	err   error     // the last one
	next  time.Time // not to be tried before
	shut  time.Time // when no stream came about on it last
	rest  time.Time // not to be tried before, as long as others run
}

// fail notes a failure. The first in a row is answered at once.
func (l *lane) fail(err error, now time.Time) {
	l.err = err
	l.next = now
	if l.fails > 0 {
		l.next = now.Add(min(lanePause<<min(l.fails-1, 16), lanePauseMax))
	}
	l.fails++
}

// route is one transport over which the peer may be reached.
type route struct {
	transport transport.Transport
	lanes     []*lane
	homes     []int // of each stream, by index of lanes
}

// alive says whether a stream is joined on any lane.
func (r *route) alive() bool {
	for _, l := range r.lanes {
		if l.alive > 0 {
			return true
		}
	}
	return false
}

// errs is why the lanes don't carry.
func (r *route) errs() error {
	var errs []error
	for _, l := range r.lanes {
		errs = append(errs, l.err)
	}
	return errors.Join(errs...)
}

// capacity is how many lanes are to carry, and what they do together, bit/s; 0: not known.
func (r *route) capacity() (lanes int, rate uint64) {
	known := true
	for _, l := range r.lanes {
		if l.spare {
			continue
		}
		lanes++
		rate += l.rate
		known = known && l.rate > 0
	}
	if !known {
		rate = 0
	}
	return lanes, rate
}

// spareSlow has lanes that would add next to nothing carry only when no other does.
func (r *route) spareSlow() {
	best := uint64(0)
	for _, l := range r.lanes {
		best = max(best, l.rate)
	}
	for _, l := range r.lanes {
		l.spare = l.rate > 0 && l.rate < best/spareBelow
	}
}

// byRail runs a worker on the cores that lie by its rail, if they are enough for each of so
// many streams to have one: fewer would cost more than the way to the other node's memory.
func byRail(cores []int, streams int, work func() error) (err error) {
	if len(cores) < streams {
		return work()
	}
	transport.OnCores(cores, func() { err = work() })
	return err
}

// spread says on which lane each of n streams is at home: the first ones on one each, in the
// order of the lanes, and further ones where the least of a lane's rate falls to each
// (D'Hondt's method). Lanes whose rates nobody knows count as equal.
func (r *route) spread(n int) {
	r.homes = make([]int, n)
	have := make([]uint64, len(r.lanes))
	_, known := r.capacity()
	for i := range r.homes {
		at := -1
		for k, l := range r.lanes {
			if !l.spare && (at < 0 || prefers(r.lanes[at].rate, have[at], l.rate, have[k], known > 0)) {
				at = k
			}
		}
		r.homes[i] = at
		have[at]++
	}
}

// prefers says whether a further stream is better off on lane b than on a, by the rates and
// streams of both.
func prefers(rateA, haveA, rateB, haveB uint64, known bool) bool {
	if haveA == 0 || haveB == 0 || !known {
		return haveB < haveA
	}
	return float64(rateB)/float64(haveB+1) > float64(rateA)/float64(haveA+1)
}

// homeOf is the lane that a stream is at home on.
func (r *route) homeOf(stream uint32) int {
	if int(stream) < len(r.homes) {
		return r.homes[stream]
	}
	return int(stream) % len(r.lanes)
}

// newLane is the lane of a local rail of a transport, without a way to the peer yet.
func newLane(name string, r transport.Rail) *lane {
	return &lane{rail: r.Name, rate: r.Rate, cores: r.Cores, count: &railCount{transport: name, name: r.Name}}
}

func lanesOf(name string, pairs []transport.RailPair) []*lane {
	var lanes []*lane
	at := map[string]*lane{}
	for _, p := range pairs {
		l := at[p.Local.Name]
		if l == nil {
			l = newLane(name, p.Local)
			at[p.Local.Name] = l
			lanes = append(lanes, l)
		}
		l.pairs = append(l.pairs, p)
	}
	return lanes
}
