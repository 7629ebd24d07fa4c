package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// gbits are lanes of these rates, Gbit/s.
func gbits(rates ...uint64) *route {
	r := &route{}
	for i, rate := range rates {
		r.lanes = append(r.lanes, &lane{rail: fmt.Sprint(i), count: &railCount{}, rate: rate * 1e9})
	}
	return r
}

func TestStreamsAreSpreadByWhatRailsCarry(t *testing.T) {
	for name, tt := range map[string]struct {
		rates   []uint64
		streams int
		want    []int // streams of each
	}{
		"one":                              {[]uint64{100}, 4, []int{4}},
		"equal":                            {[]uint64{400, 400}, 5, []int{3, 2}},
		"nobody knows":                     {[]uint64{0, 0, 0}, 7, []int{3, 2, 2}},
		"of one nobody knows":              {[]uint64{400, 0}, 4, []int{2, 2}},
		"a quarter":                        {[]uint64{100, 400}, 5, []int{1, 4}},
		"a quarter, of which each has one": {[]uint64{400, 100}, 2, []int{1, 1}},
		"fewer than rails":                 {[]uint64{200, 200, 200}, 2, []int{1, 1, 0}},
		"for administration":               {[]uint64{1, 400, 400}, 6, []int{0, 3, 3}},
		"just worth it":                    {[]uint64{25, 400}, 17, []int{1, 16}},
	} {
		r := gbits(tt.rates...)
		r.spareSlow()
		r.spread(tt.streams)
		got := make([]int, len(tt.rates))
		for i := range tt.streams {
			got[r.homeOf(uint32(i))]++
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

// However rails and streams are: each rail that is to carry has a stream if there are enough,
// none has more than its part and one, and equal ones take turns.
func TestNoRailIsLeftOutNorHasMoreThanItsPart(t *testing.T) {
	for range 2000 {
		rates := make([]uint64, 1+rand.IntN(8))
		for i := range rates {
			rates[i] = []uint64{10, 25, 100, 200, 400}[rand.IntN(5)]
		}
		n := 1 + rand.IntN(MaxStreams)
		r := gbits(rates...)
		r.spareSlow()
		r.spread(n)
		have := make([]int, len(rates))
		for i := range n {
			have[r.homeOf(uint32(i))]++
		}
		lanes, sum := r.capacity()
		for i, l := range r.lanes {
			part := float64(n) * float64(l.rate) / float64(sum)
			switch {
			case l.spare && have[i] > 0:
				t.Fatalf("%v: the spare rail %d has %d of %d streams", rates, i, have[i], n)
			case !l.spare && n >= lanes && have[i] == 0:
				t.Fatalf("%v: rail %d has none of %d streams", rates, i, n)
			case have[i] > 1 && float64(have[i]) > part+float64(lanes):
				t.Fatalf("%v: rail %d has %d of %d streams, its part is %.1f", rates, i, have[i], n, part)
			}
		}
	}
}

// A rail that is spared carries once there is no other.
func TestASpareRailCarriesWhenTheOthersAreGone(t *testing.T) {
	r := gbits(1, 100)
	r.transport = nameOnly{}
	r.spareSlow()
	r.spread(2)
	all := &routes{all: []*route{r}, retryFor: DefaultRetryFor}
	now := time.Unix(1000, 0)
	for stream := range uint32(2) {
		c, err := all.choose(stream, now)
		if err != nil || c.lane != r.lanes[1] {
			t.Fatalf("stream %d: %+v, %v", stream, c, err)
		}
		all.joined(c.lane)
	}
	all.broke(r.lanes[1], errBroken, false, now)
	all.broke(r.lanes[1], errBroken, false, now)
	c, err := all.choose(0, now)
	if err != nil || c.lane != r.lanes[0] {
		t.Errorf("%+v, %v", c, err)
	}
}
