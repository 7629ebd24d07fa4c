package softnic

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"scp_rdma/transport/verbs/internal/nic"
)

// done is a completion, and what becomes free when it is polled.
type done struct {
	wc           nic.WC
	q            *qp
	sends, recvs int
}

// cq is a completion queue.
type cq struct {
	object
	dev   *device
	room  int
	queue []done
	armed bool
	event chan struct{} // of one element
	once  sync.Once
	gone  chan struct{}
}

// CreateCQ implements nic.Device.
func (d *device) CreateCQ(n int) (nic.CQ, error) {
	d.f.mu.Lock()
	defer d.f.mu.Unlock()
	if n < 1 || n > d.hw.MaxCQE {
		return nil, fmt.Errorf("create CQ of %d on %s: %w", n, d.hw.Name, unix.EINVAL)
	}
	c := &cq{object: object{f: d.f, kind: "CQ"}, dev: d, room: n, event: make(chan struct{}, 1), gone: make(chan struct{})}
	if err := c.grow(&d.object); err != nil {
		return nil, err
	}
	return c, nil
}

// add puts a completion in; one too many is lost, and an event. f.mu is held.
func (c *cq) add(d done) {
	if len(c.queue) >= c.room {
		c.dev.tell(nic.Event{Type: nic.EventCQError})
		return
	}
	c.queue = append(c.queue, d)
	if c.armed {
		c.armed = false
		select {
		case c.event <- struct{}{}:
		default:
		}
	}
}

// Poll implements nic.CQ.
func (c *cq) Poll(batch []nic.WC) (int, error) {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	if err := c.use("poll"); err != nil {
		return 0, err
	}
	n := min(len(batch), len(c.queue))
	for i, d := range c.queue[:n] {
		batch[i] = d.wc
		d.q.sqUsed -= d.sends
		d.q.rqUsed -= d.recvs
	}
	c.queue = append(c.queue[:0], c.queue[n:]...)
	return n, nil
}

// Arm implements nic.CQ.
func (c *cq) Arm() error {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	c.armed = true
	return c.use("arm")
}

// Wait implements nic.CQ.
func (c *cq) Wait(ctx context.Context) error {
	_, err := within(ctx, c.event, c.gone)
	return err
}

// Close implements nic.CQ.
func (c *cq) Close() error {
	c.once.Do(func() { close(c.gone) })
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	_, err := c.end()
	return err
}
