package engine

import (
	"runtime"
	"time"

	"scp_rdma/transport"
)

// path is what the streams of a session are made for.
type path struct {
	rails  int
	rtt    time.Duration // 0: unknown
	copies bool          // the kernel copies all bytes, and holds some at both ends; else a device does it
	inside bool          // both ends share a host's cores and its caches
}

const (
	// minStreams, maxStreams: one stream per core, but no fewer than so many, for
	// reading and writing to overlap, and no more.
	minStreams = 2
	maxStreams = 8
	// copyStreams is minStreams where the kernel copies. An end that has no frame for
	// a moment leaves a core to the others then: on two cores four streams take 0.97
	// of the time that two take (small files, the Go toolchain, a file of 2 GiB;
	// medians of 9 in turns, bench/results/2026-11-24.md).
	copyStreams = 4
	// farRate, bytes per second, is what a link is taken to carry if it is long:
	// 10 Gbit/s. Streams that a slower one does not need cost it little.
	farRate = 1.25e9
	// farWindow, bytes, is what one connection has under way: of the 4 MiB for sending
	// that Linux comes with, what is spent on keeping the bytes is a part.
	farWindow  = 2 << 20
	farStreams = 16

	// maxSlots of a stream.
	maxSlots = 8
	// soleSlots is for a stream that is alone: from memory to memory over soft-RoCE
	// it reaches 0.96 of ib_write_bw with 16 slots, 0.88 with 8 (bench/results/2026-11-23.md).
	soleSlots = 16
	// nearSlots is maxSlots over a round trip of less than near, where the kernel
	// copies: at the end, what lies in more waits for one stream while others are idle
	// (2 GiB: 0.91 of the time that 8 take, model shards 0.70, small files the same; in
	// turns as above). And for memory that both ends have mapped, where two streams of 4
	// slots take 0.92 to 0.95 of the time of 2 or 8 slots, or of four streams (1 GiB, small
	// files, the Go toolchain; bench/results/2026-11-30.md).
	nearSlots = 4
	near      = 500 * time.Microsecond
)

// streams is how many a transfer gets if nobody says.
func (p path) streams() int {
	n := min(max(runtime.GOMAXPROCS(0), minStreams), maxStreams)
	if p.copies {
		far := p.rtt.Seconds() * farRate / farWindow
		n = max(n, copyStreams, min(int(far)+1, farStreams))
	}
	return max(n, p.rails)
}

// slots splits a memory budget over streams.
func (p path) slots(memory int64, streams, slotSize int) int {
	n := memory / int64(streams) / int64(slotSize+transport.HeadRoom)
	most := int64(maxSlots)
	switch {
	case p.inside, p.copies && p.rtt > 0 && p.rtt < near:
		most = nearSlots
	case streams == 1:
		most = soleSlots
	}
	return int(min(max(n, 1), most))
}
