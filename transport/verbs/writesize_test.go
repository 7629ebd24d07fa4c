package verbs

import (
	"bytes"
	"errors"
	"testing"

	"scp_rdma/transport"
	"scp_rdma/transport/verbs/internal/nic"
)

// However a frame is cut into WRITEs, it arrives whole, and the queue has room for all slots.
func TestFramesAreWholeInAnyNumberOfWrites(t *testing.T) {
	const slots, size = 4, 8192 // as joined has them
	for _, writeSize := range []int{0, 100, 1000, 4096, size, transport.HeadRoom + size, 1 << 30} {
		_, _, s, r := joined(t, func(c *Config) { c.WriteSize = writeSize })
		for round := range 5 {
			var want [slots][]byte
			for k := range slots {
				slot, err := s.Acquire(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				want[k] = bytes.Repeat([]byte{byte(1 + round*slots + k)}, 24+size-k)
				err = slot.SetLen(24, size-k)
				copy(slot.Bytes(), want[k])
				if err := errors.Join(err, s.Send(t.Context(), slot)); err != nil {
					t.Fatalf("in WRITEs of %d bytes: %v", writeSize, err)
				}
				if n, most := written(s.(*sendStream)); n != len(want[k]) || writeSize > 0 && most > writeSize {
					t.Errorf("in WRITEs of %d bytes: %d of %d were posted, at most %d at once", writeSize, n, len(want[k]), most)
				}
			}
			for k := range slots {
				got, err := r.Recv(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got.Bytes(), want[k]) {
					t.Errorf("in WRITEs of %d bytes: frame %d differs", writeSize, got.Frame)
				}
				if err := r.Release(got); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := s.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		posted := s.(*sendStream).sqDepth
		if want, _ := depths(slots, 1); writeSize == 0 && posted != want {
			t.Errorf("a queue of %d requests, want %d", posted, want)
		}
	}
}

// written is what the last frame's WRITEs carry together, and the largest of them.
func written(s *sendStream) (sum, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.chain {
		if w.Op == nic.OpWrite {
			sum += w.Length
			most = max(most, w.Length)
		}
	}
	return sum, most
}
