package engine

import (
	"runtime"
	"time"

	"scp_rdma/transport"
)

// path is what the streams of a session are made for.
type path struct {
	rails  int
	rate   uint64        // bit/s of all of them together; 0: unknown
	rtt    time.Duration // 0: unknown
	copies bool          // the kernel copies all bytes, and holds some at both ends; else a device does it
	inside bool          // both ends share a host's cores and its caches
	each   int           // streams that each rail is to have; 0: as many as are good
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
	// workRate, bytes per second, is what one stream brings at most: its worker at the
	// receiver sums (7.7 GiB/s) and writes new pages (1.81 GiB/s) by turns, on one core
	// (docs/planning.md). Rails that carry more than maxStreams of that get more of
	// them, where there are cores to run them.
	workRate = 1.5e9

	// maxSlots of a stream.
	maxSlots = 8
	// fewSlots is how many a stream should have at least: two keep a way of 1 km full, four
	// one of 100 km (docs/planning.md, simulated). Many streams get smaller slots before
	// they get fewer of them, down to fineSlot bytes: messages of 128 KiB fill a port of
	// 400 Gb/s (NVIDIA/nccl#2409), and a frame's own cost, some 5 us, is a twentieth of 256 KiB's.
	fewSlots = 4
	fineSlot = 256 << 10
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
	if p.each > 0 {
		return p.each * p.rails
	}
	cores := runtime.GOMAXPROCS(0)
	n := min(max(cores, minStreams), maxStreams)
	if p.copies {
		far := p.rtt.Seconds() * farRate / farWindow
		n = max(n, copyStreams, min(int(far)+1, farStreams))
	}
	fill := int(float64(p.rate)/8/workRate) + 1
	n = max(n, min(fill, cores, MaxStreams))
	return max(n, p.rails)
}

// slotSize is that of slots if nobody says, bytes: smaller than usual where else a stream
// could not have fewSlots. Over sockets large ones are worth more (bench/results/2026-11-29.md).
func (p path) slotSize(memory int64, streams int) int {
	size := DefaultSlotSize
	for !p.copies && size > fineSlot && int64(streams*fewSlots)*int64(size+transport.HeadRoom) > memory {
		size /= 2
	}
	return size
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
	if !p.copies {
		// Beside what both ends work on, as much as is on the way there and back.
		away := float64(p.rate) / 8 * p.rtt.Seconds() / float64(streams)
		most += int64(away / float64(slotSize))
	}
	return int(min(max(n, 1), most))
}
