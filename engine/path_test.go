package engine

import (
	"runtime"
	"testing"
	"time"
)

func TestStreamsAndSlotsFitTheWay(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	const mib = 1 << 20
	for name, tt := range map[string]struct {
		way            path
		streams, slots int
	}{
		"a device":                     {path{rails: 1, rtt: 20 * time.Microsecond}, 2, 8},
		"a device, far":                {path{rails: 1, rtt: 20 * time.Millisecond}, 2, 8},
		"a device of five ports":       {path{rails: 5}, 5, 8},
		"inside a host":                {path{rails: 1, rtt: 30 * time.Microsecond, copies: true}, 4, 4},
		"memory of a host":             {path{rails: 1, rtt: 30 * time.Microsecond, inside: true}, 2, 4},
		"nobody knows how far":         {path{rails: 1, copies: true}, 4, 8},
		"the next building":            {path{rails: 1, rtt: 600 * time.Microsecond, copies: true}, 4, 8},
		"20 ms: 25 MB at 10 Gbit/s":    {path{rails: 1, rtt: 20 * time.Millisecond, copies: true}, 12, 5},
		"300 ms":                       {path{rails: 1, rtt: 300 * time.Millisecond, copies: true}, 16, 3},
		"300 ms, more rails than that": {path{rails: 20, rtt: 300 * time.Millisecond, copies: true}, 20, 3},
	} {
		n := tt.way.streams()
		if got := tt.way.slots(DefaultMemory, n, tt.way.slotSize(DefaultMemory, n)); n != tt.streams || got != tt.slots {
			t.Errorf("%s: %d streams of %d slots, want %d of %d", name, n, got, tt.streams, tt.slots)
		}
	}
	if n := (path{rails: 1}).slots(DefaultMemory, 1, mib); n != soleSlots {
		t.Errorf("a stream that is alone has %d slots", n)
	}
}

// What hosts with many cores get, by the model of docs/planning.md.
func TestFastRailsGetWhatTheyNeed(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(200))
	const kib, gbit, us = 1 << 10, 1e9, time.Microsecond
	for name, tt := range map[string]struct {
		way                  path
		streams, slots, size int
	}{
		"25 Gb/s":               {path{rails: 1, rate: 25 * gbit, rtt: 20 * us}, 8, 7, 1024 * kib},
		"100 Gb/s":              {path{rails: 1, rate: 100 * gbit, rtt: 20 * us}, 9, 7, 1024 * kib},
		"2 x 400 Gb/s":          {path{rails: 2, rate: 800 * gbit, rtt: 20 * us}, 64, 3, 256 * kib},
		"8 x 400 Gb/s":          {path{rails: 8, rate: 3200 * gbit, rtt: 20 * us}, 64, 3, 256 * kib},
		"nobody knows the rate": {path{rails: 8, rtt: 20 * us}, 8, 7, 1024 * kib},
		"25 Gb/s over 20 ms":    {path{rails: 1, rate: 25 * gbit, rtt: 20 * time.Millisecond}, 8, 7, 1024 * kib},
		"two on each":           {path{rails: 4, each: 2, rate: 1600 * gbit}, 8, 7, 1024 * kib},
		"TCP, 100 Gb/s":         {path{rails: 1, rate: 100 * gbit, rtt: 20 * us, copies: true}, 9, 4, 1024 * kib},
	} {
		n := tt.way.streams()
		size := tt.way.slotSize(DefaultMemory, n)
		if got := tt.way.slots(DefaultMemory, n, size); n != tt.streams || got != tt.slots || size != tt.size {
			t.Errorf("%s: %d streams of %d slots of %d KiB, want %d of %d of %d", name, n, got, size/kib, tt.streams, tt.slots, tt.size/kib)
		}
		if room := int64(n * tt.way.slots(DefaultMemory, n, size) * size); room > DefaultMemory {
			t.Errorf("%s: %d bytes of slots", name, room)
		}
	}
	// Few streams over a long way get more slots than near by, as far as the memory goes.
	if n := (path{rails: 1, rate: 10 * gbit, rtt: 20 * time.Millisecond}).slots(DefaultMemory, 2, 1024*kib); n < 19 {
		t.Errorf("%d slots where 12 MiB on each of two streams are on the way", n)
	}
}

func TestManyCoresManyStreams(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(64))
	for _, copies := range []bool{false, true} {
		if n := (path{rails: 1, copies: copies}).streams(); n != maxStreams {
			t.Errorf("64 cores: %d streams (copies: %v)", n, copies)
		}
	}
}
