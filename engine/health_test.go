package engine

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"scp_rdma/planner"
)

// line is a rail of these tests: what is under way arrives in turn, at a rate.
type line struct {
	*railHealth
	rate float64 // bytes per second
	held []unitSent
	left float64 // cost of the first that has not crossed yet
	took int     // units
}

type unitSent struct {
	cost int64
	at   time.Time
}

// play has lines carry for a while, each with up to depth units under way, out of a plan without
// end. each is called after each step of a millisecond.
func play(h *health, lines []*line, depth int, from time.Time, d time.Duration, each func(now time.Time)) time.Time {
	now := from
	for end := from.Add(d); now.Before(end); now = now.Add(time.Millisecond) {
		for _, l := range lines {
			for budget := l.rate / 1000; budget > 0 && len(l.held) > 0; {
				n := min(budget, l.left)
				budget -= n
				if l.left -= n; l.left > 0.5 {
					break
				}
				u := l.held[0]
				l.held = l.held[1:]
				h.acked(l.railHealth, u.cost, int(u.cost), now.Sub(u.at), now)
				if len(l.held) > 0 {
					l.left = float64(l.held[0].cost)
				}
			}
			for len(l.held) < depth {
				n := h.room(l.railHealth, rest{left: planner.Left{Bytes: math.MaxInt32}}, now)
				if n == 0 {
					break
				}
				if len(l.held) == 0 {
					l.left = float64(n)
				}
				l.held = append(l.held, unitSent{n, now})
				l.took++
				l.sent(n, now)
			}
		}
		if now.UnixMilli()%railTick.Milliseconds() == 0 {
			h.judge(now)
		}
		if each != nil {
			each(now)
		}
	}
	return now
}

// lay makes lines of these rates, with a stream on each.
func lay(now time.Time, rates ...float64) (*health, []*line) {
	h := &health{slot: 1 << 20}
	var lines []*line
	for i, rate := range rates {
		r := h.add(string(rune('a'+i)), 0, now)
		r.streams = 1
		lines = append(lines, &line{railHealth: r, rate: rate})
	}
	return h, lines
}

func TestARailIsGivenWhatItDoesBesideTheOthers(t *testing.T) {
	for name, c := range map[string]struct {
		rate float64 // beside 1e9
		want RailState
	}{
		"as good":        {1e9, RailCarries},
		"half":           {0.52e9, RailCarries},
		"two in five":    {0.4e9, RailCarries},
		"a quarter":      {0.25e9, RailLess},
		"a tenth":        {0.1e9, RailLess},
		"a twentieth":    {0.05e9, RailLess},
		"a hundredth":    {0.01e9, RailNone},
		"next to none":   {1, RailNone},
		"nothing at all": {0, RailNone},
	} {
		start := time.Unix(1000, 0)
		h, lines := lay(start, 1e9, c.rate)
		probed := false
		play(h, lines, 8, start, 3*time.Second, func(now time.Time) {
			probed = probed || c.want == RailNone && lines[1].state == RailLess
		})
		if got := lines[1].state; got != c.want && !probed || lines[0].state != RailCarries {
			t.Errorf("%s: %v, and %v for the other", name, got, lines[0].state)
		}
	}
}

// Alone, or with nobody better, a rail carries, whatever it was given before.
func TestTheLastRailCarries(t *testing.T) {
	start := time.Unix(1000, 0)
	h, lines := lay(start, 1e9, 1e7)
	now := play(h, lines, 8, start, 2*time.Second, nil)
	if lines[1].state == RailCarries {
		t.Fatal("it was not slow")
	}
	lines[0].streams = 0
	lines[0].lost(lines[0].flight, now)
	lines[0].held = nil
	h.judge(now)
	if h.limited(lines[1].railHealth) || lines[1].state != RailCarries {
		t.Errorf("%v, with nobody else there", lines[1].state)
	}
	if n := h.room(lines[1].railHealth, rest{}, now); n != h.slot {
		t.Errorf("room for %d", n)
	}
}

// What gets nothing is tried with little, after pauses that grow; and has its share soon after
// it is well again.
func TestARailWithoutAnythingIsProbed(t *testing.T) {
	start := time.Unix(1000, 0)
	h, lines := lay(start, 1e9, 2e5)
	slow := lines[1]
	now := play(h, lines, 4, start, 2*time.Second, nil)
	slow.held, slow.left = nil, 0 // others carry that
	slow.lost(slow.flight, now)
	var pauses []time.Duration
	took, last := slow.took, now
	now = play(h, lines, 4, now, time.Minute, func(now time.Time) {
		if slow.took > took {
			if n := slow.held[len(slow.held)-1].cost; n > h.piece() {
				t.Fatalf("a probe of %d bytes", n)
			}
			pauses = append(pauses, now.Sub(last))
			took, last = slow.took, now
		}
	})
	if n := len(pauses); n < 4 || n > 12 || pauses[n-1] < 4*probePause {
		t.Errorf("pauses: %v", pauses)
	}
	slow.rate = 1e9
	now = play(h, lines, 4, now, lanePauseMax+2*time.Second, nil)
	if slow.state != RailCarries {
		t.Fatalf("%v, and well for long", slow.state)
	}
	a, b := lines[0].took, slow.took
	play(h, lines, 4, now, time.Second, nil)
	if a, b = lines[0].took-a, slow.took-b; b < a*9/10 {
		t.Errorf("%d units where the other had %d", b, a)
	}
}

// A rail between the two bounds stays what it is.
func TestARailDoesNotGoToAndFro(t *testing.T) {
	start := time.Unix(1000, 0)
	h, lines := lay(start, 1e9, 1e9)
	rng, changes := rand.New(rand.NewPCG(1, 2)), 0
	before := lines[1].state
	play(h, lines, 8, start, 20*time.Second, func(now time.Time) {
		lines[1].rate = (0.37 + 0.1*rng.Float64()) * 1e9
		if lines[1].state != before {
			changes++
		}
		before = lines[1].state
	})
	if changes > 1 {
		t.Errorf("%d changes", changes)
	}
}

// What is under way on a slow rail is late only if others wait, and would have it done much sooner.
func TestWhatIsLate(t *testing.T) {
	start := time.Unix(1000, 0)
	h, lines := lay(start, 1e9, 1e9)
	now := play(h, lines, 8, start, time.Second, nil)
	a, b := lines[0].railHealth, lines[1].railHealth
	lines[1].rate = 1e7
	for b.state == RailCarries {
		now = play(h, lines, 8, now, railTick, nil)
	}
	now = play(h, lines, 8, now, 200*time.Millisecond, nil)
	if h.late(b) {
		t.Error("late, and nobody waits")
	}
	a.idle = 1
	if !h.late(b) || h.late(a) {
		t.Errorf("not late: %+v", b)
	}
	b.lost(b.flight, now)
	if h.late(b) {
		t.Error("nothing is late")
	}
}

// FuzzHealth: whatever rails do, and come and go, one of those that there are is given all, no
// unit is larger than a slot, and no number is none.
func FuzzHealth(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		rng := rand.New(rand.NewPCG(seed, 3))
		start := time.Unix(1000, 0)
		var rates []float64
		for range 1 + rng.IntN(4) {
			rates = append(rates, math.Pow(10, 4+6*rng.Float64()))
		}
		h, lines := lay(start, rates...)
		now := start
		for range 20 {
			l := lines[rng.IntN(len(lines))]
			switch rng.IntN(4) {
			case 0:
				l.rate = math.Pow(10, 4+6*rng.Float64())
			case 1:
				l.rate = 0
			case 2:
				l.streams = 1 - l.streams
				if l.streams == 0 {
					l.lost(l.flight, now)
					l.held = nil
				}
			}
			var up []*line
			for _, l := range lines {
				if l.streams > 0 {
					up = append(up, l)
				}
			}
			now = play(h, up, 1+rng.IntN(8), now, time.Duration(rng.IntN(300))*time.Millisecond, nil)
			for _, c := range h.judge(now.Add(lastsFrom)) {
				if r := lines[c.Rail[0]-'a']; r.streams == 0 {
					t.Fatalf("of a rail without streams: %+v", c)
				}
			}
			some := len(up) == 0
			for _, l := range up {
				some = some || !h.limited(l.railHealth)
				r := rest{left: planner.Left{Bytes: rng.Int64N(1 << 40)}, last: rng.IntN(2) == 0, window: rng.Int64N(2) << 26}
				if n := h.room(l.railHealth, r, now); n < 0 || n > h.slot {
					t.Fatalf("room for %d", n)
				}
				if got := l.report(now); math.IsNaN(got.Part+got.Rate) || math.IsInf(got.Part+got.Rate, 0) || got.Rate < 0 || l.flight < 0 {
					t.Fatalf("%+v, %d under way", got, l.flight)
				}
			}
			if !some {
				t.Fatal("no rail carries what it can")
			}
		}
	})
}

// A slow rail and all others may lose their streams: then there is nothing to say of it.
func TestNothingIsToldOfASlowRailThatIsGone(t *testing.T) {
	start := time.Unix(1000, 0)
	h, lines := lay(start, 1e9, 1e7)
	now := play(h, lines, 4, start, time.Second, nil)
	if lines[1].state == RailCarries {
		t.Fatal("a rail at a hundredth isn't slow")
	}
	for _, l := range lines {
		l.streams = 0
		l.lost(l.flight, now)
	}
	if told := h.judge(now.Add(2 * lastsFrom)); len(told) > 0 {
		t.Errorf("without any stream: %+v", told)
	}
	lines[0].streams = 1
	if told := h.judge(now.Add(2 * lastsFrom)); len(told) > 0 {
		t.Errorf("without a stream of its own: %+v", told)
	}
	lines[1].streams = 1
	if told := h.judge(now.Add(2 * lastsFrom)); len(told) != 1 || !told[0].Lasts {
		t.Errorf("with all of them again: %+v", told)
	}
}

// It is told once that a rail goes on being slow, and once more when it gets nothing; not of one
// that was slow for a moment.
func TestThatARailIsSlowLasts(t *testing.T) {
	r := &railHealth{}
	start := time.Unix(1000, 0)
	for i, step := range []struct {
		after time.Duration
		state RailState
		told  bool
	}{
		{0, RailLess, false}, {lastsFrom - 1, RailLess, false}, {lastsFrom, RailCarries, false}, // for a moment
		{10 * time.Second, RailLess, false}, {10*time.Second + lastsFrom, RailLess, true}, {15 * time.Second, RailLess, false},
		{16 * time.Second, RailNone, true}, {17 * time.Second, RailLess, false}, {18 * time.Second, RailNone, false},
		{20 * time.Second, RailCarries, false}, {21 * time.Second, RailLess, false}, {21*time.Second + lastsFrom, RailLess, true},
	} {
		now, before := start.Add(step.after), r.state
		r.state = step.state
		r.changed(before, r, now)
		if told := r.lasts(now); told != step.told {
			t.Errorf("step %d: told %v", i, told)
		}
	}
}
