package transport

import "fmt"

// SendLedger is the sending side of a stream's flow control. Pure: no locks, no
// time, no I/O. Slots are filled in ring order: frame n uses slot n mod slots.
//
// A slot may be filled when a credit covers its frame AND the transport's own
// work on its last frame is done (on iWARP a completion is no delivery; the
// credit is what makes reuse safe). Grants are absolute counts under the
// stream's epoch: one that is late, repeated or of a dead epoch changes nothing.
type SendLedger struct {
	epoch   uint32
	slots   uint64
	next    uint64 // number of the next frame: so many were taken
	granted uint64 // the receiver has room for frames below this
	busy    []bool // slots the transport still works on
	asked   bool   // a request is unanswered
	askedAt uint64 // granted when the last request went out; 0: none did
}

// NewSendLedger begins an epoch: all slots are free on both sides.
func NewSendLedger(slots int, epoch uint32) *SendLedger {
	return &SendLedger{epoch: epoch, slots: uint64(slots), granted: uint64(slots), busy: make([]bool, slots)}
}

// Ready says whether the next frame may be filled.
func (l *SendLedger) Ready() bool { return l.next < l.granted && !l.busy[l.next%l.slots] }

// Blocked says whether a credit is what the next frame waits for.
func (l *SendLedger) Blocked() bool { return l.next >= l.granted }

// Next is the slot and the number of the next frame.
func (l *SendLedger) Next() (slot uint32, frame uint64) { return uint32(l.next % l.slots), l.next }

// Take counts the next frame as sent. Ready must hold.
func (l *SendLedger) Take() {
	l.busy[l.next%l.slots] = true
	l.next++
}

// Complete says that the transport's own work on a slot is done.
func (l *SendLedger) Complete(slot uint32) error {
	if uint64(slot) >= l.slots || !l.busy[slot] {
		return fmt.Errorf("completion for slot %d, which is idle: %w", slot, ErrProtocol)
	}
	l.busy[slot] = false
	return nil
}

// Grant takes what the receiver has granted in all. answer: it is the answer to
// a request. Only an answer makes room for the next request: credits that were
// under way already don't, or answers would pile up unread.
func (l *SendLedger) Grant(epoch uint32, count uint64, answer bool) error {
	if epoch != l.epoch {
		return nil
	}
	if count > l.next+l.slots {
		return fmt.Errorf("grant of %d frames after %d were sent into %d slots: %w", count, l.next, l.slots, ErrProtocol)
	}
	if answer {
		l.asked = false
	}
	l.granted = max(l.granted, count)
	return nil
}

// Ask says whether a "writer blocked" request should go out now: one unanswered
// at a time, and after an answer that brought nothing not again until a credit
// came, for the receiver remembers. again: the answer is overdue (which only
// a transport that can lose one needs to say), another request takes its place.
func (l *SendLedger) Ask(again bool) bool {
	if !again && (l.asked || l.askedAt == l.granted) {
		return false
	}
	l.asked, l.askedAt = true, l.granted
	return true
}

// Ping says whether a request should go out only to hear an answer, of a receiver of
// whom nothing else tells that it is there: not while another is unanswered.
func (l *SendLedger) Ping() bool { return !l.asked && l.Ask(true) }

// Sent is how many frames were sent.
func (l *SendLedger) Sent() uint64 { return l.next }

// InUse is how many slots hold a frame that the receiver has not said it released.
func (l *SendLedger) InUse() int { return int(l.next + l.slots - l.granted) }

// Flushed says whether the receiver has released every frame that was sent.
func (l *SendLedger) Flushed() bool { return l.granted == l.next+l.slots }
