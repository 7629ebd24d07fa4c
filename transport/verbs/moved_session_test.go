package verbs_test

import (
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"scp_rdma/engine"
	"scp_rdma/transport/verbs/internal/nic"
	"scp_rdma/transport/verbs/internal/softnic"
)

// An address is taken from a card in the middle of a transfer over it alone, and comes
// back to another row: either end goes on with that.
func TestATransferOutlivesItsGID(t *testing.T) {
	for name, removes := range map[string]int{"the client's": 0, "the server's": 1} {
		t.Run(name, func(t *testing.T) {
			f := &softnic.Fabric{}
			specs := [2]softnic.Spec{softnic.RXE("rxe0", [4]byte{10, 1, 0, 1}), softnic.RXE("rxe0", [4]byte{10, 1, 0, 2})}
			hosts := [2]*softnic.Host{f.Host(specs[0]), f.Host(specs[1])}
			there := specs[removes].GIDs
			back := there[1]
			back.Index = 6
			var bytes, made atomic.Int64
			var middle, once sync.Once
			died := make(chan struct{})
			remove := func() {
				hosts[removes].SetGIDs("rxe0", there[0])
				select {
				case <-died:
				case <-time.After(time.Minute):
					t.Error("the stream lives without its address")
				}
			}
			cut := hooks{post: func(_ nic.QP, chain []nic.SendWR, _ func(nic.MR) []byte) {
				for _, w := range chain {
					bytes.Add(int64(w.Length))
				}
				if bytes.Load() > 16<<20 {
					middle.Do(remove)
				}
			}, path: func(p nic.Peer) nic.Peer {
				made.Add(1)
				return p
			}}
			side := [2]hooks{cut, {}}
			side[removes].dies = func() {
				once.Do(func() {
					hosts[removes].SetGIDs("rxe0", there[0], back)
					close(died)
				})
			}
			s := serve(t, over(spyHost{hosts[1], side[1]}))
			src := t.TempDir()
			fill(t, filepath.Join(src, "large"), 64<<20)
			r, err := s.send(t.Context(), t, src, func(c *engine.SendConfig) { c.Streams = 1 }, over(spyHost{hosts[0], side[0]}))
			check(t, err)
			check(t, s.next(t))
			got, err := os.ReadFile(filepath.Join(s.dst, "large"))
			check(t, err)
			want, err := os.ReadFile(filepath.Join(src, "large"))
			check(t, err)
			if string(got) != string(want) || r.Transport != "verbs" || made.Load() < 2 {
				t.Errorf("%d bytes came, over %d QPs, of which the first had to end: %+v", len(got), made.Load(), r)
			}
			s.stop(t)
			if left := f.Leaks(); len(left) != 0 {
				t.Errorf("left open: %v", left)
			}
		})
	}
}
