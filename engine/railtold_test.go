package engine

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"scp_rdma/wire"
)

// changes are an observer of rails.
type changes struct {
	teller
	got []RailChange
}

func (c *changes) RailChanged(r RailChange) { c.got = append(c.got, r) }

func TestWhatAServerSaysOfRailsIsTakenOfThoseThatAreThere(t *testing.T) {
	seen := &changes{}
	f := &fetching{observer: seen, ways: []*route{{lanes: []*lane{{rail: "a"}}}, {lanes: []*lane{{rail: "b"}}}}}
	for _, tt := range []struct {
		m       wire.RailHealth
		refused bool
	}{
		{wire.RailHealth{Rail: "c", Best: "a", Event: wire.RailChanged}, true},
		{wire.RailHealth{Rail: "a", Best: "c", Event: wire.RailChanged}, true},
		{wire.RailHealth{Rail: "c"}, true},
		{wire.RailHealth{Rail: "a", Rate: 7}, false},
		{wire.RailHealth{Rail: "b", Best: "a", Event: wire.RailChanged, State: 1, Part: wire.FullPart / 4}, false},
		{wire.RailHealth{Rail: "b", Best: "a", Event: wire.RailLasts, State: 2, Part: 1, Rate: 5, Latency: 6, Slow: int64(time.Second), Expected: true}, false},
	} {
		if err := f.takeRail(&tt.m); errors.Is(err, ErrProtocol) != tt.refused || !tt.refused && err != nil {
			t.Errorf("%+v: %v", tt.m, err)
		}
	}
	want := []RailChange{
		{Rail: "b", Best: "a", State: RailLess, Part: 0.25},
		{Rail: "b", Best: "a", State: RailNone, Part: 1e-6, Lasts: true, Expected: true},
	}
	if !reflect.DeepEqual(seen.got, want) {
		t.Errorf("observed %+v", seen.got)
	}
	if a, b := f.rails.of("a"), f.rails.of("b"); a.Rate != 7 || b != (RailHealth{State: RailNone, Rate: 5, Latency: 6, Part: 1e-6, Slow: time.Second}) {
		t.Errorf("known of a: %+v, of b: %+v", a, b)
	}
}

// A part is a number that both ends agree on.
func TestPartsAreToldInMillionths(t *testing.T) {
	for part, want := range map[float64]uint32{-1: 0, 0: 0, 0.25: 250_000, 1: wire.FullPart, 1e9: wire.FullPart} {
		if got := millionths(part); got != want {
			t.Errorf("%v: %d", part, got)
		}
	}
}
