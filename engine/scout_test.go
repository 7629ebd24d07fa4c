package engine

import (
	"testing"

	"scp_rdma/wire"
)

// A source that is known whole gets streams that it fills, and what the user has
// said stays.
func TestSmallSourcesGetSmallStreams(t *testing.T) {
	const mib = 1 << 20
	for name, tt := range map[string]struct {
		files, bytes, largest uint64
		set                   SendConfig
		streams, slot, slots  int // at most
	}{
		"nothing":                   {0, 0, 0, SendConfig{}, 1, fitSlot, 3},
		"one small file":            {1, 5, 5, SendConfig{}, 1, fitSlot, 3},
		"500 files of 4 KiB":        {500, 500 * 4096, 4096, SendConfig{}, 2, 256 << 10, 8},
		"a file of 300 KiB":         {1, 300 << 10, 300 << 10, SendConfig{}, 1, 300 << 10, 4},
		"many empty files":          {100_000, 0, 0, SendConfig{}, 4, fitSlot, 8},
		"64 MiB":                    {1, 64 * mib, 64 * mib, SendConfig{}, 4, mib, 8},
		"-j 8 for one small file":   {1, 5, 5, SendConfig{Streams: 8}, 8, fitSlot, 3},
		"slots and sizes are given": {1, 5, 5, SendConfig{Streams: 3, Slots: 7, SlotSize: 8192}, 3, 8192, 7},
	} {
		s := newSender(tt.set)
		s.scout = &scout{}
		s.count.files.Store(tt.files)
		s.count.bytes.Store(tt.bytes)
		s.scout.largest.Store(tt.largest)
		s.routes = &routes{all: []*route{{lanes: []*lane{{rail: "a"}}}}}
		if err := s.agree(wire.Limits{Streams: 4 + uint32(tt.set.Streams), Slots: 128, SlotSize: 16 * mib, Window: 100}, path{rails: 1}, true); err != nil {
			t.Fatal(err)
		}
		if s.streams > tt.streams || s.slotSize > tt.slot || s.slots > tt.slots || s.streams < 1 || s.slotSize < 4096 || s.slots < 1 {
			t.Errorf("%s: %d streams of %d slots of %d bytes, want at most %d, %d, %d", name, s.streams, s.slots, s.slotSize, tt.streams, tt.slots, tt.slot)
		}
		room := uint64(s.streams * s.slots * s.slotSize)
		if tt.bytes <= mib && tt.set.SlotSize == 0 && room > 8*mib {
			t.Errorf("%s: %d bytes of slots", name, room)
		}
	}
}
