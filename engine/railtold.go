package engine

import (
	"fmt"
	"sync"
	"time"

	"scp_rdma/wire"
)

// tellRail tells a client that fetches that one of its rails is given more or less. One that is
// gone need not know.
func (s *sender) tellRail(c RailChange) {
	if !s.tellsRails {
		return
	}
	m := s.railTold(c.rail)
	m.Best, m.Event, m.State, m.Part, m.Expected = c.best.far, wire.RailChanged, uint8(c.State), millionths(c.Part), c.Expected
	if c.Lasts {
		m.Event = wire.RailLasts
	}
	_ = s.conn.Send(m)
}

// tellRails tells a client that fetches what each of its rails did.
func (s *sender) tellRails() {
	if !s.tellsRails {
		return
	}
	for _, l := range s.routes.first().lanes {
		if l.count.health != nil {
			_ = s.conn.Send(s.railTold(l.count.health))
		}
	}
}

// railTold is what there is to say of a rail now.
func (s *sender) railTold(r *railHealth) *wire.RailHealth {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := r.report(time.Now())
	return &wire.RailHealth{
		Rail: r.far, State: uint8(now.State), Part: millionths(now.Part),
		Rate: uint64(now.Rate), Latency: int64(now.Latency), Slow: int64(now.Slow),
	}
}

// millionths of a part, which is said to be no more than the whole.
func millionths(part float64) uint32 { return uint32(min(max(part, 0), 1) * wire.FullPart) }

// toldRails is what a server has told of the rails that it sends over, by this side's names.
type toldRails struct {
	mu  sync.Mutex
	all map[string]RailHealth
}

// of is what it told of one last.
func (t *toldRails) of(name string) RailHealth {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all[name]
}

func (t *toldRails) put(name string, h RailHealth) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		t.all = map[string]RailHealth{}
	}
	t.all[name] = h
}

// takeRail takes what a server says of a rail.
func (f *fetching) takeRail(m *wire.RailHealth) error {
	if !f.has(m.Rail) || m.Event != wire.RailTold && !f.has(m.Best) {
		return fmt.Errorf("the state of rail %q beside %q, which are not there: %w", m.Rail, m.Best, ErrProtocol)
	}
	h := RailHealth{
		State: RailState(m.State), Rate: float64(m.Rate), Latency: time.Duration(m.Latency),
		Part: float64(m.Part) / wire.FullPart, Slow: time.Duration(m.Slow),
	}
	f.rails.put(m.Rail, h)
	if m.Event != wire.RailTold && f.observer != nil {
		f.observer.RailChanged(RailChange{Rail: m.Rail, Best: m.Best, State: h.State, Part: h.Part, Expected: m.Expected, Lasts: m.Event == wire.RailLasts})
	}
	return nil
}

// has says whether a rail is among those of this side.
func (f *fetching) has(rail string) bool {
	for _, way := range f.ways {
		for _, l := range way.lanes {
			if l.rail == rail {
				return true
			}
		}
	}
	return false
}
