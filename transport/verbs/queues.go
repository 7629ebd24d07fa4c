package verbs

import (
	"errors"
	"fmt"
	"time"

	"scp_rdma/transport"
	"scp_rdma/transport/verbs/internal/nic"
	"scp_rdma/wire"
)

const (
	// spare is room on both queues beside that for the CDCs of frames or credits:
	// one each of request, answer, Hello, Done, Closed and heartbeat, and two for
	// good measure.
	spare = 8
	// message is the room of a CDC or Hello in the ring, bytes.
	message = wire.JoinSize
)

// depths are the queues' sizes. A frame takes its WRITEs, of which there usually is one, and
// its CDC, a credit one request; one is kept for the marker, which is posted last.
func depths(slots, writes int) (sq, rq int) { return (writes+1)*slots + spare + 1, slots + spare }

// writes is in how many WRITEs so many bytes go.
func writes(length, writeSize int) int { return (length + writeSize - 1) / writeSize }

// Kinds of work requests, in bits 24 to 31 of an ID. Below them is an index, above
// them a number that no other link of the domain has.
const (
	workCDC uint64 = iota + 1
	workWrite
	workBeat
	workMarker
	workRecv
)

func (l *link) id(kind uint64, index int) uint64 {
	return uint64(l.number)<<32 | kind<<24 | uint64(index)&0xffffff
}

// mark is a signalled request: when it completes, so have all before it.
type mark struct {
	id     uint64
	wrs    int    // requests since the mark before, this one included
	frames uint64 // sent up to here
}

// queues are the accounts of a QP's queues, under the link's mu.
type queues struct {
	number           uint32 // of the link: a QPN comes again while what its last owner has left is not read yet
	sqDepth, rqDepth int
	writeSize        int          // of one request, bytes, at most
	chain            []nic.SendWR // that is being made; kept, for each frame needs one
	inline           bool         // CDCs are
	every            int          // so many CDCs, then one is signalled

	marks    []mark
	since    time.Time // when marks[0] became the oldest
	stuck    bool      // it was too old at the last look
	sqUsed   int       // requests that are not known to be done
	unmarked int       // of them, since the last mark
	quiet    int       // CDCs since the last mark
	posts    int       // messages so far: the next one's place in the ring
	frames   uint64
	rqUsed   int
	parked   []nic.RecvWR // of requests that come while an answer has no room
	marked   bool         // the marker was flushed, or needn't be
}

// errNoRoom: the send queue holds all it may. Only a peer that takes no CDCs
// brings that about.
var errNoRoom = errors.New("the send queue is full: the peer takes no messages")

// say posts a message and before it, if length is not 0, RDMA WRITEs of a range
// of the slab to the same place of the peer's. mu is held.
func (l *link) say(b []byte, signalled bool, offset, length int) error {
	if l.sqUsed+writes(length, l.writeSize)+1 > l.sqDepth-1 {
		return errNoRoom
	}
	at := (l.rqDepth + l.posts%l.sqDepth) * message
	copy(l.ring.Bytes()[at:at+message], b)
	l.posts++
	l.quiet++
	l.chain = l.chain[:0]
	for ; length > 0; length -= l.writeSize {
		l.chain = append(l.chain, nic.SendWR{
			ID: l.id(workWrite, l.posts), Op: nic.OpWrite, MR: l.mr, Offset: offset, Length: min(length, l.writeSize),
			RemoteAddr: l.far.Addr + uint64(offset), RKey: l.far.RKey,
		})
		offset += l.writeSize
	}
	l.chain = append(l.chain, nic.SendWR{
		ID: l.id(workCDC, l.posts), Op: nic.OpSend, MR: l.rmr, Offset: at, Length: len(b), Inline: l.inline,
		Signalled: signalled || l.quiet >= l.every,
	})
	l.post(l.chain...)
	return nil
}

// bring posts a frame as one WRITE, whose immediate data say what is where. mu is held.
func (l *link) bring(c wire.CDC, signalled bool, offset, length int) error {
	if l.sqUsed+1 > l.sqDepth-1 {
		return errNoRoom
	}
	l.posts++
	l.quiet++
	l.post(nic.SendWR{
		ID: l.id(workCDC, l.posts), Op: nic.OpWrite, MR: l.mr, Offset: offset, Length: length,
		RemoteAddr: l.far.Addr + uint64(offset), RKey: l.far.RKey,
		WithImm: true, Imm: wire.VerbsImm(c.Slot, int(c.HeadLen)), Signalled: signalled || l.quiet >= l.every,
	})
	return nil
}

// post has a chain posted, of which the last request may be signalled. mu is held.
func (l *link) post(chain ...nic.SendWR) {
	l.hand(chain)
	l.sqUsed += len(chain)
	l.unmarked += len(chain)
	if last := chain[len(chain)-1]; last.Signalled {
		if len(l.marks) == 0 {
			l.since = time.Now()
		}
		l.marks = append(l.marks, mark{id: last.ID, wrs: l.unmarked, frames: l.frames})
		l.unmarked, l.quiet = 0, 0
	}
}

// heartbeat posts an empty WRITE if nothing signalled is under way. A responder
// is quiet until the initiator has spoken: the QP over there may not be ready.
func (l *link) heartbeat() {
	l.shrunk()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stalled() {
		l.die(fmt.Errorf("QP %d: nothing that was posted has completed for %v: the way may swallow large packets (an MTU that differs: ping -M do -s), or the driver hangs: %w",
			l.qpn, l.d.t.cfg.Stall, transport.ErrPeerGone))
		return
	}
	if l.d.attr.IWARP {
		l.listens()
		return
	}
	early := l.state == proving && l.req.Initiator
	if !l.state.talks() && !early || len(l.marks) > 0 || l.sqUsed+1 > l.sqDepth-1 {
		return
	}
	l.post(nic.SendWR{ID: l.id(workBeat, 0), Op: nic.OpWrite, MR: l.rmr, Signalled: true})
}

// stalled says whether requests wait that the device has forgotten. It takes two
// looks: after a sleep of the whole process the completions are only just due. mu is held.
func (l *link) stalled() bool {
	if l.state == dead || l.state == freed {
		return false
	}
	limit, was := l.d.t.cfg.Stall, l.stuck
	l.stuck = len(l.marks) > 0 && time.Since(l.since) > limit && time.Now().UnixNano()-l.p.last.Load() > int64(limit)
	return l.stuck && was
}

// marker posts the last request, in ERR: requests complete in order, so that with
// it all are given back. false: there is nothing to wait for. mu is held.
func (l *link) marker() bool {
	if l.sqUsed == 0 || l.d.attr.IWARP {
		l.marked = true // nothing was posted, or all is known to be done; or nothing would be said of it
		return true
	}
	_, err := l.qp.PostSend([]nic.SendWR{{ID: l.id(workMarker, 0), Op: nic.OpSend, MR: l.rmr, Signalled: true}})
	return err == nil
}

// drained says so when the device has given everything back. Receives complete
// one by one, flushed or not, and are counted. mu is held.
func (l *link) drained() {
	if l.marked && l.rqUsed == 0 {
		select {
		case <-l.empty:
		default:
			close(l.empty)
		}
	}
}

// complete takes a completion. The poller calls it.
func (l *link) complete(wc nic.WC) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if uint32(wc.ID>>32) != l.number {
		return // of a stream that had this QPN before
	}
	kind, index := wc.ID>>24&0xff, int(wc.ID&0xffffff)
	switch kind {
	case workRecv:
		l.rqUsed--
	case workMarker:
		l.marked = true
	}
	var err error
	switch {
	case l.state == dead || l.state == freed:
		l.drained()
	case wc.Status != nic.Success:
		err = completionError(wc, l.d.attr.IWARP)
	case kind == workRecv:
		if l.d.attr.IWARP {
			l.heard = time.Now()
		}
		err = l.receive(index, wc)
	default:
		err = l.sent(wc.ID)
	}
	if err != nil {
		l.die(err)
	}
	l.nudge()
}

// sent takes the completion of a signalled request. mu is held.
func (l *link) sent(id uint64) error {
	if len(l.marks) == 0 || l.marks[0].id != id {
		return fmt.Errorf("QP %d: completion %#x out of turn: %s", l.qpn, id, cureOurs)
	}
	m := l.marks[0]
	l.marks = append(l.marks[:0], l.marks[1:]...)
	l.since, l.stuck = time.Now(), false
	l.sqUsed -= m.wrs
	l.said()
	if err := l.role.idle(m.frames); err != nil || !l.state.talks() {
		return err
	}
	return l.role.settle()
}

// receive takes a message that has arrived: it is copied out, its receive is
// posted again, and only then is it looked at. mu is held.
func (l *link) receive(index int, wc nic.WC) error {
	length := int(wc.ByteLen)
	if wc.Opcode == nic.OpRecvImm {
		length = 0
	}
	if index >= l.rqDepth || length > message {
		return fmt.Errorf("QP %d: receive %d of %d bytes: %s", l.qpn, index, length, cureOurs)
	}
	var b [message]byte
	copy(b[:], l.ring.Bytes()[index*message:])
	w := nic.RecvWR{ID: l.id(workRecv, index), MR: l.rmr, Offset: index * message, Length: message}
	if wc.Opcode == nic.OpRecvImm {
		return errors.Join(l.repost(w), l.brought(wc))
	}
	if !l.state.talks() {
		return errors.Join(l.repost(w), l.hello(b[:length]))
	}
	c, err := wire.ParseCDC(b[:length])
	if err != nil {
		return fmt.Errorf("%w: %w", transport.ErrProtocol, err)
	}
	if l.role.full(c) {
		l.parked = append(l.parked, w)
		return nil
	}
	if err := l.repost(w); err != nil {
		return err
	}
	return l.role.take(c)
}

// brought takes a frame that came with immediate data. mu is held.
func (l *link) brought(wc nic.WC) error {
	if !l.imm || !l.state.talks() {
		return fmt.Errorf("QP %d: immediate data %#x, which were not agreed on: %w", l.qpn, wc.Imm, transport.ErrProtocol)
	}
	c, err := wire.ImmCDC(wc.Imm, wc.ByteLen, l.req.Epoch, l.role.due())
	if err != nil {
		return fmt.Errorf("%w: %w", transport.ErrProtocol, err)
	}
	return l.role.take(c)
}

// repost posts receives once more; mu is held.
func (l *link) repost(list ...nic.RecvWR) error {
	n, err := l.qp.PostRecv(list)
	l.rqUsed += n
	if err != nil {
		return fmt.Errorf("QP %d: %w", l.qpn, err)
	}
	return nil
}
