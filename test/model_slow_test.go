//go:build slow

package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"scp_rdma/bench/model"
	"scp_rdma/internal/wan"
)

// The simulation of the credit loop says what transfers over a long way really do,
// where slots, windows or the wire hold them back. The best of a few rounds counts:
// other work on the machine only ever makes them slower.
//
// Not so for a stream of one or two slots of a MiB, which takes 1.2 to 1.4 times as
// long with bbr and with reno; why is not known.
func TestTheModelForetellsALongWay(t *testing.T) {
	const (
		rounds = 4
		// least, most of what is foretold. A busy machine is late in each round trip: with a
		// load of 12 and more on two cores it was 0.70 to 1.02. Set after those runs.
		least, most = 0.7, 1.15
		// window is what four streams had under way at 10 Gbit/s, where nothing else held
		// them back (540 MB/s, bench/results/2026-11-24.md).
		window = 2662 << 10
	)
	way := wan.Config{Delay: 10 * time.Millisecond, Rate: 2 * gbit, Queue: int(2 * gbit * 0.02)}
	a, b, _ := far(t, way)
	srv := farServe(t, b)
	files := map[int64]string{}
	for _, tt := range []struct {
		streams, slots, slotSize int
		size                     int64
	}{
		{1, 4, 256 << 10, 128 << 20},
		{2, 4, 256 << 10, 256 << 20},
		{4, 2, 256 << 10, 256 << 20},
		{1, 8, 1 << 20, 256 << 20},
		{13, 4, 1 << 20, 512 << 20},
	} {
		if files[tt.size] == "" {
			room(t, 2*tt.size)
			files[tt.size] = noise(t, tt.size)
		}
		var best float64
		var rtt time.Duration
		for range rounds {
			line := a.in(setting.bin, "-vv", "-j", strconv.Itoa(tt.streams), "--slots", strconv.Itoa(tt.slots), "--size", strconv.Itoa(tt.slotSize), files[tt.size], farServer+":")
			r := run(t, root(), line[0], line[1:]...)
			r.wants(t, 0)
			must(t, os.Remove(filepath.Join(srv.dir, filepath.Base(files[tt.size]))))
			if rate := float64(tt.size) / r.took.Seconds(); rate > best {
				best, rtt = rate, tripOf(t, r.err)
			}
		}
		want, err := model.Run(model.Config{
			Bytes: tt.size, Rails: 1, Rate: way.Rate, Delay: rtt / 2, Streams: tt.streams, Slots: tt.slots, SlotSize: tt.slotSize,
			Segment: 64 << 10, Window: window, FirstWindow: 90 << 10, Trips: 11, Files: 1,
			Sender: model.SenderCost(true), Receiver: model.ReceiverCost(true),
		})
		must(t, err)
		ratio := best / want.Rate
		t.Logf("%d streams, %d slots of %d KiB: %.1f MB/s, foretold %.1f over %v (%s): %.2f", tt.streams, tt.slots, tt.slotSize>>10, best/1e6, want.Rate/1e6, rtt, want.Limit, ratio)
		if ratio < least || ratio > most {
			t.Errorf("%.2f of what was foretold", ratio)
		}
	}
	srv.stop(t)
}

// tripOf is the shortest round trip that a client has seen, as -vv tells: the relay is
// late by what a timer is.
func tripOf(t *testing.T, log string) time.Duration {
	t.Helper()
	m := regexp.MustCompile(`round trip=(\S+)`).FindStringSubmatch(log)
	if m == nil {
		t.Fatalf("no round trip in: %s", log)
	}
	d, err := time.ParseDuration(m[1])
	must(t, err)
	return d
}
