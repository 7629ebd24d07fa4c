package verbs

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"scp_rdma/transport"
	"scp_rdma/transport/verbs/internal/nic"
	"scp_rdma/wire"
)

const (
	// lastWords bounds the wait for the peer at Close, drainWait that for a device
	// to flush: together less than the few seconds that Close may take.
	lastWords = 2 * time.Second
	drainWait = 2 * time.Second
	// drainIWARP is drainWait for iWARP: siw has given all back when ERR is reached,
	// and never gives back what came later (Linux 6.1, siw_qp.c).
	drainIWARP = 100 * time.Millisecond
)

// role is what differs between the two directions. All is called with mu held.
type role interface {
	take(c wire.CDC) error  // a CDC of the peer's
	ping() error            // asks whether the peer is there, if that is its part
	idle(upTo uint64) error // frames before upTo have left their slots
	full(c wire.CDC) bool   // it can't be taken now: its receive is kept back
	due() uint64            // the number of the frame that comes next
	settle() error          // the send queue has room again
}

// link is the QP of a stream with all it stands on: what both directions share.
type link struct {
	req  transport.OpenRequest
	d    *domain
	p    *poller
	role role
	port nic.Port // as Open found it

	slab  *transport.Slab
	slots []*transport.Slot // cut from the slab
	mr    nic.MR            // of the slab
	ring  *transport.Slab   // receives, then CDCs that are not inline
	rmr   nic.MR            // of the ring
	qp    nic.QP
	qpn   uint32

	mine, theirs []byte // offers
	far          wire.VerbsOffer
	imm          bool     // both ends take frames with immediate data
	kind         uint8    // of the own GID, on which the way begins; 0: it is not known yet
	gid          [16]byte // under mu, as kind
	meeting      *meeting // nil: not by rdma_cm

	wake   chan struct{} // something changed for the one call that waits
	proved chan struct{} // closed when both Hellos are said
	failed chan struct{} // closed when the stream is dead
	closed chan struct{} // closed by Close
	done   chan struct{} // closed when nothing of ours is left to say
	empty  chan struct{} // closed when the device has given everything back

	mu sync.Mutex
	poster
	state   state
	err     error     // why it is dead
	inError bool      // the QP is in ERR
	shut    bool      // Close was called
	saying  bool      // done is to be closed when the send queue is empty
	heard   time.Time // when the peer's last message came; on iWARP
	deaf    bool      // that was too long ago at the last look
	queues
}

// move changes the state by the table; mu is held.
func (l *link) move(s step) bool {
	to, ok := l.state.next(s)
	l.state = to
	return ok
}

// nudge tells the call that waits to look again.
func (l *link) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// fail ends the stream with its first error, and moves the QP to ERR: the peer's
// next request finds nobody.
func (l *link) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.die(err)
}

// die is fail with mu held.
func (l *link) die(err error) {
	if l.state == dead || !l.move(fails) {
		return
	}
	l.err = err
	if l.meeting != nil {
		l.meeting.stop()
	}
	l.inError = l.qp.ToError() == nil // else destroying the QP has to do
	close(l.failed)
}

// left ends the stream if its own address is not among those that its port has now.
func (l *link) left(p nic.Port) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.kind == 0 || p.Number != l.port.Number {
		return
	}
	if err := moved(l.port, p, l.kind, l.gid); err != nil {
		l.die(fmt.Errorf("QP %d: rail %s: %w", l.qpn, l.Rail(), err))
	}
}

// wrap says where an error happened.
func (l *link) wrap(op string, err error) error {
	return &transport.StreamError{Op: op, Rail: l.Rail(), Stream: l.req.Stream, Err: err}
}

// Rail implements transport.Stream.
func (l *link) Rail() string { return l.req.Pair.Local.Name }

// Broken implements transport.Breaker.
func (l *link) Broken() <-chan struct{} { return l.failed }

// usable says why a call can't be made any more; mu is held.
func (l *link) usable() error {
	switch {
	case l.shut:
		return transport.ErrClosed
	case l.state == dead || l.state == freed:
		return l.err
	}
	return nil
}

// await calls look, with mu held, until it says that it is done, and waits for
// news in between. ctx, Close and the stream's death end it.
func (l *link) await(ctx context.Context, look func() (done bool, err error)) error {
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		l.mu.Lock()
		done, err := look()
		l.mu.Unlock()
		if done || err != nil {
			return err
		}
		select {
		case <-l.wake:
		case <-l.failed:
		case <-l.closed:
		case <-ctx.Done():
		}
	}
}

// close ends the stream: clean says that word is the last of a good end, else
// the peer is told that there will be no more. The peer's answer to a clean end,
// or at least that it has taken the word, is waited for, but not for long.
func (l *link) close(clean bool, word wire.CDC) error {
	l.mu.Lock()
	if l.shut {
		l.mu.Unlock()
		return nil
	}
	l.shut = true
	close(l.closed)
	wait := l.state.talks() && l.last(clean, word) == nil
	l.mu.Unlock()
	if wait {
		bounded(lastWords, l.done, l.failed)
	}
	return l.teardown()
}

// last says the last word. done is closed when nothing is left to wait for. mu is held.
func (l *link) last(clean bool, word wire.CDC) error {
	switch {
	case clean:
		l.move(ends)
		return l.say(word.Append(nil), true, 0, 0)
	case l.state == open:
		l.saying = true
		return l.say((&wire.CDC{Kind: wire.CDCClosed, Epoch: l.req.Epoch}).Append(nil), true, 0, 0)
	}
	l.saying = true // Closed was said when Done came
	l.said()
	return nil
}

// said closes done if all that was said has been taken; mu is held.
func (l *link) said() {
	if l.saying && len(l.marks) == 0 {
		l.finish()
	}
}

// finish says that nothing is left to wait for at Close; mu is held.
func (l *link) finish() {
	select {
	case <-l.done:
	default:
		close(l.done)
	}
}

// bounded waits for one of two channels, no longer than d.
func bounded(d time.Duration, a, b <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-a:
	case <-b:
	case <-timer.C:
	}
}

// teardown moves the QP to ERR, waits until the device has given back all that
// was posted, and frees everything. After it nothing writes to the slots.
func (l *link) teardown() error {
	l.mu.Lock()
	l.die(transport.ErrClosed)
	l.mu.Unlock()
	l.stopPosting()
	l.part()
	l.mu.Lock()
	flushes := l.inError && l.marker()
	l.drained()
	l.mu.Unlock()
	if flushes {
		wait := drainWait
		if l.d.attr.IWARP {
			wait = drainIWARP
		}
		bounded(wait, l.empty, nil)
	}
	l.mu.Lock()
	ok := l.move(drains)
	l.mu.Unlock()
	if !ok {
		return nil // freed before
	}
	return l.free()
}

// free gives everything back, in the order in which it may go.
func (l *link) free() error {
	var err error
	if l.qp != nil {
		err = l.qp.Close()
	}
	if l.meeting != nil {
		err = errors.Join(err, l.meeting.over(l.d.t))
	}
	if l.p != nil {
		l.p.remove(l)
	}
	for _, m := range []nic.MR{l.mr, l.rmr} {
		if m != nil {
			err = errors.Join(err, m.Close())
		}
	}
	for _, s := range []*transport.Slab{l.slab, l.ring} {
		if s != nil {
			s.Drop()
		}
	}
	if l.d != nil {
		l.d.forget(l.port.Number) // why it has ended may be what nobody tells: another MTU
		err = errors.Join(err, l.d.release())
	}
	return err
}
