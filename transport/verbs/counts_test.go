package verbs_test

import (
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"

	"scp_rdma/engine"
	"scp_rdma/transport"
	"scp_rdma/transport/verbs/internal/nic"
	"scp_rdma/transport/verbs/internal/softnic"
)

// tally is what one side asked of its devices once its streams were open. On real
// devices each call is one of C (cgo).
type tally struct {
	posts, reposts, polls, arms atomic.Int64 // calls
	writes, sends, recvs        atomic.Int64 // work requests
	completions, bytes          atomic.Int64
}

func (c *tally) calls() int64 {
	return c.posts.Load() + c.reposts.Load() + c.polls.Load() + c.arms.Load()
}

// hooks count on the way to the devices.
func (c *tally) hooks() hooks {
	return hooks{
		post: func(_ nic.QP, chain []nic.SendWR, _ func(nic.MR) []byte) {
			c.posts.Add(1)
			for _, w := range chain {
				if w.Op == nic.OpWrite {
					c.writes.Add(1)
					c.bytes.Add(int64(w.Length))
				} else {
					c.sends.Add(1)
				}
			}
		},
		repost: func(n int) {
			c.reposts.Add(1)
			c.recvs.Add(int64(n))
		},
		poll: func(n int) {
			c.polls.Add(1)
			c.completions.Add(int64(n))
		},
		arm: func() { c.arms.Add(1) },
	}
}

// TestWhatATransferAsksOfTheDevices bounds the requests, completions and calls of
// a whole transfer, which carry over to any device, per unit of what is sent: a
// MiB of a large file, or a small file.
func TestWhatATransferAsksOfTheDevices(t *testing.T) {
	large := t.TempDir()
	fill(t, filepath.Join(large, "large"), 256<<20)
	small := t.TempDir()
	for i := range 2000 {
		fill(t, filepath.Join(small, strconv.Itoa(i)), 4096)
	}
	for _, tt := range []struct {
		name, src string
		units     float64
		// No more than so many per unit, both sides together.
		wrs, cqes, calls float64
	}{
		{"MiB of a file", large, 256, 12, 8, 40},
		{"file of 4 KiB", small, 2000, 0.5, 0.5, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var client, server tally
			allocs := transfer(t, tt.src, &client, &server)
			var wrs, cqes, calls float64
			for side, c := range map[string]*tally{"client": &client, "server": &server} {
				per := func(n int64) float64 { return float64(n) / tt.units }
				t.Logf("%s, per %s: %.3f WRITEs, %.3f SENDs, %.3f receives, %.3f completions, %.3f calls (%.3f to post sends)",
					side, tt.name, per(c.writes.Load()), per(c.sends.Load()), per(c.recvs.Load()), per(c.completions.Load()), per(c.calls()), per(c.posts.Load()))
				wrs += per(c.writes.Load() + c.sends.Load() + c.recvs.Load())
				cqes += per(c.completions.Load())
				calls += per(c.calls())
			}
			t.Logf("Go allocations of both sides: %.1f per %s", float64(allocs)/tt.units, tt.name)
			if wrs > tt.wrs || cqes > tt.cqes || calls > tt.calls {
				t.Errorf("%.2f requests, %.2f completions, %.2f calls per %s; %v, %v and %v are enough", wrs, cqes, calls, tt.name, tt.wrs, tt.cqes, tt.calls)
			}
			if least := int64(tt.units) << 10; client.bytes.Load() < least { // what is counted is what was sent
				t.Errorf("only %d bytes were written to the peer", client.bytes.Load())
			}
		})
	}
}

// transfer sends a directory from one host of a fabric to another, and says how
// many allocations that took.
func transfer(t *testing.T, src string, client, server *tally) uint64 {
	t.Helper()
	f := &softnic.Fabric{}
	side := func(host byte, c *tally) transport.Transport {
		return over(spyHost{f.Host(softnic.RXE("rxe0", [4]byte{10, 1, 0, host})), c.hooks()})
	}
	s := serve(t, side(2, server))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := s.send(t.Context(), t, src, func(c *engine.SendConfig) { c.Streams = 4 }, side(1, client))
	check(t, err)
	runtime.ReadMemStats(&after)
	s.stop(t)
	return after.Mallocs - before.Mallocs
}
