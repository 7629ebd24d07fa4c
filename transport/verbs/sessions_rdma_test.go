//go:build rdma_matrix

package verbs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"scp_rdma/engine"
)

// warmUp is how many sessions a process has had before it is looked at: pools are
// filled then, and threads made.
const warmUp = 30

// grain is less than a page for each of a thousand sessions, bytes. What is resident
// says less: Go gives memory back as it likes, and up to 18 MiB more were
// seen with the same objects on its heap.
const grain = 1 << 20

// TestSessionsLeaveNothing has one session after the other over the guest's devices, both
// ends in this process: RDMA_SESSIONS of them.
func TestSessionsLeaveNothing(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("RDMA_SESSIONS"))
	check(t, err)
	src := t.TempDir()
	for i := range 3 {
		fill(t, filepath.Join(src, strconv.Itoa(i)), 40_000)
	}
	client, clients := open(t)
	server, servers := open(t)
	s := serve(t, over(server))
	one := func() {
		t.Helper()
		r, err := s.send(t.Context(), t, src, func(c *engine.SendConfig) { c.Streams = 2 }, over(client))
		check(t, err)
		check(t, s.next(t))
		if r.Transport != "verbs" {
			t.Fatalf("it went over %s", r.Transport)
		}
		for i := range 3 { // or they would be there already
			check(t, os.Remove(filepath.Join(s.dst, strconv.Itoa(i))))
		}
	}
	for range warmUp {
		one()
	}
	before, start := look(t, 0), time.Now()
	for range n {
		one()
	}
	after := look(t, before.goroutines)
	t.Logf("%d sessions in %v\nbefore: %+v\nafter:  %+v", n, time.Since(start), before, after)
	if left := append(clients(), servers()...); len(left) != 0 {
		t.Errorf("left open: %v", left)
	}
	grown := after.heaps - before.heaps
	before.heaps, after.heaps, before.resident, after.resident = 0, 0, 0, 0
	if before != after {
		t.Errorf("%+v before, %+v after", before, after)
	}
	// Had each session kept one page, it would show in a thousand.
	if grown > grain {
		t.Errorf("%d sessions left %d KiB", n, grown>>10)
	}
}

// holdings is what this process has, and what the kernel has for it.
type holdings struct {
	goroutines, descriptors, mappings int
	locked, pinned                    string // VmLck and VmPin of proc_pid_status(5)
	objects                           string // of all devices: rdma-resource(8)
	heaps                             int    // bytes in use of Go's, and resident of C's
	resident                          int    // bytes
}

// look waits until goroutines have ended, and counts.
func look(t *testing.T, goroutines int) (h holdings) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); goroutines > 0 && runtime.NumGoroutine() > goroutines && time.Now().Before(deadline); {
		runtime.Gosched()
	}
	runtime.GC()
	debug.FreeOSMemory()
	h.goroutines = runtime.NumGoroutine()
	list, err := os.ReadDir("/proc/self/fd")
	check(t, err)
	h.descriptors = len(list)
	status, err := os.ReadFile("/proc/self/status")
	check(t, err)
	h.locked, h.pinned = line(string(status), "VmLck:"), line(string(status), "VmPin:")
	rollup, err := os.ReadFile("/proc/self/smaps_rollup")
	check(t, err)
	kib, err := strconv.Atoi(strings.Fields(line(string(rollup), "Rss:"))[0])
	check(t, err)
	h.resident = kib << 10
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	smaps, err := os.ReadFile("/proc/self/smaps")
	check(t, err)
	if _, c, ok := strings.Cut(string(smaps), "[heap]"); ok {
		kib, err = strconv.Atoi(strings.Fields(line(c, "Rss:"))[0])
		check(t, err)
		h.heaps = kib << 10
	}
	h.heaps += int(stats.HeapInuse)
	maps, err := os.ReadFile("/proc/self/maps")
	check(t, err)
	for mapping := range strings.Lines(string(maps)) {
		if strings.Contains(mapping, "anon_inode") || strings.Contains(mapping, "/dev/") || strings.Contains(mapping, "memfd") {
			h.mappings++
		}
	}
	objects, err := exec.Command("rdma", "resource", "show").Output()
	check(t, err)
	h.objects = string(objects)
	return h
}

// line is what follows a word in a text of lines.
func line(text, word string) string {
	_, rest, _ := strings.Cut(text, word)
	rest, _, _ = strings.Cut(rest, "\n")
	return strings.TrimSpace(rest)
}
