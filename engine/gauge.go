package engine

import (
	"sync"

	"scp_rdma/transport"
)

// slotGauge knows the streams of a session that are joined, and how many slots each has.
type slotGauge struct {
	mu   sync.Mutex
	list map[transport.Stream]int
}

// join enters a stream; leave takes it out.
func (g *slotGauge) join(st transport.Stream, slots int, c *railCount) (leave func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.list == nil {
		g.list = map[transport.Stream]int{}
	}
	g.list[st] = slots
	c.open.Add(1)
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.list, st)
		c.open.Add(-1)
	}
}

// read gives how many slots there are, and how many of them are in use.
func (g *slotGauge) read() (slots, inUse int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for st, n := range g.list {
		slots += n
		if s, ok := st.(transport.Gauged); ok {
			inUse += s.InUse()
		}
	}
	return slots, inUse
}
