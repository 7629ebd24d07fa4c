package transport

import (
	"errors"
	"testing"
)

func TestSenderStopsWithoutCredits(t *testing.T) {
	l := NewSendLedger(3, 7)
	for i := range uint64(3) {
		slot, frame := l.Next()
		if !l.Ready() || uint64(slot) != i || frame != i {
			t.Fatalf("frame %d: ready %v, slot %d, frame %d", i, l.Ready(), slot, frame)
		}
		l.Take()
		if err := l.Complete(slot); err != nil {
			t.Fatal(err)
		}
	}
	if l.Ready() || !l.Blocked() || l.Flushed() {
		t.Error("three slots are full, the sender must be blocked")
	}
	steps := []struct {
		epoch   uint32
		grant   uint64
		ready   bool
		flushed bool
	}{
		{6, 4, false, false}, // a dead epoch
		{7, 2, false, false}, // late
		{7, 4, true, false},
		{7, 3, true, false}, // a lower one takes nothing back
		{7, 6, true, true},
	}
	for _, s := range steps {
		if err := l.Grant(s.epoch, s.grant, false); err != nil || l.Ready() != s.ready || l.Flushed() != s.flushed {
			t.Errorf("grant %+v: %v, ready %v, flushed %v", s, err, l.Ready(), l.Flushed())
		}
	}
	if err := l.Grant(7, 7, false); !errors.Is(err, ErrProtocol) {
		t.Errorf("a grant beyond sent + slots: %v", err)
	}
}

func TestSlotNeedsCompletionAndCredit(t *testing.T) {
	l := NewSendLedger(1, 1)
	l.Take()
	if err := l.Grant(1, 2, false); err != nil || l.Ready() {
		t.Error("a credit alone must not free a slot that is still worked on")
	}
	if err := l.Complete(0); err != nil || !l.Ready() {
		t.Error("completion and credit free the slot")
	}
	if err := l.Complete(0); !errors.Is(err, ErrProtocol) {
		t.Errorf("second completion: %v", err)
	}
	if err := l.Complete(9); !errors.Is(err, ErrProtocol) {
		t.Errorf("completion of a slot that is none: %v", err)
	}
}

func TestReceiverRefusesFramesOutOfTurn(t *testing.T) {
	tests := map[string]struct {
		epoch, slot uint32
		frame       uint64
	}{
		"another epoch":       {2, 1, 1},
		"a gap":               {1, 0, 2},
		"a repeated frame":    {1, 0, 0},
		"another slot":        {1, 0, 1},
		"a slot out of range": {1, 77, 1},
	}
	for name, tt := range tests {
		l := NewRecvLedger(2, 1)
		if err := l.Arrive(1, 0, 0); err != nil {
			t.Fatal(err)
		}
		if err := l.Arrive(tt.epoch, tt.slot, tt.frame); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %v", name, err)
		}
	}
	l := NewRecvLedger(1, 1)
	_ = l.Arrive(1, 0, 0)
	if err := l.Arrive(1, 0, 1); !errors.Is(err, ErrProtocol) {
		t.Errorf("a frame without a credit: %v", err)
	}
	if _, err := l.Release(0); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Release(0); !errors.Is(err, ErrProtocol) {
		t.Errorf("a second release: %v", err)
	}
	if err := l.Arrive(1, 0, 1); !errors.Is(err, ErrProtocol) {
		t.Errorf("a frame under a grant that the sender was not told: %v", err)
	}
}

func TestGrantsComeInBatchesUnlessSomeoneWaits(t *testing.T) {
	l := NewRecvLedger(8, 1)
	for i := range uint32(8) {
		_ = l.Arrive(1, i, uint64(i))
	}
	release := func(slot uint32, want bool) {
		t.Helper()
		tell, err := l.Release(slot)
		if err != nil || tell != want {
			t.Errorf("release of %d: tell %v, %v", slot, tell, err)
		}
		if tell {
			l.Told()
		}
	}
	release(1, false) // not the prefix yet
	release(0, true)  // two at once
	release(2, false)
	if !l.Request(1) || l.Request(9) {
		t.Error("requests of this epoch are answered, others not")
	}
	release(3, true)
	release(4, false)
	l.Request(1)
	l.Told() // the answer brings one
	release(5, false)
	l.Told()
	l.Request(1)
	l.Told() // nothing new: remembered
	release(6, true)
}

type grant struct {
	count  uint64
	answer bool
}

// world is both ledgers with a wire between them that loses, repeats and
// reorders credits and requests (data is reliable, as on RC and TCP).
type world struct {
	t       *testing.T
	s       *SendLedger
	r       *RecvLedger
	slots   uint64
	data    []uint64 // frames under way
	grants  []grant  // grants under way
	asks    int
	held    []uint32
	arrived uint64
	freed   uint64
}

func (w *world) step(op, arg byte) {
	switch op % 8 {
	case 0: // send
		if w.s.Ready() {
			slot, frame := w.s.Next()
			w.s.Take()
			_ = w.s.Complete(slot)
			w.data = append(w.data, frame)
		}
	case 1: // arrive
		if len(w.data) > 0 {
			frame := w.data[0]
			w.data = w.data[1:]
			if err := w.r.Arrive(1, uint32(frame%w.slots), frame); err != nil {
				w.t.Fatalf("an honest frame was refused: %v", err)
			}
			w.held = append(w.held, uint32(frame%w.slots))
			w.arrived++
		}
	case 2: // release any
		if n := len(w.held); n > 0 {
			i := int(arg) % n
			tell, err := w.r.Release(w.held[i])
			if err != nil {
				w.t.Fatalf("an honest release was refused: %v", err)
			}
			w.held = append(w.held[:i], w.held[i+1:]...)
			w.freed++
			if tell {
				w.tell(false)
			}
		}
	case 3: // a credit arrives, any of those under way
		if n := len(w.grants); n > 0 {
			i := int(arg) % n
			g := w.grants[i]
			w.grants = append(w.grants[:i], w.grants[i+1:]...)
			w.grant(1, g.count, g.answer)
		}
	case 4: // a credit is lost
		if len(w.grants) > 0 {
			w.grants = w.grants[1:]
		}
	case 5: // a credit is repeated, one of a dead epoch comes
		if len(w.grants) > 0 {
			w.grant(1, w.grants[0].count, false)
			w.grant(0, uint64(arg)*1000, true)
		}
	case 6: // blocked: ask
		if w.s.Blocked() && w.s.Ask(arg%2 == 0) {
			w.asks++
		}
	case 7: // the request arrives, or is lost
		if w.asks > 0 {
			w.asks--
			if arg%3 != 0 && w.r.Request(1) {
				w.tell(true)
			}
		}
	}
	if w.s.Sent()-w.freed > w.slots {
		w.t.Fatalf("%d frames in %d slots", w.s.Sent()-w.freed, w.slots)
	}
}

func (w *world) tell(answer bool) {
	w.grants = append(w.grants, grant{w.r.Grant(), answer})
	w.r.Told()
}

func (w *world) grant(epoch uint32, count uint64, answer bool) {
	if err := w.s.Grant(epoch, count, answer); err != nil {
		w.t.Fatalf("an honest grant was refused: %v", err)
	}
}

// settle delivers everything, asking as often as it takes.
func (w *world) settle() {
	for range 4 * (len(w.data) + len(w.held) + len(w.grants) + 8) {
		for _, op := range []byte{1, 2, 3} {
			w.step(op, 0)
		}
	}
	if w.s.Ask(true) && w.r.Request(1) {
		w.tell(true)
	}
	for len(w.grants) > 0 {
		w.step(3, 0)
	}
}

// FuzzLedger: whatever is lost, repeated or reordered among credits and
// requests, slots are never overrun, and asking always brings the sender on.
func FuzzLedger(f *testing.F) {
	f.Add(byte(1), []byte{0, 0, 1, 0, 2, 0, 4, 0, 6, 0, 7, 1, 3, 0})
	f.Add(byte(4), []byte{0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 2, 1, 2, 0, 3, 0, 5, 0, 6, 1, 7, 2})
	f.Fuzz(func(t *testing.T, slots byte, ops []byte) {
		n := 1 + int(slots)%16
		w := &world{t: t, s: NewSendLedger(n, 1), r: NewRecvLedger(n, 1), slots: uint64(n)}
		for ; len(ops) >= 2; ops = ops[2:] {
			w.step(ops[0], ops[1])
		}
		w.settle()
		if !w.s.Flushed() || !w.s.Ready() || w.freed != w.s.Sent() {
			t.Errorf("stuck: %+v %+v", w.s, w.r)
		}
	})
}

// FuzzUnreadCredits: over a wire that loses nothing, and with a sender that
// reads only while it is blocked, no more than slots credits and one answer ever
// lie unread. This is what lets a receiver write them without waiting.
func FuzzUnreadCredits(f *testing.F) {
	f.Add(byte(4), []byte{0, 0, 0, 0, 0, 1, 1, 2, 2, 0, 3, 1, 2, 0, 0, 3, 4})
	f.Add(byte(1), []byte{0, 3, 1, 2, 0, 3, 1, 2, 0, 3, 4, 1, 2})
	f.Fuzz(func(t *testing.T, slots byte, ops []byte) {
		n := 1 + int(slots)%8
		w := &world{t: t, s: NewSendLedger(n, 1), r: NewRecvLedger(n, 1), slots: uint64(n)}
		for _, op := range ops {
			switch op % 5 {
			case 0, 1, 2:
				w.step(op%5, op/5)
			case 3: // a blocked sender asks and reads one credit
				if w.s.Blocked() {
					if w.s.Ask(false) {
						w.asks++
					}
					w.step(3, 0)
				}
			case 4: // the receiver takes a request
				if w.asks > 0 {
					w.asks--
					w.r.Request(1)
					w.tell(true)
				}
			}
			if len(w.grants) > n+1 {
				t.Fatalf("%d credits unread with %d slots", len(w.grants), n)
			}
		}
	})
}

func TestABlockedSenderAsksOncePerCredit(t *testing.T) {
	l := NewSendLedger(1, 1)
	l.Take()
	if err := l.Complete(0); err != nil {
		t.Fatal(err)
	}
	if !l.Ask(false) || l.Ask(false) {
		t.Error("one request, and no second while it is unanswered")
	}
	_ = l.Grant(1, 1, true)
	if l.Ask(false) {
		t.Error("an answer that brings nothing is no reason to ask again: the receiver remembers")
	}
	if !l.Ask(true) {
		t.Error("an overdue answer is")
	}
	_ = l.Grant(1, 2, false)
	l.Take()
	if l.Ask(false) {
		t.Error("a credit is no answer")
	}
	_ = l.Grant(1, 2, true)
	if !l.Ask(false) {
		t.Error("after the answer, and a credit, the next request may go")
	}
}
