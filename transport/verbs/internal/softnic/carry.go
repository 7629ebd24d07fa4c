package softnic

import (
	"slices"
	"time"

	"scp_rdma/transport/verbs/internal/nic"
)

// verdict is what became of a try to carry a request.
type verdict int

const (
	carried  verdict = iota // or failed for good: it is completed
	silence                 // nobody answered: again after the time-out
	notReady                // no receive posted: again after the RNR timer
	stalled                 // packets too long for the wire vanish
)

// run carries the send queue until the QP is closed.
func (q *qp) run() {
	defer close(q.over)
	timeouts, rnrs := 0, 0
	for {
		q.f.mu.Lock()
		turn := q.f.turn
		var v verdict
		busy := len(q.sq) > 0 && q.state == nic.RTS
		if busy {
			v = q.carry(timeouts, rnrs)
		}
		timeout := 4096 * time.Nanosecond << q.retry.Timeout
		q.f.mu.Unlock()
		switch {
		case !busy:
			timeouts, rnrs = 0, 0
			if !q.pause(nil, 0) {
				return
			}
		case v == carried:
			timeouts, rnrs = 0, 0
		case v == silence:
			began := time.Now()
			if !q.pause(turn, timeout) {
				return
			}
			if time.Since(began) >= timeout {
				timeouts++
			}
		case v == notReady:
			rnrs++
			if !q.pause(nil, 640*time.Microsecond) { // min_rnr_timer 12
				return
			}
		case v == stalled:
			if !q.pause(turn, timeout) {
				return
			}
		}
	}
}

// pause waits for something new: a post, another's change of state, a timer.
// false: the QP was closed.
func (q *qp) pause(turn chan struct{}, d time.Duration) bool {
	var timer <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		timer = t.C
	}
	kick := q.kick
	if d > 0 {
		kick = nil // what is posted has to wait in order
	}
	select {
	case <-kick:
	case <-turn:
	case <-timer:
	case <-q.stop:
		return false
	}
	return true
}

// far finds the QP at the other end, nil if nobody would answer. f.mu is held.
func (q *qp) far() *qp {
	o := q.f.qps[q.peer.QPN]
	if o == nil || q.dev.hw.down || o.dev.hw.down || o.state != nic.RTR && o.state != nic.RTS || o.peer.QPN != q.qpn {
		return nil
	}
	if !member(q.pkey, o.pkey) || !o.dev.hw.found(q.peer) {
		return nil
	}
	return o
}

// found says whether packets to an address come to the device.
func (hw *hardware) found(p nic.Peer) bool {
	if p.Global {
		return hw.has(p.GID)
	}
	return !hw.NeedsGRH && p.LID>>hw.LMC == hw.LID>>hw.LMC
}

// carry tries to bring the first request of the queue to the far end. f.mu is held.
func (q *qp) carry(timeouts, rnrs int) verdict {
	r := q.sq[0]
	o := q.far()
	switch {
	case q.dev.hw.IWARP && o != nil && (o.dev.hw.mute || q.dev.hw.mute):
		return q.finish(r, nic.Success)
	case o == nil && q.dev.hw.IWARP:
		return stalled // TCP goes on for longer than anybody waits
	case o == nil && timeouts > int(q.retry.Count) && !(q.dev.hw.Endless7 && q.retry.Count == 7):
		return q.finish(r, nic.RetryExceeded)
	case o == nil:
		return silence
	case q.peer.PathMTU > min(q.dev.hw.MTU, o.dev.hw.MTU) && r.Length > o.dev.hw.MTU && q.dev.hw.host != o.dev.hw.host:
		return stalled
	}
	data := r.inline
	if !r.Inline {
		m := r.MR.(*mr)
		var ok bool
		if data, ok = m.at(r.Offset, r.Length); !ok || m.closed || m.pd != q.pd {
			return q.finish(r, nic.LocalProtection)
		}
	}
	if q.dev.hw.IWARP {
		return q.overTCP(r, o, data)
	}
	if r.Op == nic.OpWrite && !r.WithImm {
		return q.finish(r, o.write(r, data))
	}
	if len(o.rq) == 0 {
		q.f.rnr++
		if q.retry.RNRCount != 7 && rnrs >= int(q.retry.RNRCount) {
			return q.finish(r, nic.RNRExceeded)
		}
		return notReady
	}
	if r.Op == nic.OpWrite {
		return q.finish(r, o.noted(r, data))
	}
	return q.finish(r, o.receive(data))
}

// noted places the data of a WRITE with immediate data, which then takes a receive. One
// that is refused takes it too, with an error (rxe).
func (q *qp) noted(r request, data []byte) nic.Status {
	w := q.rq[0]
	q.rq = q.rq[1:]
	if !q.place(r, data) {
		q.received(w, nic.WC{Status: nic.RemoteAccess})
		q.fault(nic.EventQPAccess)
		return nic.RemoteAccess
	}
	q.received(w, nic.WC{Opcode: nic.OpRecvImm, ByteLen: uint32(len(data)), Imm: r.Imm})
	return nic.Success
}

// overTCP is how iWARP carries a request: it is done here once it is on its way,
// whatever becomes of it there. What the other end refuses ends the connection.
func (q *qp) overTCP(r request, o *qp, data []byte) verdict {
	ok := !q.quiet
	switch {
	case !ok:
	case r.Op == nic.OpWrite:
		ok = o.place(r, data)
	case len(o.rq) == 0:
		q.f.rnr++
		ok = false
	default:
		ok = o.accept(data) == nic.Success
	}
	o.quiet = o.quiet && !ok
	q.finish(r, nic.Success)
	if !ok {
		o.fault(nic.EventQPAccess)
	}
	return carried
}

// finish completes the first request of the queue.
func (q *qp) finish(r request, s nic.Status) verdict {
	q.sq = q.sq[1:]
	q.sent(r, s)
	if s != nic.Success {
		q.fail()
	}
	return carried
}

// write places the data of an RDMA WRITE. f.mu is held.
func (q *qp) write(r request, data []byte) nic.Status {
	if q.place(r, data) {
		return nic.Success
	}
	q.fault(nic.EventQPAccess)
	return nic.RemoteAccess
}

// place says whether the data of an RDMA WRITE may lie where they shall, and do now.
func (q *qp) place(r request, data []byte) bool {
	if len(data) == 0 {
		return true // no key is looked at
	}
	m := q.f.mrs[r.RKey]
	if m != nil && m.access&nic.AccessRemoteWrite != 0 && m.pd == q.pd && r.RemoteAddr >= m.Addr() && r.RemoteAddr-m.Addr() <= uint64(len(m.mem)) {
		if to, ok := m.at(int(r.RemoteAddr-m.Addr()), len(data)); ok {
			if m.access&nic.AccessRelaxed != 0 && !q.dev.hw.IWARP {
				q.late = append(q.late, late{m, to, append([]byte{}, data...)})
			} else {
				copy(to, data)
			}
			return true
		}
	}
	return false
}

// late is a write to relaxed memory that is not there yet.
type late struct {
	m    *mr
	to   []byte
	data []byte
}

// land brings what is late to memory, the last first, as it may come: before a
// completion of the QP is told, for that says that all before it is there.
func (q *qp) land() {
	for _, w := range slices.Backward(q.late) {
		if !w.m.closed {
			copy(w.to, w.data)
		}
	}
	q.late = q.late[:0]
}

// receive is accept with what comes of a mistake. f.mu is held.
func (q *qp) receive(data []byte) nic.Status {
	s := q.accept(data)
	if s != nic.Success {
		q.fail()
	}
	return s
}

// accept places the data of a SEND. f.mu is held.
func (q *qp) accept(data []byte) nic.Status {
	w := q.rq[0]
	q.rq = q.rq[1:]
	m := w.MR.(*mr)
	to, ok := m.at(w.Offset, w.Length)
	switch {
	case !ok || m.closed || m.pd != q.pd:
		q.received(w, nic.WC{Status: nic.LocalProtection})
		return nic.RemoteOp
	case len(data) > len(to):
		q.received(w, nic.WC{Status: nic.LocalLength})
		return nic.RemoteInvalid
	}
	copy(to, data)
	q.received(w, nic.WC{Opcode: nic.OpRecv, ByteLen: uint32(len(data))})
	return nic.Success
}

// sent completes a request: with a completion if it is signalled or failed.
func (q *qp) sent(r request, s nic.Status) {
	q.silent++
	if !r.Signalled && s == nic.Success {
		return
	}
	q.cq.add(done{q: q, sends: q.silent, wc: nic.WC{ID: r.ID, Status: s, Opcode: r.Op, ByteLen: uint32(r.Length), QPN: q.qpn}})
	q.silent = 0
}

// received completes a receive.
func (q *qp) received(w nic.RecvWR, wc nic.WC) {
	q.land()
	wc.ID, wc.QPN = w.ID, q.qpn
	q.cq.add(done{q: q, recvs: 1, wc: wc})
}
