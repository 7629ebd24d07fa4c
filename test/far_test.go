package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"scp_rdma/internal/wan"
)

// The ends of a long way.
const (
	farClient = "10.78.0.1"
	farServer = "10.78.0.2"
)

// far is two hosts with a long way between them.
func far(t *testing.T, c wan.Config) (a, b host, way *wan.Relay) {
	t.Helper()
	a, b = newHost(t), newHost(t)
	var ends []*os.File
	for i, h := range []host{a, b} {
		f, err := wan.Tun(h.pid, "far")
		must(t, err)
		ends = append(ends, f)
		addr := []string{farClient, farServer}
		h.ip(t, "addr", "add", addr[i], "peer", addr[1-i], "dev", "far")
		h.ip(t, "link", "set", "far", "mtu", "9000", "txqueuelen", "10000", "up")
	}
	way = wan.Join(ends[0], ends[1], c)
	t.Cleanup(func() {
		if err := way.Close(); err != nil {
			t.Error(err)
		}
	})
	return a, b, way
}

// farServe starts a server at the far end.
func farServe(t *testing.T, b host) *server {
	t.Helper()
	dir := folder(t, root())
	line := b.in(setting.bin, "-s", "-o", dir, "-p", "1777")
	return listening(t, start(t, root(), line[0], line[1:]...), root(), dir)
}

// A long way gets more streams than a short one, found out by itself.
func TestALongWayGetsMoreStreams(t *testing.T) {
	const size = 64 << 20
	a, b, _ := far(t, wan.Config{Delay: 10 * time.Millisecond, Rate: 1e9, Queue: 64 << 20})
	srv := farServe(t, b)
	file := filepath.Join(folder(t, root()), "file")
	write(t, file, bytesOf(1, size))
	line := a.in(setting.bin, file, farServer+":")
	r := run(t, root(), line[0], line[1:]...)
	r.wants(t, 0)
	if streams := streamsOf(r.out); streams < 11 || streams > 13 {
		t.Errorf("%d streams over 20 ms, want about 12: %s", streams, r.out)
	}
	arrived(t, filepath.Join(srv.dir, "file"), bytesOf(1, size))
	srv.stop(t)
}

// streamsOf is how many streams a summary tells of; 0: of none.
func streamsOf(summary string) (n int) {
	_, after, _ := strings.Cut(summary, "\nover tcp, ")
	_, _ = fmt.Sscan(after, &n)
	return n
}
