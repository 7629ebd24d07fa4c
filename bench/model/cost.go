package model

import "time"

// What a byte costs a core, bytes per second: the medians of
// `go test -run '^$' -bench Bytes -benchtime 1s -count 5 ./bench` on a virtual Xeon
// (Sapphire Rapids, 2 MiB of L2, Linux 6.18; bench/results/2026-11-30-planning.md). In
// brackets what the steps of an end take together, measured together.
const (
	gib = 1 << 30

	readRate   = 4.15 * gib // pread out of the page cache
	cachedRate = 34 * gib   // XXH3 of what a core has just read (with pread: 3.65 GiB/s; these two give 3.70)
	sumRate    = 7.7 * gib  // XXH3 of what no cache holds
	writeRate  = 1.81 * gib // pwrite into new pages of tmpfs (with XXH3 before it: 1.51; these two give 1.47)
	carryRate  = 5.4 * gib  // a copy into or out of a socket of loopback, with the kernel's work for it: half of what both take

	// frameCost is a dozen calls into libibverbs, half of what both ends need for a MiB
	// (bench/results/2026-11-23.md), at 0.3 µs (smallnest/gordma: 260 to 310 ns), and as
	// much again for wake-ups, which is a guess.
	frameCost = 8 * time.Microsecond
)

// SenderCost is what a frame costs the end that reads files, without its disks.
// carried: over TCP.
func SenderCost(carried bool) Host { return carry(Host{Read: readRate, Sum: cachedRate}, carried) }

// DirectCost is the same where files are read without the page cache.
func DirectCost() Host { return Host{Sum: sumRate, Frame: frameCost} }

// ReceiverCost is what a frame costs the end that writes files.
func ReceiverCost(carried bool) Host { return carry(Host{Sum: sumRate, Write: writeRate}, carried) }

// BareCost is what it costs the end that sends or receives no file, as scp_rdma bench
// does.
func BareCost(carried, receives bool) Host {
	h := Host{Sum: cachedRate}
	if receives {
		h.Sum = sumRate
	}
	return carry(h, carried)
}

func carry(h Host, carried bool) Host {
	h.Frame = frameCost
	if carried {
		h.Carry = carryRate
	}
	return h
}
