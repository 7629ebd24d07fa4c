package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"scp_rdma/internal/tree"
	"scp_rdma/wire"
)

// TestACrowdOfStrangers: thousands of half handshakes, at every stage, and words
// a byte at a time, while honest clients are served.
func TestACrowdOfStrangers(t *testing.T) {
	srv := serve(t, nobody(), folder(t, nobody()))
	before := descriptors(t, srv.process)
	peak := peakMemory(t, srv.process)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() { crowd(srv.addr, i, 500, stop) })
	}
	src := generate(t, nobody(), tree.Spec{Seed: 8, Files: 200, PlainOnly: true})
	most := 0
	for i := range 5 {
		r := srv.send(t, nobody(), src, fmt.Sprintf("honest%d/", i))
		r.wants(t, 0)
		same(t, src, filepath.Join(srv.dir, fmt.Sprintf("honest%d", i), "src"), tree.Options{})
		most = max(most, descriptors(t, srv.process))
	}
	close(stop)
	wg.Wait()
	// 512 unproved, 32 refusals under way, the sessions with their directories.
	if most > before+512+32+400 {
		t.Errorf("%d descriptors, %d before", most, before)
	}
	limit := int64(100 << 20)
	if raceEnabled {
		limit *= 6
	}
	if peak() > limit {
		t.Errorf("%d MiB at the peak", peak()>>20)
	}
	eventually(t, "the strangers' descriptors are closed", func() bool { return descriptors(t, srv.process) <= before+2 })
	list, err := os.ReadDir(srv.dir)
	must(t, err)
	if len(list) != 5 {
		t.Errorf("%d entries where 5 were sent", len(list))
	}
	srv.stillServes(t)
	srv.stop(t)
}

// crowd opens connections that come to nothing, n at a time, until it is stopped.
func crowd(addr string, kind, n int, stop <-chan struct{}) {
	var open []net.Conn
	for {
		select {
		case <-stop:
			for _, c := range open {
				_ = c.Close()
			}
			return
		default:
		}
		c := half(addr, kind)
		if c == nil {
			continue
		}
		if open = append(open, c); len(open) > n {
			_ = open[0].Close()
			open = open[1:]
		}
	}
}

// half is a connection that stops at one stage of the handshake.
func half(addr string, stage int) net.Conn {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil
	}
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	hello := []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
	switch stage {
	case 0: // not a word
	case 1:
		_, _ = c.Write(preamble(wire.Version)[:5])
	case 2:
		_, _ = c.Write(preamble(wire.Version))
	case 3:
		_, _ = c.Write(append(preamble(wire.Version), hello...))
	case 4: // a byte at a time, as slow as the answers come
		for _, b := range preamble(wire.Version) {
			_, _ = c.Write([]byte{b})
		}
		_, _ = c.Read(make([]byte, 1))
		_, _ = c.Write(hello[:1])
	case 5: // a stream of no session
		_, _ = c.Write(append([]byte{'S', 'R', 'D', 'M', 'D', 0, byte(wire.Version), 0}, make([]byte, 30)...))
	default: // all of TLS, and then no proof
		_ = c.Close()
		tc, err := knock(addr)
		if err != nil {
			return nil
		}
		return tc
	}
	return c
}

// TestAByteASecondGainsNothing: one deadline covers the whole of a handshake.
func TestAByteASecondGainsNothing(t *testing.T) {
	t.Parallel()
	srv := serve(t, nobody(), folder(t, nobody()))
	c, err := net.Dial("tcp", srv.addr)
	must(t, err)
	defer c.Close()
	words := append(preamble(wire.Version), "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"...)
	begin := time.Now()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for i := 0; err == nil; i++ {
		<-tick.C
		_, err = c.Write(words[i%len(words) : i%len(words)+1])
		if d := time.Since(begin); d > 25*time.Second {
			t.Fatalf("still open after %v", d)
		}
	}
	srv.stillServes(t)
	srv.stop(t)
}

// descriptors counts what a process has open.
func descriptors(t *testing.T, p *process) int {
	t.Helper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	must(t, err)
	return len(list)
}
