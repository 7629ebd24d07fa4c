package engine

import (
	"math"
	"time"

	"scp_rdma/planner"
)

// These are tried in virtual time by rails_test.go; what each is for is said there by what
// fails with another value.
const (
	// railHalf: what a rail did so long ago counts half of what it does now. Of longer ways
	// it is railTrips round trips, for what is acknowledged comes in bursts of one; and of
	// rails from which a result comes rarely, so many of these times.
	railHalf  = 100 * time.Millisecond
	railTrips = 4
	// railProof: a rail is judged by no less than so many times of what the best one takes to
	// bring something home.
	railProof = 2
	// chunkCost, bytes, is what a file or a range costs beside its bytes: 50,000 small
	// files a second go where large ones go with 1 GB/s (bench/results/2026-11-23.md). So
	// the rail that happens to have the small ones isn't slow.
	chunkCost = 16 << 10
	// slowBelow, wellFrom, parkBelow are parts of the best rail's rate. Streams that are not
	// a multiple of the rails make a rail look half as good as another, which is no fault.
	// What has less than parkBelow adds less than a unit at the end of a transfer costs.
	slowBelow = 1. / 3
	wellFrom  = 1. / 2
	parkBelow = 1. / 32
	// probeFrom is as parkBelow, of the probe that ends a pause.
	probeFrom = 1. / 16
	// railPieces: the smallest unit that a slow rail gets is such a part of a slot. Smaller
	// ones cost as much as they carry.
	railPieces = 16
	// probePause is the first pause of a rail that gets nothing, each further one is twice as
	// long, up to lanePauseMax.
	probePause = 500 * time.Millisecond
	// railProbe: no rail is probed when the others will be done in so many times of what the
	// best one takes to bring something home.
	railProbe = 8
	// lateBy: what is under way on a slow rail is sent over another if the others have
	// nothing to do and it would take so many times as long as that.
	lateBy = 3
	// lastsFrom: a rail that is slow for so long is worth a person's look. Busy hosts make one
	// slow for a moment: soft-RoCE on an emulated CPU did, several times in a minute.
	lastsFrom = 2 * time.Second
)

// railHealth is what a sender knows of one rail. It has no clock but the one it is given.
type railHealth struct {
	name    string
	far     string  // the rail of the side that dials, where that is the other one
	wire    float64 // its rate, as its host has it, in a unit of all rails; 0: not known
	state   RailState
	streams int // joined
	idle    int // of their workers, without anything in line that they could take

	flight int64 // under way: cost, as all that is not called data
	active bool  // something was, since the last judge; and
	got    bool  // something has arrived

	// Sums over the time in which something was under way, in which what is older counts
	// less and less.
	at         time.Time // until when
	cost, data float64
	busy       float64 // seconds
	seen       time.Duration
	latency    time.Duration // from record to result, as a mean of that kind; 0: none yet
	least      time.Duration
	last       time.Time     // when something arrived last, or was under way again
	gap        time.Duration // between such times, as a mean

	part    float64   // of the best rail's rate, as it was judged last
	suits   RailState // what it would be by that
	since   time.Time // for how long already
	allow   int64     // what may be under way where it is given less
	next    time.Time // RailNone: not probed before
	probing bool      // what is under way is a probe, and no rest of what it had before
	pause   time.Duration
	slowed  time.Time     // not carrying as much as it takes since; zero: it does
	slow    time.Duration // for how long it was before
	lasting RailState     // what was told as lasting
}

// fold brings the sums up to now.
func (r *railHealth) fold(now time.Time) {
	dt := now.Sub(r.at)
	r.at = now
	if r.flight <= 0 || dt <= 0 {
		return
	}
	half := max(railHalf, railTrips*r.least, railTrips*r.gap).Seconds()
	keep := math.Exp2(-dt.Seconds() / half)
	r.cost *= keep
	r.data *= keep
	r.busy = r.busy*keep + (1-keep)*half/math.Ln2
	r.seen += dt
}

// rate is what it carries, per second that it has something to carry.
func (r *railHealth) rate() float64 {
	if r.busy == 0 {
		return 0
	}
	return r.cost / r.busy
}

// most is its rate; where nothing has arrived yet, what it would be if a slot did just now.
func (r *railHealth) most(slot int64) float64 {
	if r.latency == 0 {
		return float64(slot) / max(r.seen.Seconds(), 1e-9)
	}
	return r.rate()
}

// sent notes that something is under way.
func (r *railHealth) sent(cost int64, now time.Time) {
	r.fold(now)
	if r.flight == 0 {
		r.last = now
	}
	r.flight += cost
	r.active = true
	r.probing = r.state == RailNone
}

// lost: it isn't any more, and has not arrived.
func (r *railHealth) lost(cost int64, now time.Time) {
	r.fold(now)
	r.flight -= cost
}

// acked notes that something has its result, after so long.
func (h *health) acked(r *railHealth, cost int64, data int, took time.Duration, now time.Time) {
	r.fold(now)
	r.flight -= cost
	r.got = true
	if d := now.Sub(r.last); d > 0 { // what one message brings is one
		r.last = now
		r.gap += (d - r.gap) / 4
	}
	r.cost += float64(cost)
	r.data += float64(data)
	if r.latency == 0 {
		r.latency, r.least = took, took
	}
	r.latency += (took - r.latency) / 8 // as RFC 6298 has it
	r.least = min(r.least, took)
	if h.best == nil || r == h.best {
		return
	}
	switch r.state {
	case RailCarries:
	case RailLess:
		// As long as it is no later than others are it may take more: so it gets its
		// share back when it is well again. With too much under way it is late.
		switch {
		case took > h.target(r):
			r.allow = max(int64(r.rate()*h.target(r).Seconds()), r.allow-cost)
		case 2*(r.flight+cost) >= r.allow: // it has made use of that
			r.allow += cost
		}
	case RailNone:
		if !r.probing {
			return
		}
		if enough := h.best.latency.Seconds() + float64(cost)/max(h.best.rate()*probeFrom, 1); took.Seconds() <= enough {
			r.state, r.allow, r.seen = RailLess, 2*cost, 0
			r.cost, r.data, r.busy = float64(cost), float64(data), max(took.Seconds(), 1e-9)
			r.latency, r.least = took, took
			return
		}
		r.park(now)
	}
}

// park gives it nothing for a while, each time for longer.
func (r *railHealth) park(now time.Time) {
	r.state = RailNone
	r.pause = min(max(2*r.pause, probePause), lanePauseMax)
	r.next = now.Add(r.pause)
}

// health is the rails of a session. Its owner holds a lock.
type health struct {
	slot  int64 // data bytes
	rails []*railHealth
	best  *railHealth // of those with streams; nil: nobody knows yet
}

// add is a rail more.
func (h *health) add(name string, wire float64, now time.Time) *railHealth {
	r := &railHealth{name: name, wire: wire, at: now}
	h.rails = append(h.rails, r)
	return r
}

// piece is the smallest unit for a slow rail.
func (h *health) piece() int64 { return max(h.slot/railPieces, 1) }

// target is how long something may be under way on a slow rail: twice as long as on the best
// one, so that no order and no window waits for it for long; or as its own length asks for.
func (h *health) target(r *railHealth) time.Duration { return 2 * max(h.best.latency, r.least) }

// all is what all rails carry, and have under way.
func (h *health) all() (rate float64, flight int64) {
	for _, r := range h.rails {
		if r.streams > 0 {
			rate += r.rate()
			flight += r.flight
		}
	}
	return rate, flight
}

// rest is what is known of the rest of a session.
type rest struct {
	left   planner.Left
	last   bool  // there is no more than that
	window int64 // bytes that may be under way, in order; 0: any number, in no order
}

// limited says whether a rail is given less than it takes.
func (h *health) limited(r *railHealth) bool {
	return r.state != RailCarries && h.best != nil && r != h.best
}

// room is how many bytes a unit for a rail may have; 0: none now.
func (h *health) room(r *railHealth, rest rest, now time.Time) int64 {
	if !h.limited(r) {
		return h.slot
	}
	rate, flight := h.all()
	rate = max(rate, 1)
	left := rest.left.Bytes + chunkCost*int64(rest.left.Chunks) + flight
	if r.state == RailNone {
		over := rest.last && float64(left)/rate < railProbe*h.best.latency.Seconds()
		if r.flight > 0 || now.Before(r.next) || over {
			return 0
		}
		return h.piece()
	}
	allow := r.allow
	if rest.window > 0 { // its share of half of that
		allow = min(allow, int64(r.rate()/rate*float64(rest.window)/2))
	}
	if rest.last { // what it can bring home by the time that all is over
		allow = min(allow, int64(r.rate()/rate*float64(left)))
		if allow < h.piece()+chunkCost {
			return 0
		}
	}
	n := min(max(allow/2-chunkCost, h.piece()), h.slot)
	if r.flight > 0 && r.flight+n+chunkCost > allow {
		return 0
	}
	return n
}

// expected says whether a rail is slow because its link is, as far as that is known.
func (r *railHealth) expected(best *railHealth) bool {
	return r.wire > 0 && best.wire > 0 && r.part > r.wire/best.wire*slowBelow*2
}

// judge says what each rail is given from now on, and what of that is to be told.
func (h *health) judge(now time.Time) []RailChange {
	h.best = nil
	for _, r := range h.rails {
		r.fold(now)
		if r.streams > 0 && r.latency > 0 && (h.best == nil || r.rate() > h.best.rate()) {
			h.best = r
		}
	}
	var told []RailChange
	busy := h.best != nil && h.best.active
	for _, r := range h.rails {
		before := r.state
		switch {
		case h.best == nil || r.streams == 0:
		case r == h.best:
			r.part, r.state = 1, RailCarries
		case (busy || r.got) && r.active && r.seen >= railProof*h.best.latency:
			r.part = r.most(h.slot) / max(h.best.rate(), 1e-9)
			h.turn(r, now)
		}
		r.active, r.got = r.flight > 0, false
		if c, ok := r.changed(before, h.best, now); ok {
			told = append(told, c)
		}
		if h.best != nil && r.streams > 0 && r.lasts(now) { // one that is gone is told as that
			told = append(told, r.change(h.best, true))
		}
	}
	return told
}

// turn gives a rail what it is good for, if it has been for a while: after a stop of all,
// which is a disk's, one has results before another.
func (h *health) turn(r *railHealth, now time.Time) {
	suits := r.state
	switch {
	case r.state == RailCarries && r.part < slowBelow:
		suits = RailLess
	case r.state == RailLess && r.part < parkBelow:
		suits = RailNone
	case r.state == RailLess && r.part > wellFrom:
		suits = RailCarries
	}
	if suits == r.state || suits != r.suits {
		r.suits, r.since = suits, now
		return
	}
	if now.Sub(r.since) < h.best.latency {
		return
	}
	r.state = suits
	switch suits {
	case RailLess:
		r.allow = int64(r.rate() * h.target(r).Seconds())
	case RailNone:
		r.park(now)
	case RailCarries:
		r.pause = 0
	}
}

// changed keeps the account of how long a rail was slow, and says what is to be told: that it
// is, once, and that it is no more.
func (r *railHealth) changed(before RailState, best *railHealth, now time.Time) (RailChange, bool) {
	switch slow := r.state != RailCarries; {
	case slow && r.slowed.IsZero():
		r.slowed = now
	case !slow && !r.slowed.IsZero():
		r.slow += now.Sub(r.slowed)
		r.slowed = time.Time{}
	case r.state == before || r.state == RailCarries:
		return RailChange{}, false
	}
	return r.change(best, false), true
}

func (r *railHealth) change(best *railHealth, lasts bool) RailChange {
	return RailChange{Rail: r.name, Best: best.name, rail: r, best: best, State: r.state, Part: r.part, Expected: r.expected(best), Lasts: lasts}
}

// lasts says, once for each worse state, that a rail has been slow for long.
func (r *railHealth) lasts(now time.Time) bool {
	switch {
	case r.slowed.IsZero():
		r.lasting = RailCarries
	case now.Sub(r.slowed) >= lastsFrom && r.state > r.lasting:
		r.lasting = r.state
		return true
	}
	return false
}

// late says whether what a rail has under way should go over others, that have nothing to do.
func (h *health) late(r *railHealth) bool {
	if !h.limited(r) || r.flight <= 0 || h.best.idle == 0 {
		return false
	}
	again := float64(r.flight)/max(h.best.rate(), 1e-9) + h.best.latency.Seconds()
	return float64(r.flight) > lateBy*again*r.rate()
}

// report is what there is to say of it.
func (r *railHealth) report(now time.Time) RailHealth {
	r.fold(now)
	out := RailHealth{State: r.state, Latency: r.latency, Part: r.part, Slow: r.slow}
	if r.busy > 0 {
		out.Rate = r.data / r.busy
	}
	if !r.slowed.IsZero() {
		out.Slow += now.Sub(r.slowed)
	}
	return out
}
