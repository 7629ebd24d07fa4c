package verbs

import (
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"scp_rdma/transport"
	"scp_rdma/transport/verbs/internal/nic"
	"scp_rdma/wire"
)

// stirring is the first pause before an initiator on iWARP sends something after its
// Hello; later ones double.
const stirring = 20 * time.Millisecond

// early is by how much a request may be here before the offer of who asks, which has
// been brought to whoever brings it here before.
const early = 4 * time.Second

// meeting is how a stream's QP is connected by rdma_cm. The responder listens and
// says where in its offer; the initiator asks. The connection is held as long as the
// QP: its end tells of the peer's, which on iWARP nothing else may.
type meeting struct {
	ctx  context.Context // of all that waits
	stop context.CancelFunc
	work sync.WaitGroup

	at     *requests     // of a responder
	nonce  [16]byte      // that the request shows
	asked  chan nic.Conn // requests
	agreed chan struct{} // closed when the peer's offer is known
	conn   nic.Conn      // under the link's mu
}

// byCM says whether rdma_cm connects, and if a responder who knows what the peer
// wants can do so.
func (e *endpoint) byCM() (bool, error) {
	l, t := e.l, e.l.d.t
	mine := e.rail.Link == wire.VerbsIWARP || t.cfg.Connect == CM
	if l.req.Initiator || l.req.Offer == nil {
		return mine, nil
	}
	o, err := wire.ParseVerbsOffer(l.req.Offer)
	switch {
	case err != nil:
		return false, fmt.Errorf("%w: %w", transport.ErrProtocol, err)
	case o.CM && t.cfg.Connect == OOB:
		return false, fmt.Errorf("the peer connects by rdma_cm, this end does not (--connect oob): %w", transport.ErrUnavailable)
	case !o.CM && mine:
		return false, fmt.Errorf("the peer does not connect by rdma_cm, this end does (--connect cm): %w", transport.ErrUnavailable)
	}
	return o.CM, nil
}

// meet prepares for rdma_cm, and says in the offer what the peer must know.
func (e *endpoint) meet() error {
	l := e.l
	m := &meeting{agreed: make(chan struct{})}
	m.ctx, m.stop = context.WithCancel(context.Background())
	l.meeting = m
	e.offer.CM = true
	if l.req.Initiator {
		return nil
	}
	at, err := e.listensAt()
	if err != nil {
		return err
	}
	if m.at, err = l.d.t.requestsAt(at); err != nil {
		return err
	}
	m.nonce = e.offer.Nonce
	m.asked = m.at.expect(m.nonce)
	e.offer.GID, e.offer.Port = at.As16(), m.at.ln.Addr().Port()
	m.work.Go(e.answer)
	return nil
}

// listensAt is the responder's address: the one that the initiator has chosen, which
// must be the rail's, or else the rail's best.
func (e *endpoint) listensAt() (netip.Addr, error) {
	if e.l.req.Offer != nil {
		o, err := wire.ParseVerbsOffer(e.l.req.Offer)
		if err != nil || !hasGID(e.rail, o.GIDType, o.Peer) || !isIP(o.GIDType) {
			return netip.Addr{}, fmt.Errorf("GID %x of type %d is no address of the rail: %w", o.Peer, o.GIDType, transport.ErrProtocol)
		}
		return netip.AddrFrom16(o.Peer).Unmap(), nil
	}
	for _, g := range e.rail.GIDs {
		if isIP(g.Type) && !linkLocal(g) {
			return netip.AddrFrom16(g.GID).Unmap(), nil
		}
	}
	return netip.Addr{}, fmt.Errorf("the rail has no IP address, by which rdma_cm goes: %w", transport.ErrUnavailable)
}

// isIP says whether GIDs of a type are IP addresses of a card.
func isIP(kind uint8) bool { return kind == wire.VerbsGIDIP || kind == wire.VerbsGIDRoCEv2 }

// answer waits for the request of the right peer and accepts it, refusing others. Then
// it looks after the connection.
func (e *endpoint) answer() {
	l, m := e.l, e.l.meeting
	var conn nic.Conn
	for ok := false; !ok; {
		select {
		case conn = <-m.asked:
		case <-m.ctx.Done():
			return
		}
		if ok = l.right(conn); !ok {
			l.d.t.cfg.Logger.Warn("a request of rdma_cm with a wrong proof", "rail", l.Rail())
			_ = conn.Close() // it is refused
		}
	}
	_ = m.at.forget(m.nonce, m.asked) // those who come after are refused
	l.mu.Lock()
	m.conn = conn // from now on the link's end closes it
	l.mu.Unlock()
	if err := e.accept(conn); err != nil {
		l.fail(fmt.Errorf("accept the peer's connection: %w", err))
		return
	}
	l.attend(conn)
}

// right says whether a request is of the peer whose offer came over control.
func (l *link) right(conn nic.Conn) bool {
	if bounded(early, l.meeting.agreed, l.meeting.ctx.Done()); l.meeting.ctx.Err() != nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	want, got := word(l.req.Key, l.meeting.nonce, l.theirs, l.mine), conn.Private()
	return l.theirs != nil && len(got) >= len(want) && hmac.Equal(got[:len(want)], want)
}

// accept brings the QP to RTS.
func (e *endpoint) accept(conn nic.Conn) error {
	l := e.l
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	if got := conn.Device(); got != l.d.key.device {
		return fmt.Errorf("it comes to %q, and the stream is on %q: %w", got, l.d.key.device, transport.ErrProtocol)
	}
	way, err := e.way(l.far)
	if err != nil {
		return err
	}
	if err := conn.Accept(l.qp, way, e.retry()); err != nil {
		return err
	}
	l.move(connects)
	return nil
}

// attend waits for the end of the connection, which is that of the stream.
func (l *link) attend(conn nic.Conn) {
	if err := conn.Wait(l.meeting.ctx); l.meeting.ctx.Err() == nil {
		l.fail(fmt.Errorf("QP %d: %w", l.qpn, err))
	}
}

// ask is the initiator's part: it asks for the connection and says its Hello.
func (e *endpoint) ask(ctx context.Context) error {
	l, m := e.l, e.l.meeting
	l.mu.Lock()
	err := l.usable()
	way, errWay := e.way(l.far)
	if err = errors.Join(err, errWay); err == nil {
		m.work.Add(1)
	}
	l.mu.Unlock()
	if err != nil {
		return err
	}
	defer m.work.Done()
	limit := l.d.t.cfg.Timeout
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no connection within %v: %w", limit, transport.ErrPeerGone))
	defer cancel()
	defer context.AfterFunc(m.ctx, cancel)()
	conn, err := e.dial(ctx, way)
	l.mu.Lock()
	defer l.mu.Unlock()
	m.conn = conn
	if gone := l.usable(); gone != nil {
		return gone
	}
	if err != nil {
		return err
	}
	l.move(connects)
	m.work.Go(func() { l.attend(conn) })
	return l.greet()
}

// stir has an initiator on iWARP send something after its Hello, until that is
// answered: a Hello that comes just when siw has accepted lies unread until more comes
// (Linux 6.1, siw_accept: it answers before it listens). An empty WRITE takes nothing.
func (e *endpoint) stir() {
	l := e.l
	if !l.d.attr.IWARP || !l.req.Initiator {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.usable() != nil {
		return
	}
	l.meeting.work.Go(func() {
		for pause := stirring; ; pause = min(2*pause, time.Second) {
			if bounded(pause, l.proved, l.meeting.ctx.Done()); l.meeting.ctx.Err() != nil {
				return
			}
			l.mu.Lock()
			again := l.state == proving
			if again && l.sqUsed+1 <= l.sqDepth-1 {
				l.post(nic.SendWR{ID: l.id(workBeat, 0), Op: nic.OpWrite, MR: l.rmr, Signalled: true})
			}
			l.mu.Unlock()
			if !again {
				return
			}
		}
	})
}

// dial connects, and gives what holds the connection.
func (e *endpoint) dial(ctx context.Context, way nic.Peer) (nic.Conn, error) {
	l := e.l
	cm, err := l.d.t.cfg.Devices.Connector()
	if err != nil {
		return nil, err
	}
	from, to := netip.AddrFrom16(e.offer.GID).Unmap(), netip.AddrPortFrom(netip.AddrFrom16(l.far.GID).Unmap(), l.far.Port)
	conn, err := cm.Dial(ctx, from, to)
	if err != nil {
		return nil, err
	}
	if got := conn.Device(); got != l.d.key.device {
		err = fmt.Errorf("the way from %v is over %q, and the stream is on %q: %w", from, got, l.d.key.device, transport.ErrUnavailable)
	} else {
		err = conn.Connect(ctx, l.qp, word(l.req.Key, l.far.Nonce, l.mine, l.theirs), way, e.retry())
	}
	if err != nil {
		return nil, fmt.Errorf("connect from %v to rdma_cm port %v: %w (a firewall must let it through: as TCP for iWARP, as UDP 4791 for RoCE; the server has --cm-port)",
			from, to, errors.Join(err, conn.Close()))
	}
	return conn, nil
}

// checkMet says whether the peer's offer is one for rdma_cm, as ours is, and the place
// it names one of its rail's: else a peer could have us dial anybody.
func (e *endpoint) checkMet(o wire.VerbsOffer) error {
	l := e.l
	switch {
	case o.CM != (l.meeting != nil):
		return fmt.Errorf("one end connects by rdma_cm, the other does not: %w", transport.ErrProtocol)
	case !o.CM || !l.req.Initiator:
		return nil
	}
	rail, err := wire.ParseVerbsRail(l.req.Pair.Peer.Info)
	if err != nil || o.Port == 0 || !hasGID(rail, e.offer.GIDType, o.GID) {
		return fmt.Errorf("the peer takes requests at %v port %d, which is none of its rail's addresses: %w", netip.AddrFrom16(o.GID), o.Port, transport.ErrProtocol)
	}
	return nil
}

// part ends all that waits for the meeting.
func (l *link) part() {
	if l.meeting != nil {
		l.meeting.stop()
		l.meeting.work.Wait()
	}
}

// over closes the connection, after the QP.
func (m *meeting) over(t *Transport) error {
	var err error
	if m.at != nil {
		err = errors.Join(m.at.forget(m.nonce, m.asked), m.at.release(t))
	}
	if m.conn != nil {
		err = errors.Join(err, m.conn.Close())
	}
	return err
}

// listens is the sign of life of a stream on iWARP: what is posted there completes
// whether or not anybody takes it. The sender asks, each heartbeat in which nothing
// else is under way, and the receiver's poller answers; who hears nothing for as long
// as a device may take for a request gives up. It takes two looks: after a sleep of the
// whole process what was sent meanwhile is only just read. mu is held.
func (l *link) listens() {
	if l.state != open {
		return
	}
	limit, was := l.d.t.cfg.Stall, l.deaf
	l.deaf = time.Since(l.heard) > limit
	if l.deaf && was {
		l.die(fmt.Errorf("QP %d: nothing was heard of the peer for %v: its host or the way to it is gone, or its process is stopped: %w",
			l.qpn, limit, transport.ErrPeerGone))
		return
	}
	if err := l.role.ping(); err != nil {
		l.die(err)
	}
}
