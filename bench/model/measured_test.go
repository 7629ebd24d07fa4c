package model

import (
	"math"
	"testing"
	"time"
)

// What was measured (bench/results, README) is what the model says, within a
// tolerance that each line states. Of these none was used to set its costs, but for
// the window.
func TestTheModelAgreesWithWhatWasMeasured(t *testing.T) {
	const window = 2662 << 10 // of 540 MB/s on four streams over 20 ms, bench/results/2026-11-24.md
	loopback := func(streams int) Config {
		return Config{
			Bytes: 512 << 20, Rails: 1, Rate: 1e12, Delay: 12 * time.Microsecond, Streams: streams, Slots: 4, SlotSize: mib, Segment: 64 << 10, Window: window,
			Sender: BareCost(true, false), Receiver: BareCost(true, true), OneHost: true,
		}.on(2)
	}
	far := func(gbits float64, bytes int64, trips int) Config {
		return Config{
			Bytes: bytes, Rails: 1, Rate: gbits * gbit, Delay: 10 * time.Millisecond, Streams: 13, Slots: 4, SlotSize: mib,
			Segment: 64 << 10, Window: window, FirstWindow: 90 << 10, Trips: trips,
		}
	}
	for name, tt := range map[string]struct {
		cfg       Config
		measured  float64 // bytes per second
		tolerance float64
	}{
		"20 ms, 2 Gbit/s, a file of 2 GiB on 13 streams (2026-11-24)": {far(2, 2<<30, 11), 232.8e6, 0.06},
		"20 ms, 10 Gbit/s, memory to memory (2026-11-24)":             {far(10, 2<<30, 0), 1175e6, 0.08},
		"loopback, memory to memory, 1 stream (README)":               {loopback(1), 3.0 * gib, 0.2},
		"loopback, memory to memory, 2 streams (README)":              {loopback(2), 3.8 * gib, 0.2},
		"loopback, memory to memory, 4 streams (README)":              {loopback(4), 4.4 * gib, 0.2},
		"loopback, memory to memory, 8 streams (README)":              {loopback(8), 4.2 * gib, 0.2},
		"two rails of 238 MB/s (2026-11-24)": {
			Config{Bytes: 1 << 30, Rails: 2, Rate: 238e6, Streams: 4, Slots: 4, SlotSize: mib, Segment: 64 << 10, Window: window}, 474e6, 0.02},
	} {
		res := mustRun(t, tt.cfg)
		ratio := res.Rate / tt.measured
		t.Logf("%s: %.0f MB/s, measured %.0f: %.2f, held back by %s", name, res.Rate/1e6, tt.measured/1e6, ratio, res.Limit)
		if math.Abs(ratio-1) > tt.tolerance {
			t.Errorf("%s: %.2f of what was measured, %.2f is allowed", name, ratio, tt.tolerance)
		}
	}
}

// on gives the sender so many cores.
func (c Config) on(cores int) Config {
	c.Sender.Cores = cores
	return c
}
