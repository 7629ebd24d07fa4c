package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"scp_rdma/transport"
)

// crowdOf is sessions that spend one budget, as their two ends would.
type crowdOf struct {
	t     *testing.T
	b     *budget
	now   time.Time
	rnd   *rand.Rand
	all   []*party
	asked []*askedFor // not answered yet
	size  int         // of a slot
}

// party is one session of it.
type party struct {
	s      *spender
	leases map[uint32]*lease
	ending []*lease // were told to end and haven't yet
	most   map[uint32]int
	aside  int64
}

type askedFor struct {
	p       *party
	l       *lease
	starves bool // it had nothing, and was alone with that
}

func newCrowdOf(t *testing.T, limit int64, sessions int, seed uint64) *crowdOf {
	q := Quota{Sessions: sessions, Memory: limit}
	return &crowdOf{
		t: t, b: &budget{limit: limit}, now: time.Unix(1, 0), rnd: rand.New(rand.NewPCG(seed, 2)), //nolint:gosec // not a secret
		size: q.slotSize(),
	}
}

func (c *crowdOf) floor() int64 { return floorSlots * int64(c.size+transport.HeadRoom) }

func (c *crowdOf) join() *party {
	s, ok := c.b.join(c.floor())
	if !ok {
		return nil
	}
	p := &party{s: s, leases: map[uint32]*lease{}, most: map[uint32]int{}}
	c.all = append(c.all, p)
	return p
}

func (c *crowdOf) leave(p *party) {
	for _, a := range c.asked {
		if a.p == p {
			c.b.end(a.l, c.now)
		}
	}
	c.asked = slices.DeleteFunc(c.asked, func(a *askedFor) bool { return a.p == p })
	for _, l := range p.leases {
		c.b.end(l, c.now)
	}
	for _, l := range p.ending {
		c.b.end(l, c.now)
		c.b.end(l, c.now) // once more changes nothing
	}
	if p.aside > 0 {
		c.b.giveBack(p.aside)
	}
	c.b.leave(p.s, c.now)
	c.all = slices.DeleteFunc(c.all, func(o *party) bool { return o == p })
}

// ask has a session ask for a stream that it has not.
func (c *crowdOf) ask(p *party, stream uint32, slots, size int) *askedFor {
	held, _ := p.s.held(c.now)
	a := &askedFor{p: p, starves: held == 0 && !slices.ContainsFunc(c.asked, func(o *askedFor) bool { return o.p == p })}
	a.l = newLease(stream, slots, size, func(keep int) {
		if keep >= a.l.slots {
			c.t.Fatalf("told to come again with %d slots of %d", keep, a.l.slots)
		}
		p.most[stream] = keep
		delete(p.leases, stream)
		p.ending = append(p.ending, a.l)
	})
	a.l.of, a.l.whole = p.s, c.rnd.IntN(2) == 0
	c.asked = append(c.asked, a)
	c.b.ask(a.l, c.now)
	return a
}

// hear takes the answers that are there.
func (c *crowdOf) hear() {
	c.asked = slices.DeleteFunc(c.asked, func(a *askedFor) bool {
		select {
		case n := <-a.l.told:
			if n == 0 {
				a.p.most[a.l.stream] = 0
				if a.starves && !c.anyLate() {
					c.t.Fatalf("a session that has nothing gets nothing: %d slots of %d bytes, share %d", a.l.slots, a.l.each, c.b.share())
				}
				return true
			}
			if n < a.l.slots {
				a.p.most[a.l.stream] = n
				return true
			}
			if !slices.Contains(a.p.ending, a.l) {
				a.p.leases[a.l.stream] = a.l
			}
			return true
		default:
			return false
		}
	})
}

// anyLate says whether a stream has not ended that should have.
func (c *crowdOf) anyLate() bool {
	return slices.ContainsFunc(c.all, func(p *party) bool {
		return slices.ContainsFunc(p.s.leases, func(l *lease) bool { return l.late(c.now) })
	})
}

// holds is what every moment has to have.
func (c *crowdOf) holds() {
	c.t.Helper()
	var used int64
	for _, p := range c.all {
		used += p.aside
		for _, l := range p.s.leases {
			used += l.size()
		}
	}
	if used != c.b.used || used > c.b.limit || c.b.owed < 0 {
		c.t.Fatalf("%d bytes are leased, %d booked, of %d", used, c.b.used, c.b.limit)
	}
}

// settle has all streams that were told to end do so, until nobody waits.
func (c *crowdOf) settle() {
	for {
		c.hear()
		any := false
		for _, p := range c.all {
			ending := p.ending
			p.ending = nil
			for _, l := range ending {
				c.b.end(l, c.now)
				c.holds()
				any = true
			}
		}
		if !any {
			break
		}
	}
	if len(c.asked) > 0 {
		c.t.Fatalf("%d wait, and nobody is to end", len(c.asked))
	}
}

func TestABudgetIsKeptWhateverComesAndGoes(t *testing.T) {
	for seed := range uint64(20) {
		const limit, most = 64 << 20, 24
		c := newCrowdOf(t, limit, most, seed)
		for range 3000 {
			c.now = c.now.Add(time.Duration(c.rnd.IntN(1000)) * time.Millisecond)
			switch n := c.rnd.IntN(20); {
			case n == 0 && len(c.all) < most:
				if p := c.join(); p == nil {
					if !slices.ContainsFunc(c.all, func(p *party) bool { return p.aside > 0 }) {
						t.Fatalf("the session after %d has no room", len(c.all))
					}
				} else if c.rnd.IntN(10) == 0 {
					if p.aside = c.b.set(p.s, c.floor(), limit/8); p.aside == 0 {
						c.leave(p)
					}
				}
			case n == 1 && len(c.all) > 0:
				c.leave(c.all[c.rnd.IntN(len(c.all))])
			case n < 12 && len(c.all) > 0:
				p := c.all[c.rnd.IntN(len(c.all))]
				stream := uint32(c.rnd.IntN(6))
				waits := slices.ContainsFunc(c.asked, func(a *askedFor) bool { return a.p == p && a.l.stream == stream })
				if p.leases[stream] == nil && !waits && p.aside == 0 {
					c.ask(p, stream, 1+c.rnd.IntN(16), []int{c.size, c.size, 64 << 10, 4096}[c.rnd.IntN(4)])
				}
			case n < 16 && len(c.all) > 0:
				p := c.all[c.rnd.IntN(len(c.all))]
				for stream, l := range p.leases { // any
					switch c.rnd.IntN(4) {
					case 0:
						l.busy()
					case 1:
						l.rest(c.now)
					case 2:
						c.b.end(l, c.now)
						delete(p.leases, stream)
					}
					break
				}
			default:
				if len(c.all) > 0 {
					p := c.all[c.rnd.IntN(len(c.all))]
					ending := p.ending
					p.ending = nil
					for _, l := range ending {
						c.b.end(l, c.now)
					}
				}
			}
			c.hear()
			c.holds()
		}
		c.settle()
		for len(c.all) > 0 {
			c.leave(c.all[0])
		}
		if c.b.used != 0 || c.b.aside != 0 || len(c.b.queue) != 0 {
			t.Fatalf("%+v is left", c.b)
		}
	}
}

// Whoever wants much ends with about as much as each other, and streams stop ending: those
// that came last have not less than those that came first.
func TestABudgetIsSharedFairlyAndThenStaysAsItIs(t *testing.T) {
	for _, sessions := range []int{2, 3, 7, 16, 63, 64} {
		t.Run(fmt.Sprint(sessions), func(t *testing.T) {
			c := newCrowdOf(t, 64<<20, 64, 1)
			greed := func(p *party) {
				for stream := range uint32(4) {
					for p.leases[stream] == nil {
						want := p.most[stream]
						if want == 0 {
							want = 16
						}
						p.most[stream] = 0
						c.ask(p, stream, want, c.size)
						c.settle()
						if p.leases[stream] == nil && p.most[stream] == 0 {
							break // not yet
						}
					}
				}
			}
			for range sessions {
				greed(c.join())
				small := c.join() // which would be the last
				if small == nil {
					continue
				}
				c.ask(small, 0, floorSlots, c.size)
				c.settle()
				if l := small.leases[0]; l == nil || l.slots != floorSlots {
					t.Fatalf("a small session has %+v", l)
				}
				c.leave(small)
			}
			for range 10 { // they try again
				for _, p := range c.all {
					greed(p)
				}
			}
			ceded := c.b.ceded
			for range 10 {
				for _, p := range c.all {
					greed(p)
				}
			}
			if c.b.ceded != ceded {
				t.Errorf("%d streams ended though nobody came", c.b.ceded-ceded)
			}
			least, most := int64(1<<60), int64(0)
			for _, p := range c.all {
				held, _ := p.s.held(c.now)
				least, most = min(least, held), max(most, held)
			}
			share := c.b.share()
			if least < share/2 || most > 2*share {
				t.Errorf("from %d to %d bytes, the share is %d", least, most, share)
			}
		})
	}
}

// A stream that carries nothing comes again as small as it can be, before one that carries is
// touched.
func TestIdleStreamsMakeRoomFirst(t *testing.T) {
	c := newCrowdOf(t, 64<<20, 4, 1)
	idle, busy := c.join(), c.join()
	for stream := range uint32(2) {
		for _, p := range c.all {
			c.ask(p, stream, 4, 4<<20-transport.HeadRoom)
			c.settle()
		}
	}
	c.now = c.now.Add(idleAfter + time.Second)
	for _, l := range busy.leases {
		l.rest(c.now)
	}
	third := c.join()
	c.ask(third, 0, 4, 4<<20-transport.HeadRoom)
	c.settle()
	if len(busy.leases) != 2 || len(third.leases) != 1 || third.leases[0].slots != 4 || len(idle.leases) != 1 {
		t.Errorf("busy %d, idle %d, third %d streams", len(busy.leases), len(idle.leases), len(third.leases))
	}
	// It has no more than its share, of which it makes no use.
	fourth := c.join()
	c.ask(fourth, 0, 4, 4<<20-transport.HeadRoom)
	c.settle()
	for stream, l := range idle.leases {
		t.Errorf("stream %d has %d slots", stream, l.slots)
	}
	if len(busy.leases) == 0 || len(fourth.leases) != 1 {
		t.Errorf("busy %d, fourth %d streams", len(busy.leases), len(fourth.leases))
	}
}

// Memory that is taken away is not missed by those who have it, nor had by others.
func TestABudgetThatShrinksWaitsForWhatIsLeased(t *testing.T) {
	c := newCrowdOf(t, 64<<20, 8, 1)
	p := c.join()
	c.ask(p, 0, 16, c.size)
	c.settle()
	had, other := c.b.used, c.join()
	c.b.change(4<<20, c.now)
	if c.ask(other, 0, 2, 4096); len(c.asked) != 1 || c.b.used != had || len(p.ending) != 1 {
		t.Errorf("%d wait, %d booked, %d are to end", len(c.asked), c.b.used, len(p.ending))
	}
	c.settle()
	if c.b.used > 4<<20 {
		t.Errorf("%d bytes booked", c.b.used)
	}
}

// A stream that does not end, as its disk hangs, is not all that is waited for.
func TestAStreamThatDoesNotEndIsNotWaitedForAlone(t *testing.T) {
	c := newCrowdOf(t, 64<<20, 4, 1)
	p, other := c.join(), c.join()
	for stream := range uint32(4) {
		c.ask(p, stream, 4, 4<<20-transport.HeadRoom)
		c.settle()
	}
	c.ask(other, 0, 4, 4<<20-transport.HeadRoom)
	if len(p.ending) != 1 {
		t.Fatalf("%d are to end", len(p.ending))
	}
	c.now = c.now.Add(endsWithin)
	c.b.settle(c.now)
	if len(p.ending) != 2 {
		t.Fatalf("%d are to end", len(p.ending))
	}
	c.b.end(p.ending[1], c.now)
	p.ending = p.ending[:1]
	if c.hear(); len(other.leases) != 1 {
		t.Error("the other has nothing")
	}
}
