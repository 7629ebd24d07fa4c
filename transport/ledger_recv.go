package transport

import "fmt"

// RecvLedger is the receiving side of a stream's flow control. Pure: no locks,
// no time, no I/O.
//
// Frames must come in ring order, each under a grant. They may be released in
// any order; the grant advances over the contiguous prefix of what was
// released, and is told to the sender in batches, or at once if it waits.
type RecvLedger struct {
	epoch    uint32
	slots    uint64
	next     uint64 // number of the next frame: so many have arrived
	released uint64 // frames below this were all released
	told     uint64 // the grant that the sender was last told
	batch    uint64
	waiting  bool   // the sender said it is blocked, and nothing was granted since
	held     []bool // slots that hold a frame
}

// NewRecvLedger begins an epoch: all slots are free and granted.
func NewRecvLedger(slots int, epoch uint32) *RecvLedger {
	return &RecvLedger{
		epoch: epoch, slots: uint64(slots), told: uint64(slots),
		batch: uint64(max(slots/4, 1)), held: make([]bool, slots),
	}
}

// Arrive takes the announcement of a frame. A frame out of turn, in another
// slot than its own, of another epoch, or without a credit Is ErrProtocol.
func (l *RecvLedger) Arrive(epoch uint32, slot uint32, frame uint64) error {
	switch {
	case epoch != l.epoch:
		return fmt.Errorf("frame of epoch %d in epoch %d: %w", epoch, l.epoch, ErrProtocol)
	case frame != l.next || uint64(slot) != frame%l.slots:
		return fmt.Errorf("frame %d in slot %d, expected frame %d in slot %d: %w", frame, slot, l.next, l.next%l.slots, ErrProtocol)
	case frame >= l.told:
		return fmt.Errorf("frame %d without a credit, granted %d: %w", frame, l.told, ErrProtocol)
	}
	l.held[slot] = true
	l.next++
	return nil
}

// Release takes a slot back. tell: the sender should be told of the grant now.
func (l *RecvLedger) Release(slot uint32) (tell bool, err error) {
	if uint64(slot) >= l.slots || !l.held[slot] {
		return false, fmt.Errorf("release of slot %d, which is not held: %w", slot, ErrProtocol)
	}
	l.held[slot] = false
	for l.released < l.next && !l.held[l.released%l.slots] {
		l.released++
	}
	fresh := l.Grant() - l.told
	return fresh >= l.batch || l.waiting && fresh > 0, nil
}

// Request takes the sender's word that it is blocked. It is to be answered with
// Grant at once, and remembered until something is granted.
func (l *RecvLedger) Request(epoch uint32) (answer bool) {
	if epoch != l.epoch {
		return false
	}
	l.waiting = true
	return true
}

// Grant is the number of frames granted in all.
func (l *RecvLedger) Grant() uint64 { return l.released + l.slots }

// Told notes that the sender was told of the grant.
func (l *RecvLedger) Told() {
	if l.Grant() > l.told {
		l.waiting = false
	}
	l.told = l.Grant()
}

// InUse is how many slots hold a frame, or wait behind one that does.
func (l *RecvLedger) InUse() int { return int(l.next - l.released) }

// Arrived is how many frames have arrived.
func (l *RecvLedger) Arrived() uint64 { return l.next }
