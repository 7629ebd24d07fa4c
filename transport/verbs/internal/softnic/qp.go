package softnic

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"scp_rdma/transport/verbs/internal/nic"
)

// request is a posted SEND or WRITE; inline data were taken along.
type request struct {
	nic.SendWR
	inline []byte
}

// qp is a queue pair.
type qp struct {
	object
	dev   *device
	pd    *pd
	cq    *cq
	caps  nic.Caps
	qpn   uint32
	state nic.State
	pkey  uint16
	peer  nic.Peer
	retry nic.Retry
	conn  *conn // of rdma_cm; nil: by hand
	quiet bool  // iWARP: it may not send before the other side has

	sq             []request
	rq             []nic.RecvWR
	sqUsed, rqUsed int // entries that no polled completion covers
	late           []late
	silent         int // requests done without a completion since the last one

	kick chan struct{} // something was posted, or the state changed
	stop chan struct{}
	over chan struct{} // the goroutine has ended
}

// CreateQP implements nic.PD.
func (p *pd) CreateQP(queue nic.CQ, caps nic.Caps) (nic.QP, nic.Caps, error) {
	p.f.mu.Lock()
	defer p.f.mu.Unlock()
	hw := p.dev.hw
	c, ok := queue.(*cq)
	if !ok || c.dev != p.dev || caps.SendWR < 1 || caps.RecvWR < 1 ||
		max(caps.SendWR, caps.RecvWR) > hw.MaxQPWR || caps.Inline < 0 || caps.Inline > hw.MaxInline {
		return nil, nic.Caps{}, fmt.Errorf("create QP %+v on %s: %w", caps, hw.Name, unix.EINVAL)
	}
	q := &qp{object: object{f: p.f, kind: "QP"}, dev: p.dev, pd: p, cq: c, caps: caps, qpn: p.f.number(),
		kick: make(chan struct{}, 1), stop: make(chan struct{}), over: make(chan struct{})}
	if err := q.grow(&p.object, &c.object); err != nil {
		return nil, nic.Caps{}, err
	}
	p.f.qps[q.qpn] = q
	go q.run()
	return q, caps, nil
}

// QPN implements nic.QP.
func (q *qp) QPN() uint32 { return q.qpn }

// modify moves the state from one to the next. f.mu is held.
func (q *qp) modify(from, to nic.State, ok bool) error {
	if err := q.use("modify QP"); err != nil {
		return err
	}
	if q.state != from || !ok {
		return fmt.Errorf("QP %d from %v to %v: %w", q.qpn, q.state, to, unix.EINVAL)
	}
	q.state = to
	q.f.changed()
	return nil
}

// asks tells who wants to know what the QP is asked to become. f.mu is held.
func (q *qp) asks(a nic.QPAttr) {
	if f := q.dev.hw.host.asked; f != nil {
		f(q.dev.hw.Name, q.qpn, a)
	}
}

// ToInit implements nic.QP.
func (q *qp) ToInit(port, pkey int) error {
	q.f.mu.Lock()
	defer q.f.mu.Unlock()
	q.asks(nic.InitAttr(port, pkey))
	table := q.dev.hw.pkeys()
	row := pkey >= 0 && pkey < len(table) && table[pkey] != 0
	if err := q.modify(nic.Reset, nic.Init, port >= 1 && port <= q.dev.hw.Ports && row); err != nil {
		return err
	}
	q.pkey = table[pkey]
	return nil
}

// ToRTR implements nic.QP. iWARP is not connected by hand.
func (q *qp) ToRTR(p nic.Peer) error {
	q.f.mu.Lock()
	defer q.f.mu.Unlock()
	a, errMTU := p.Attr()
	q.asks(a)
	row := !p.Global || slices.ContainsFunc(q.dev.hw.GIDs, func(g nic.GID) bool { return g.Index == p.GIDIndex })
	link := q.dev.hw.IB || p.Global // on Ethernet nothing goes without a GID
	if err := q.modify(nic.Init, nic.RTR, errMTU == nil && row && link && !q.dev.hw.IWARP && q.routed(p)); err != nil {
		return err
	}
	q.peer = p
	return nil
}

// routed says whether the kernel finds a way from the device to an address. To
// another card of the same host rxe finds none.
func (q *qp) routed(p nic.Peer) bool {
	for _, hw := range q.dev.hw.host.devices {
		if hw != q.dev.hw && q.dev.hw.Alone && p.Global && hw.has(p.GID) {
			return false
		}
	}
	return true
}

func (hw *hardware) has(gid [16]byte) bool {
	for _, g := range hw.GIDs {
		if g.GID == gid {
			return true
		}
	}
	return false
}

// pkeys is the P_Key table: with the default partition's key, if nothing else is said.
func (hw *hardware) pkeys() []uint16 {
	if hw.PKeys == nil {
		return []uint16{0xffff}
	}
	return hw.PKeys
}

// member says whether QPs of two P_Keys hear each other: of one partition, and not
// both limited (IB spec 10.9.3).
func member(a, b uint16) bool { return a&0x7fff == b&0x7fff && (a|b)&0x8000 != 0 }

// ToRTS implements nic.QP.
func (q *qp) ToRTS(r nic.Retry) error {
	q.f.mu.Lock()
	defer q.f.mu.Unlock()
	q.asks(r.Attr())
	if err := q.modify(nic.RTR, nic.RTS, r.Count <= 7 && r.RNRCount <= 7); err != nil {
		return err
	}
	q.retry = r
	return nil
}

// ToError implements nic.QP.
func (q *qp) ToError() error {
	q.f.mu.Lock()
	defer q.f.mu.Unlock()
	if err := q.use("QP to ERR"); err != nil {
		return err
	}
	q.fail()
	return nil
}

// fail moves to ERR and flushes. f.mu is held.
func (q *qp) fail() {
	q.state = nic.Err
	for _, r := range q.sq {
		q.sent(r, nic.Flushed)
	}
	for _, r := range q.rq {
		q.received(r, nic.WC{Status: nic.Flushed})
	}
	q.sq, q.rq = nil, nil
	q.wake()
	q.f.changed()
	// The TCP connection below ends, and with it the other end.
	if c := q.conn; c != nil && q.dev.hw.IWARP {
		c.over(errEnded)
		if !c.hw.mute && !c.other.hw.mute {
			c.other.over(errEnded)
		}
	}
}

// fault is fail with an event.
func (q *qp) fault(e nic.EventType) {
	q.dev.tell(nic.Event{Type: e, QPN: q.qpn})
	q.fail()
}

// State implements nic.QP.
func (q *qp) State() (nic.State, error) {
	q.f.mu.Lock()
	defer q.f.mu.Unlock()
	return q.state, q.use("query QP")
}

func (q *qp) wake() {
	select {
	case q.kick <- struct{}{}:
	default:
	}
}

// PostSend implements nic.QP.
func (q *qp) PostSend(chain []nic.SendWR) (int, error) {
	q.f.mu.Lock()
	defer q.f.mu.Unlock()
	for i, w := range chain {
		if err := q.post(w); err != nil {
			return i, fmt.Errorf("post send to QP %d: %w", q.qpn, err)
		}
	}
	q.wake()
	return len(chain), nil
}

// post takes one request. f.mu is held.
func (q *qp) post(w nic.SendWR) error {
	if err := q.use("post send"); err != nil {
		return err
	}
	m, ok := w.MR.(*mr)
	if !ok {
		return unix.EINVAL
	}
	data, ok := m.at(w.Offset, w.Length)
	switch {
	case !ok:
		return unix.EFAULT
	case q.state != nic.RTS && q.state != nic.Err, w.Op != nic.OpSend && w.Op != nic.OpWrite, w.WithImm && q.dev.hw.IWARP, w.Inline && w.Length > q.caps.Inline:
		return unix.EINVAL
	case q.sqUsed >= q.caps.SendWR:
		return unix.ENOMEM
	}
	r := request{SendWR: w}
	if w.Inline {
		r.inline = append([]byte{}, data...)
	}
	q.sqUsed++
	if q.state == nic.Err {
		if !q.dev.hw.IWARP { // siw says nothing of it
			q.sent(r, nic.Flushed)
		}
		return nil
	}
	q.sq = append(q.sq, r)
	return nil
}

// PostRecv implements nic.QP.
func (q *qp) PostRecv(chain []nic.RecvWR) (int, error) {
	q.f.mu.Lock()
	defer q.f.mu.Unlock()
	for i, w := range chain {
		if err := q.take(w); err != nil {
			return i, fmt.Errorf("post receive to QP %d: %w", q.qpn, err)
		}
	}
	return len(chain), nil
}

func (q *qp) take(w nic.RecvWR) error {
	if err := q.use("post receive"); err != nil {
		return err
	}
	m, ok := w.MR.(*mr)
	if !ok {
		return unix.EINVAL
	}
	_, ok = m.at(w.Offset, w.Length)
	switch {
	case !ok:
		return unix.EFAULT
	case q.state == nic.Reset:
		return unix.EINVAL
	case q.rqUsed >= q.caps.RecvWR:
		return unix.ENOMEM
	}
	q.rqUsed++
	if q.state == nic.Err {
		if !q.dev.hw.IWARP {
			q.received(w, nic.WC{Status: nic.Flushed})
		}
		return nil
	}
	q.rq = append(q.rq, w)
	return nil
}

// Close implements nic.QP.
func (q *qp) Close() error {
	q.f.mu.Lock()
	first, err := q.end()
	if first {
		if q.dev.hw.IWARP && q.state != nic.Err {
			q.fail()
		}
		delete(q.f.qps, q.qpn)
		close(q.stop)
		q.f.changed()
	}
	q.f.mu.Unlock()
	if err == nil {
		<-q.over
	}
	return err
}
