package verbs

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"scp_rdma/transport"
	"scp_rdma/transport/verbs/internal/nic"
	"scp_rdma/wire"
)

// How a QP takes lost packets and which way it goes: values of ibv_modify_qp(3).
const (
	// ackTimeout is 4.096 us * 2^17 = 0.54 s; NCCL 2.19 has 18, perftest 14. A
	// timeout that only a busy host brings about costs more than time: soft-RoCE of
	// Linux 6.1 may lose its place when it sends again. Between two guests at 14,
	// each rail sent again some 30 times per 256 MiB, and 3 of 14 transfers ended in
	// "remote invalid request" or a CDC that came twice; at 17 it was once, and 50 of
	// 50 were whole, 1.2 times as fast (bench/results/2026-11-23.md).
	ackTimeout = 17
	retryCount = 6 // some 4 s until a peer counts as gone; 7, the most there is, means for ever to soft-RoCE (Linux 6.1, rxe_comp.c)
	rnrForever = 7
	minRNR     = 12 // 0.64 ms, as in perftest
	readDepth  = 1  // RDMA READ is not used; 0 is refused by some devices
)

// endpoint is a stream before its peer is known.
type endpoint struct {
	l      *link
	stream transport.Stream
	offer  wire.VerbsOffer
	rail   wire.VerbsRail

	mu   sync.Mutex
	done bool // connected or closed
}

// Open implements transport.Transport.
func (t *Transport) Open(ctx context.Context, req transport.OpenRequest) (transport.Endpoint, error) {
	if err := req.Validate(); err != nil {
		return nil, err
	}
	rail, err := wire.ParseVerbsRail(req.Pair.Local.Info)
	if err != nil {
		return nil, fmt.Errorf("open: rail %q: %w", req.Pair.Local.Name, err)
	}
	e := &endpoint{l: newLink(req, t.cfg.WriteSize), rail: rail}
	e.stream = e.l.direct()
	// Slots and queues are made by a thread near the device, so that they lie there too.
	transport.OnCores(req.Pair.Local.Cores, func() { err = e.open(ctx, t) })
	if err != nil {
		return nil, fmt.Errorf("open: rail %s: %w", req.Pair.Local.Name, errors.Join(err, e.l.abandon()))
	}
	return e, nil
}

// newLink is a link that stands on nothing yet.
func newLink(req transport.OpenRequest, writeSize int) *link {
	whole := transport.HeadRoom + req.SlotSize
	if writeSize <= 0 {
		writeSize = whole
	}
	l := &link{
		req: req, state: opened,
		wake: make(chan struct{}, 1), proved: make(chan struct{}), failed: make(chan struct{}),
		closed: make(chan struct{}), done: make(chan struct{}), empty: make(chan struct{}),
		poster: newPoster(),
	}
	l.writeSize = writeSize
	l.sqDepth, l.rqDepth = depths(req.Slots, writes(whole, writeSize))
	l.every = max(1, min(req.Slots, l.sqDepth)/4)
	return l
}

// direct makes the stream of the link's direction.
func (l *link) direct() transport.Stream {
	if l.req.Role == transport.Sender {
		s := &sendStream{link: l, ledger: transport.NewSendLedger(l.req.Slots, l.req.Epoch)}
		l.role = s
		return s
	}
	r := &recvStream{link: l, ledger: transport.NewRecvLedger(l.req.Slots, l.req.Epoch)}
	l.role = r
	return r
}

// abandon frees what an Open that failed has made.
func (l *link) abandon() error {
	if l.qp == nil {
		return l.free()
	}
	return l.teardown()
}

// open makes all that can be had before the peer is known.
func (e *endpoint) open(ctx context.Context, t *Transport) error {
	l := e.l
	device, _, _ := strings.Cut(l.req.Pair.Local.Name, ":")
	d, err := t.domain(domainKey{l.req.Session, device})
	if err != nil {
		return err
	}
	l.d = d
	if l.port, err = d.port(int(e.rail.Port)); err != nil {
		return err
	}
	if l.port.State != nic.PortActive {
		return fmt.Errorf("port %d is down: %w", l.port.Number, transport.ErrUnavailable)
	}
	if err := l.memory(); err != nil {
		return err
	}
	if err := l.queue(); err != nil {
		return err
	}
	if err := e.describe(); err != nil {
		return err
	}
	// A responder that knows its peer is in RTS before the peer hears of it: else
	// the Hello would find no QP that takes it, and be sent again by and by.
	if o := l.req.Offer; !l.req.Initiator && o != nil {
		return e.join(ctx, o)
	}
	return nil
}

// memory makes slab and ring, and registers them. Only a receiver's slots are for
// the peer to write to.
func (l *link) memory() error {
	n := l.req.Slots * (transport.HeadRoom + l.req.SlotSize)
	var err error
	if l.slab, err = transport.NewHugeSlab(n); err != nil {
		return err
	}
	l.slots = transport.MakeSlots(l.slab.Bytes(), l.req.Slots, l.req.SlotSize)
	if l.mr, err = l.d.pd.RegMR(l.slab.Bytes(), l.access()); err != nil {
		return fmt.Errorf("%d slots of %d bytes: %w", l.req.Slots, l.req.SlotSize, err)
	}
	if l.ring, err = transport.NewHugeSlab((l.sqDepth + l.rqDepth) * message); err != nil {
		return err
	}
	l.rmr, err = l.d.pd.RegMR(l.ring.Bytes(), nic.AccessLocalWrite)
	return err
}

// access is what may be done with the slab. That a sender's memory is only read needs no
// order. Into a receiver's, writes may go in any: nobody looks at a slot before the CDC
// behind its WRITE has completed, which says that all before it is in memory (nic.
// AccessRelaxed; kernel users of RDMA go by that too: NVMe's data come in WRITEs, and the
// SEND behind them says so; mlx5 has relaxed ordering for all of them since Linux 5.14).
// That is said of InfiniBand and RoCE; iWARP may have its own rules. The ring, where the
// CDCs themselves arrive, is not worth it.
func (l *link) access() nic.Access {
	a := nic.AccessLocalWrite
	if l.req.Role == transport.Receiver {
		a |= nic.AccessRemoteWrite
		if !l.d.attr.IWARP && !l.d.t.cfg.StrictOrder {
			a |= nic.AccessRelaxed
		}
	}
	return a
}

// queue makes the QP, brings it to INIT and posts its receives.
func (l *link) queue() error {
	if limit := l.d.attr.MaxQPWR; l.sqDepth > limit {
		return fmt.Errorf("%d slots need a queue of %d requests, the device has %d: use fewer: %w",
			l.req.Slots, l.sqDepth, limit, transport.ErrUnavailable)
	}
	p, err := l.d.poller(l.sqDepth+l.rqDepth, l.req.Pair.Local.Cores)
	if err != nil {
		return err
	}
	l.p = p
	// Messages are inline where the device takes so much (siw 80 bytes, rxe 512).
	caps := nic.Caps{SendWR: l.sqDepth, RecvWR: l.rqDepth, Inline: message}
	if l.qp, caps, err = l.d.pd.CreateQP(p.cq, caps); errors.Is(err, unix.EINVAL) {
		l.qp, caps, err = l.d.pd.CreateQP(p.cq, nic.Caps{SendWR: l.sqDepth, RecvWR: l.rqDepth})
	}
	if err != nil {
		l.qp = nil // an interface may hold a nil of some type
		return err
	}
	l.inline = caps.Inline >= message
	l.number = l.d.links.Add(1)
	l.qpn = l.qp.QPN()
	go transport.OnCores(l.req.Pair.Local.Cores, l.postAll)
	p.add(l)
	pkey, err := l.d.t.pkey(l.port)
	if err == nil {
		err = l.qp.ToInit(l.port.Number, pkey)
	}
	if err != nil {
		return err
	}
	list := make([]nic.RecvWR, l.rqDepth)
	for i := range list {
		list[i] = nic.RecvWR{ID: l.id(workRecv, i), MR: l.rmr, Offset: i * message, Length: message}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.repost(list...)
}

// describe makes the offer.
func (e *endpoint) describe() error {
	l := e.l
	e.offer = wire.VerbsOffer{Link: e.rail.Link, MTU: uint16(l.port.ActiveMTU), LID: l.port.LID + uint16(l.pathBits()), QPN: l.qpn, Imm: l.d.t.immediate(l.d.attr)}
	var psn [3]byte
	rand.Read(psn[:]) // crypto/rand never fails (Go 1.24)
	rand.Read(e.offer.Nonce[:])
	e.offer.PSN = uint32(psn[0])<<16 | uint32(psn[1])<<8 | uint32(psn[2])
	if l.req.Role == transport.Receiver {
		e.offer.Addr, e.offer.RKey = l.mr.Addr(), l.mr.RKey()
	}
	if l.req.Initiator {
		c, err := parseChoice(l.req.Pair.Info)
		if err != nil {
			return err
		}
		e.offer.GIDType, e.offer.GID, e.offer.Peer = c.kind, c.mine, c.peer
	}
	cm, err := e.byCM()
	if err == nil && cm {
		err = e.meet()
	}
	if err != nil {
		return err
	}
	l.mine = e.offer.Append(nil)
	return nil
}

// Offer implements transport.Endpoint.
func (e *endpoint) Offer() []byte { return e.l.mine }

// Close implements transport.Endpoint.
func (e *endpoint) Close() error {
	if !e.finish() {
		return nil
	}
	return e.l.close(false, wire.CDC{})
}

// finish says whether the endpoint was neither connected nor closed before.
func (e *endpoint) finish() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	first := !e.done
	e.done = true
	return first
}

// Connect implements transport.Endpoint. A responder needs the initiator's offer.
func (e *endpoint) Connect(ctx context.Context, peer []byte) (transport.Stream, error) {
	err := e.connect(ctx, peer)
	switch {
	case err == nil && !e.finish():
		err = transport.ErrClosed
	case err != nil && ctx.Err() != nil && !errors.Is(err, context.Cause(ctx)):
		// Whoever gave up is told so, whatever happened meanwhile: a connect of siw can't be
		// ended, and fails when the peer refuses it in the end.
		err = fmt.Errorf("%w (%w)", context.Cause(ctx), err)
	}
	if err != nil {
		return nil, e.l.wrap("connect", errors.Join(err, e.Close()))
	}
	return e.stream, nil
}

func (e *endpoint) connect(ctx context.Context, peer []byte) error {
	if err := e.join(ctx, peer); err != nil {
		return err
	}
	if e.l.meeting != nil && e.l.req.Initiator {
		if err := e.ask(ctx); err != nil {
			return err
		}
	}
	timer := time.NewTimer(e.l.d.t.cfg.Timeout)
	defer timer.Stop()
	e.stir()
	select {
	case <-e.l.proved:
		return nil
	case <-e.l.closed:
		return transport.ErrClosed
	case <-e.l.failed:
		e.l.mu.Lock()
		defer e.l.mu.Unlock()
		return e.l.err
	case <-timer.C:
		return fmt.Errorf("no Hello within %v: %w", e.l.d.t.cfg.Timeout, transport.ErrPeerGone)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// join takes the peer's offer, once, and brings the QP to RTS towards it, unless
// rdma_cm does; the initiator speaks.
func (e *endpoint) join(ctx context.Context, peer []byte) error {
	l := e.l
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if l.theirs != nil && (peer == nil || bytes.Equal(peer, l.theirs)) && !l.req.Initiator {
		return nil
	}
	o, err := wire.ParseVerbsOffer(peer)
	if err != nil {
		return fmt.Errorf("%w: %w", transport.ErrProtocol, err)
	}
	way, err := e.way(o)
	if err := errors.Join(err, e.checkMet(o)); err != nil {
		return err
	}
	if l.state != opened || l.theirs != nil {
		return fmt.Errorf("connected before: %w", transport.ErrProtocol)
	}
	l.far, l.theirs = o, bytes.Clone(peer)
	l.imm = o.Imm && e.offer.Imm
	if l.meeting != nil {
		close(l.meeting.agreed)
		return nil
	}
	return e.byHand(way)
}

// byHand brings the QP to RTS. mu is held.
func (e *endpoint) byHand(way nic.Peer) error {
	l := e.l
	if err := l.qp.ToRTR(way); err != nil {
		return fmt.Errorf("%w: the device finds no way to the peer's address: name another rail or GID index with -d: %w", err, transport.ErrUnavailable)
	}
	if err := l.qp.ToRTS(e.retry()); err != nil {
		return err
	}
	l.move(connects)
	if !l.req.Initiator {
		return nil
	}
	return l.greet()
}

// greet says our Hello. mu is held.
func (l *link) greet() error {
	mine := l.own()
	return l.say(mine.Append(nil), true, 0, 0)
}

// retry is how the QP takes lost packets.
func (e *endpoint) retry() nic.Retry {
	c := e.l.d.t.cfg
	r := nic.Retry{PSN: e.offer.PSN, Timeout: c.AckTimeout, Count: retryCount, RNRCount: rnrForever, Reads: readDepth}
	if c.StrictRNR {
		r.RNRCount = 0
	}
	return r
}
