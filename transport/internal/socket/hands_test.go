package socket

import (
	"testing"

	"scp_rdma/transport"
)

func TestWhatWasUsedLastIsUsedNext(t *testing.T) {
	slots := transport.MakeSlots(make([]byte, 3*(transport.HeadRoom+4096)), 3, 4096)
	h := newHands(slots, false)
	first := h.take(0)
	if h.take(0) != first {
		t.Error("a slot in somebody's hands is another one")
	}
	h.drop(first)
	h.drop(first) // counts once
	for i := range uint32(9) {
		s := h.take(i % 3)
		if s != first || s.Index != i%3 {
			t.Fatalf("use %d: other memory, or slot %d", i, s.Index)
		}
		h.drop(s)
	}
	seen := map[*transport.Slot]bool{}
	for i := range uint32(3) {
		seen[h.take(i)] = true
	}
	if len(seen) != 3 {
		t.Errorf("three slots have %d memories", len(seen))
	}
	h.drop(h.take(1))
	if s := h.take(1); s.Index != 1 || len(h.free) != 0 {
		t.Errorf("slot %d, %d free", s.Index, len(h.free))
	}
}
