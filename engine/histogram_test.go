package engine

import (
	"testing"
	"time"
)

func TestEveryDurationHasItsBucket(t *testing.T) {
	var h histogram
	for i := range histogramSize {
		edge := histogramStep << i
		for d, want := range map[time.Duration]int{edge: i, edge + 1: i + 1, edge - 1: max(i-1, 0)} {
			if i > 0 && d == edge-1 {
				want = i // above half of it
			}
			if got := bucketOf(d); got != want {
				t.Errorf("%v is in bucket %d, want %d", d, got, want)
			}
		}
	}
	for _, d := range []time.Duration{-1, 0, 1, histogramStep, time.Millisecond, time.Hour} {
		h.add(d)
	}
	got := h.read()
	if got.Count != 6 || got.Sum != time.Hour+time.Millisecond+histogramStep || len(got.Buckets) != histogramSize {
		t.Errorf("%+v", got)
	}
	if first, last := got.Buckets[0], got.Buckets[histogramSize-1]; first.Count != 4 || last.Count != 5 || last.UpTo < time.Minute {
		t.Errorf("first %+v, last %+v", first, last)
	}
	for i, b := range got.Buckets {
		if want := b.UpTo >= time.Millisecond; (b.Count == 5) != want {
			t.Errorf("bucket %d: %+v", i, b)
		}
	}
}

func BenchmarkHistogram(b *testing.B) {
	var h histogram
	for b.Loop() {
		begun := time.Now()
		h.add(time.Since(begun))
	}
}
