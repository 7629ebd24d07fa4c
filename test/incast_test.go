package e2e

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"scp_rdma/internal/tree"
)

// TestManyClientsAtOnceShareASmallMemory: 64 processes send at once to a server that has one
// MiB of slots for each. Nobody is told to come later, none falls behind for good, and none has
// anything to tell of it.
func TestManyClientsAtOnceShareASmallMemory(t *testing.T) {
	const clients, files, size = 64, 12, 512 << 10
	srv := serve(t, nobody(), folder(t, nobody()), "--max-memory", "64M", "--limit", "64M", "--metrics", "0")
	peak := peakMemory(t, srv.process)
	src := filepath.Join(folder(t, nobody()), "src")
	must(t, os.Mkdir(src, 0o755))
	for i := range files {
		write(t, filepath.Join(src, fmt.Sprint("f", i)), bytesOf(uint64(i), size))
	}
	chown(t, nobody(), src)
	var all []*process
	for i := range clients {
		all = append(all, start(t, nobody(), setting.bin, "-p", srv.port, "--transport", "tcp", src, fmt.Sprintf("127.0.0.1:c%d/", i)))
	}
	var least, most, running int
	eventually(t, "each gets on", func() bool {
		least, most, running = math.MaxInt, 0, 0
		for i, p := range all {
			list, _ := os.ReadDir(filepath.Join(srv.dir, fmt.Sprint("c", i), "src")) // it may not be there yet
			least, most = min(least, len(list)), max(most, len(list))
			if !p.ended() {
				running++
			}
		}
		return least > 0
	})
	for i, p := range all {
		if code := p.wait(t); code != 0 || strings.Contains(p.err.String(), "busy") || strings.Contains(p.err.String(), "broke") {
			t.Errorf("client %d ends with %d: %s", i, code, p.err.String())
		}
		same(t, src, filepath.Join(srv.dir, fmt.Sprint("c", i), "src"), tree.Options{})
	}
	page, err := http.Get(srv.shown(t) + "/metrics")
	must(t, err)
	defer page.Body.Close()
	text, err := io.ReadAll(page.Body)
	must(t, err)
	ceded := regexp.MustCompile(`(?m)^scp_rdma_streams_ceded_total (\d+)$`).FindSubmatch(text)
	if ceded == nil {
		t.Fatal("it does not say how many streams made room")
	}
	t.Logf("%s streams made room; %d MiB at the peak; when each had sent something they had %d to %d files of %d, and %d still ran", ceded[1], peak()>>20, least, most, files, running)
	limit := int64(64<<20 + 100<<20)
	if raceEnabled {
		limit *= 6
	}
	if peak() > limit {
		t.Errorf("%d MiB at the peak", peak()>>20)
	}
	srv.stop(t)
}
