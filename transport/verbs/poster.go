package verbs

import (
	"fmt"

	"scp_rdma/transport/verbs/internal/nic"
)

// poster is what a link has to post on its send queue, and the goroutine that
// does. A device in software carries a request within the call that posts it:
// soft-RoCE of Linux 6.1 spends 13 of 15 ms per MiB there on an emulated CPU
// (bench/results/2026-11-23.md). Whoever posted by himself would neither fill the
// next slot nor take a completion meanwhile. What has piled up goes in one call.
type poster struct {
	pending, spare []nic.SendWR // pending under the link's mu, spare the goroutine's
	kick           chan struct{}
	quit           chan struct{}
	over           chan struct{}
}

func newPoster() poster {
	return poster{kick: make(chan struct{}, 1), quit: make(chan struct{}), over: make(chan struct{})}
}

// hand gives requests to the goroutine, in order; the link's mu is held.
func (p *poster) hand(chain []nic.SendWR) {
	p.pending = append(p.pending, chain...)
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

// take is all that is to be posted; the link's mu is held.
func (p *poster) take() []nic.SendWR {
	batch := p.pending
	p.pending, p.spare = p.spare[:0], batch
	return batch
}

// postAll is the goroutine.
func (l *link) postAll() {
	defer close(l.over)
	for {
		select {
		case <-l.kick:
		case <-l.quit:
			return
		}
		for l.postNext() {
		}
	}
}

// postNext posts what is pending; false if that is nothing, or the stream is dead.
func (l *link) postNext() bool {
	l.mu.Lock()
	batch := l.take()
	gone := l.state == dead || l.state == freed
	l.mu.Unlock()
	if gone || len(batch) == 0 {
		return false
	}
	if n, err := l.qp.PostSend(batch); err != nil {
		l.fail(fmt.Errorf("QP %d: %d of %d requests posted: %w", l.qpn, n, len(batch), err))
		return false
	}
	return true
}

// stopPosting ends the goroutine and waits for it.
func (l *link) stopPosting() {
	close(l.quit)
	<-l.over
}
