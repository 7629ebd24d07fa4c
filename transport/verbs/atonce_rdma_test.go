//go:build rdma_matrix

package verbs_test

import (
	"fmt"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"scp_rdma/engine"
	"scp_rdma/localfs"
)

// atOnce is how many sessions a server takes.
const atOnce = 64

// TestSessionsAtOnceLeaveNothing has as many sessions as a server takes, each held until
// all have their streams; then both ends have what they had before.
func TestSessionsAtOnceLeaveNothing(t *testing.T) {
	src := t.TempDir()
	fill(t, filepath.Join(src, "file"), 100_000)
	client, clients := open(t)
	server, servers := open(t)
	s := serve(t, over(server))
	gate := make(chan struct{})
	release := sync.OnceFunc(func() { close(gate) })
	defer release()
	ended := make(chan error, atOnce+1)
	send := func(name string, gate chan struct{}) {
		_, err := s.send(t.Context(), t, src, func(c *engine.SendConfig) {
			c.Streams, c.Slots, c.SlotSize = 1, 4, 64<<10
			c.Target = localfs.Target{Path: name, Contents: true}
			c.Source = gated{c.Source, gate}
		}, over(client))
		ended <- err
	}
	free := make(chan struct{})
	close(free)
	send("first", free)
	check(t, <-ended)
	check(t, s.next(t))
	before, start := look(t, 0), time.Now()
	for n := range atOnce {
		go send(strconv.Itoa(n), gate)
		// A handshake at a time is enough for an emulated CPU.
		for deadline := time.Now().Add(2 * time.Minute); queuePairs(clients()) < n+1 || queuePairs(servers()) < n+1; {
			select {
			case err := <-ended:
				t.Fatalf("one of %d has ended before it began: %v", n+1, err)
			case <-time.After(20 * time.Millisecond):
			}
			if time.Now().After(deadline) {
				t.Fatalf("session %d has no stream: %v, %v", n+1, clients(), servers())
			}
		}
	}
	meanwhile := look(t, 0)
	release()
	for range atOnce {
		check(t, <-ended)
		check(t, s.next(t))
	}
	after := look(t, before.goroutines)
	t.Logf("%d sessions in %v\nbefore:    %+v\nmeanwhile: %+v\nafter:     %+v", atOnce, time.Since(start), before, meanwhile, after)
	if left := append(clients(), servers()...); len(left) != 0 {
		t.Errorf("left open: %v", left)
	}
	if meanwhile.pinned == before.pinned || meanwhile.descriptors < before.descriptors+4*atOnce || meanwhile.objects == before.objects {
		t.Errorf("nothing shows of %d sessions", atOnce)
	}
	// Go keeps what it had of goroutines, of which there were many.
	before.heaps, after.heaps, before.resident, after.resident = 0, 0, 0, 0
	if before != after {
		t.Errorf("%+v before, %+v after", before, after)
	}
}

// gated is a source that isn't walked before it may be.
type gated struct {
	engine.Source
	open <-chan struct{}
}

func (g gated) Next() (*localfs.Entry, error) {
	<-g.open
	return g.Source.Next()
}

// queuePairs counts those among what is open: "QP of rxe0 (2)".
func queuePairs(open []string) (all int) {
	for _, what := range open {
		var device string
		var n int
		if _, err := fmt.Sscanf(what, "QP of %s (%d)", &device, &n); err == nil {
			all += n
		}
	}
	return all
}
