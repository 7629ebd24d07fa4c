package verbs

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"scp_rdma/transport"
	"scp_rdma/transport/verbs/internal/nic"
)

const (
	// pollBatch is how many completions one call takes.
	pollBatch = 64
	// spin is how long a poller looks again before it sleeps. Waking up takes some
	// 5 to 20 us, about what a small frame and its credit take on the way. Not
	// where it would take a processor from those who do the work.
	spin = 20 * time.Microsecond
)

// poller is a CQ and the goroutine that empties it.
type poller struct {
	cq     nic.CQ
	cancel context.CancelFunc
	work   sync.WaitGroup
	spin   time.Duration
	last   atomic.Int64 // when the last completion came, in ns since 1970

	mu    sync.Mutex
	room  int
	links map[uint32]*link // by QPN
}

func newPoller(dev nic.Device, room int, cores []int) (*poller, error) {
	cq, err := dev.CreateCQ(room)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &poller{cq: cq, cancel: cancel, room: room, links: map[uint32]*link{}}
	if runtime.GOMAXPROCS(0) > 2 {
		p.spin = spin
	}
	p.work.Go(func() { transport.OnCores(cores, func() { p.run(ctx) }) })
	return p, nil
}

// take takes room for n completions, if it is there.
func (p *poller) take(n int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.room < n {
		return false
	}
	p.room -= n
	return true
}

// add makes the poller serve a link.
func (p *poller) add(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.links[l.qpn] = l
}

// remove stops serving a link and gives the room back that was taken for it.
func (p *poller) remove(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.room += l.sqDepth + l.rqDepth
	if p.links[l.qpn] == l {
		delete(p.links, l.qpn)
	}
}

func (p *poller) all() []*link {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Values(p.links))
}

// stop ends the goroutine and destroys the CQ.
func (p *poller) stop() error {
	p.cancel()
	p.work.Wait()
	return p.cq.Close()
}

// run empties the queue; if it stays empty, it arms, looks once more for what
// came in between, and sleeps until the next completion.
func (p *poller) run(ctx context.Context) {
	batch := make([]nic.WC, pollBatch)
	armed := false
	idle := time.Time{}
	for {
		n, err := p.cq.Poll(batch)
		switch {
		case err != nil:
		case n > 0:
			p.dispatch(batch[:n])
			armed, idle = false, time.Time{}
		case p.spin > 0 && idle.IsZero():
			idle = time.Now()
		case p.spin > 0 && !armed && time.Since(idle) < p.spin:
		case !armed:
			armed, err = true, p.cq.Arm()
		default:
			armed, err = false, p.cq.Wait(ctx)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			for _, l := range p.all() {
				l.fail(fmt.Errorf("completions: %w", err))
			}
			return
		}
	}
}

// dispatch gives completions to their links. One of a QP that is gone belongs to nobody.
func (p *poller) dispatch(batch []nic.WC) {
	p.last.Store(time.Now().UnixNano())
	for _, wc := range batch {
		p.mu.Lock()
		l := p.links[wc.QPN]
		p.mu.Unlock()
		if l != nil {
			l.complete(wc)
		}
	}
}
