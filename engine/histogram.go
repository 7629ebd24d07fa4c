package engine

import (
	"math/bits"
	"sync/atomic"
	"time"
)

const (
	// histogramStep is the upper bound of the first bucket, each further one is twice
	// as long: from what a system call takes to more than any time-out of ours.
	histogramStep = 16 * time.Microsecond
	histogramSize = 23 // 16 µs to 67 s
)

// histogram counts durations. Any goroutine may add at any time: two atomic additions,
// of which the one that all share is of the sum.
type histogram struct {
	buckets [histogramSize + 1]atomic.Uint64 // the last: whatever is longer
	sum     atomic.Int64                     // ns
}

// add counts one duration.
func (h *histogram) add(d time.Duration) {
	h.buckets[bucketOf(d)].Add(1)
	h.sum.Add(int64(d))
}

// bucketOf is the first bucket whose bound is not below d.
func bucketOf(d time.Duration) int {
	if d <= histogramStep {
		return 0
	}
	return min(bits.Len64(uint64((d-1)/histogramStep)), histogramSize)
}

// read is its state now.
func (h *histogram) read() Histogram {
	var out Histogram
	for i := range h.buckets {
		n := h.buckets[i].Load()
		out.Count += n
		if i < histogramSize {
			out.Buckets = append(out.Buckets, Bucket{UpTo: histogramStep << i, Count: out.Count})
		}
	}
	out.Sum = time.Duration(h.sum.Load())
	return out
}

// Histogram is how often something took how long.
type Histogram struct {
	Count   uint64
	Sum     time.Duration
	Buckets []Bucket // shortest first
}

// Bucket counts what took no longer than UpTo, that of the shorter ones included.
type Bucket struct {
	UpTo  time.Duration
	Count uint64
}
