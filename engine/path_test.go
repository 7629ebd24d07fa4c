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
		if got := tt.way.slots(DefaultMemory, n, mib); n != tt.streams || got != tt.slots {
			t.Errorf("%s: %d streams of %d slots, want %d of %d", name, n, got, tt.streams, tt.slots)
		}
	}
	if n := (path{rails: 1}).slots(DefaultMemory, 1, mib); n != soleSlots {
		t.Errorf("a stream that is alone has %d slots", n)
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
