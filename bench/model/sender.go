package model

import "scp_rdma/transport"

// epoch of all streams: none is ever joined again.
const epoch = 1

// sender is a stream's sending end and its worker, which does what
// engine/sender_work.go does, and the transport's Acquire and Send.
type sender struct {
	run    *run
	lane   *lane
	peer   *receiver
	ledger *transport.SendLedger

	waiting bool    // in Acquire
	since   instant // since when it waits for a credit
	starved bool    // it does
	blocked instant // time spent so
	idle    instant // time spent in Acquire, and until the kernel took a frame
	from    instant // since when it is idle
	over    instant // when there was no more to send
}

// acquire waits for a slot and a credit, then takes the next piece of the file: the
// slot comes first.
func (s *sender) acquire() {
	s.waiting, s.from = true, s.run.clock.now
	s.look()
}

// look sees whether the wait in Acquire is over, and says "writer blocked" if it is
// not.
func (s *sender) look() {
	if !s.waiting {
		return
	}
	if !s.ledger.Ready() {
		s.starve()
		return
	}
	now := s.run.clock.now
	s.waiting = false
	s.idle += now - s.from
	if s.starved { // after the end there is nothing that a credit keeps from moving
		s.starved = false
		s.blocked += max(min(now, s.run.until())-s.since, 0)
	}
	n := s.run.take()
	if n == 0 {
		s.over = now
		return
	}
	s.fill(n)
}

func (s *sender) starve() {
	if !s.ledger.Blocked() {
		return
	}
	if !s.starved {
		s.starved, s.since = true, s.run.clock.now
	}
	if s.ledger.Ask(false) {
		s.run.requests++
		s.lane.send(message{arrive: s.peer.request}, nil)
	}
}

// fill reads n bytes, sums them, and sends the frame.
func (s *sender) fill(n int) {
	h := s.run.cfg.Sender
	s.run.hold(n)
	s.run.source.use(s.run.access(n, h), func() {
		work := spanAt(n, h.Read) + spanAt(n, h.Sum) + spanAt(n, h.Carry) + spanOf(h.Frame)
		s.run.sendCores.use(work, func() { s.send(n) })
	})
}

func (s *sender) send(n int) {
	slot, frame := s.ledger.Next()
	s.ledger.Take()
	m := message{left: n, arrive: func() { s.peer.arrive(slot, frame, n) }}
	if s.lane.window > 0 { // the kernel has its own copy
		s.run.check(s.ledger.Complete(slot))
		s.from = s.run.clock.now
		s.lane.send(m, func() {
			s.idle += s.run.clock.now - s.from
			s.acquire()
		})
		return
	}
	m.acked = func() {
		s.run.check(s.ledger.Complete(slot))
		s.look()
	}
	s.lane.send(m, s.acquire)
}

// grant takes a credit, or an answer.
func (s *sender) grant(count uint64, answer bool) {
	s.run.check(s.ledger.Grant(epoch, count, answer))
	s.look()
}
