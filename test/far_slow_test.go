//go:build slow

package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"scp_rdma/internal/tree"
	"scp_rdma/internal/wan"
)

const gbit = 1e9 / 8 // bytes per second

// farRounds is how often each way is measured, in turns.
const farRounds = 5

// noise makes a file that holds no holes and can't be packed.
func noise(t *testing.T, size int64) string {
	t.Helper()
	src := generate(t, root(), tree.Spec{Seed: 9, PlainOnly: true, Large: 1, LargeSize: size})
	return filepath.Join(src, "large/large0.bin")
}

// farOurs sends a file once; the rate is in bytes per second of the whole command.
func farOurs(t *testing.T, a host, srv *server, file string, size int64) (rate float64, streams int) {
	t.Helper()
	line := a.in(setting.bin, file, farServer+":")
	r := run(t, root(), line[0], line[1:]...)
	r.wants(t, 0)
	must(t, os.Remove(filepath.Join(srv.dir, filepath.Base(file))))
	return float64(size) / r.took.Seconds(), streamsOf(r.out)
}

// farBare is the same over bare sockets.
func farBare(t *testing.T, a host, streams int, file string, size int64) float64 {
	t.Helper()
	line := a.in("env", envBare+"=send "+farServer+":1999 "+strconv.Itoa(streams)+" "+file, bareBin(t))
	r := run(t, root(), line[0], line[1:]...)
	r.wants(t, 0)
	return float64(size) / r.took.Seconds()
}

// bareBin is this test's binary, by a name that holds in another process.
func bareBin(t *testing.T) string {
	t.Helper()
	bin, err := os.Executable()
	must(t, err)
	return bin
}

// farBareServe starts the other end, which ends with over.
func farBareServe(t *testing.T, b host) (over func()) {
	t.Helper()
	file := filepath.Join(folder(t, root()), "bare")
	line := b.in("env", envBare+"=listen "+farServer+":1999 "+file, bareBin(t))
	p := start(t, root(), line[0], line[1:]...)
	eventually(t, "bare sockets listen", func() bool { return strings.Contains(p.out.String(), "listening") || p.ended() })
	return func() {
		p.signal(t, unix.SIGKILL)
		p.wait(t)
		must(t, os.Remove(file)) // and its memory
	}
}

// middle is the median.
func middle(rates []float64) float64 {
	rates = slices.Clone(rates)
	slices.Sort(rates)
	return rates[len(rates)/2]
}

func TestALongWayIsFilled(t *testing.T) {
	for _, tt := range []struct {
		name       string
		rate       float64
		size       int64
		link, bare float64 // parts of them that have to be reached; 0: none
	}{
		{"2 Gbit/s", 2 * gbit, 2 << 30, 0.9, 0},
		{"10 Gbit/s", 10 * gbit, 4 << 30, 0, 0.9},
	} {
		t.Run(tt.name, func(t *testing.T) {
			room(t, tt.size+tt.size/8)
			a, b, way := far(t, wan.Config{Delay: 10 * time.Millisecond, Rate: tt.rate, Queue: int(tt.rate * 0.02)})
			srv := farServe(t, b)
			file := noise(t, tt.size)
			var ours, bares []float64
			for range farRounds {
				rate, streams := farOurs(t, a, srv, file, tt.size)
				over := farBareServe(t, b)
				ours, bares = append(ours, rate), append(bares, farBare(t, a, streams, file, tt.size))
				over()
				t.Logf("%d streams: %.1f MB/s, bare sockets %.1f MB/s, %d packets lost", streams, rate/1e6, bares[len(bares)-1]/1e6, way.Lost())
			}
			link, bare := middle(ours)/tt.rate, middle(ours)/middle(bares)
			t.Logf("%.3f of the link, %.3f of bare sockets", link, bare)
			if link < tt.link || bare < tt.bare {
				t.Errorf("want at least %.2f of the link, %.2f of bare sockets", tt.link, tt.bare)
			}
			srv.stop(t)
		})
	}
}
