package socket

import (
	"sync"

	"scp_rdma/transport"
)

// hands gives a slot memory when it is used: what was used last, which is in the cache;
// where the peer has the same slots, its own.
// The kernel copies a frame before Send returns, and after Recv began; so a stream of one
// worker goes through a MiB again and again, however many slots its credits need.
type hands struct {
	mu   sync.Mutex
	held []*transport.Slot // by index; nil: in nobody's hands
	free []*transport.Slot // what was used last comes last
	own  bool              // each has its own memory, held for ever
}

func newHands(slots []*transport.Slot, own bool) *hands {
	if own {
		return &hands{held: slots, own: true}
	}
	return &hands{held: make([]*transport.Slot, len(slots)), free: slots}
}

// take is the slot of that index: the same one as long as it is in somebody's hands.
// The ledger sees to it that no more are than there are.
func (h *hands) take(index uint32) *transport.Slot {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held[index] == nil {
		last := len(h.free) - 1
		h.held[index], h.free = h.free[last], h.free[:last]
		h.held[index].Index = index
	}
	return h.held[index]
}

// drop says that nobody has the slot any more, and nothing is read from it or written
// to it. It may be called again.
func (h *hands) drop(slot *transport.Slot) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.own && int(slot.Index) < len(h.held) && h.held[slot.Index] == slot {
		h.held[slot.Index] = nil
		h.free = append(h.free, slot)
	}
}
