package localfs

import "errors"

// Direct says how large files are read.
type Direct uint8

// The ways to read large files.
const (
	// DirectAuto is DirectCold once somebody has said PreferDirect, else DirectLocal.
	DirectAuto Direct = iota
	// DirectLocal is DirectCold on the file systems of local disks, DirectNever on others:
	// what a network's does without its cache is for nobody to know.
	DirectLocal
	// DirectCold takes from the page cache the ranges that are there, and the
	// others from the device straight into the caller's memory: nothing is pushed
	// out of the cache for bytes that are read once, and no CPU copies them.
	DirectCold
	// DirectAlways asks the device for everything, cached or not.
	DirectAlways
	// DirectNever reads through the page cache.
	DirectNever
)

// PreferDirect says that the bytes read are touched by no CPU on their way: then
// reading them without the page cache pays wherever it can be had.
func (s *Source) PreferDirect() { s.preferDirect.Store(true) }

// direct is how files are read that are opened now. Where the bytes are copied anyway the
// cache's own copy is one more, and what it holds is pushed out for it: 2 GiB, ext4 to
// ext4, cold, synced, take 0.76 (shm) and 0.67 (tcp) of the time through the cache on a
// virtual disk (medians of 7 in turns, bench/results/2026-11-30.md).
func (s *Source) direct() Direct {
	switch {
	case s.o.Direct != DirectAuto:
		return s.o.Direct
	case s.preferDirect.Load():
		return DirectCold
	}
	return DirectLocal
}

// errIndirect: this range is for the page cache.
var errIndirect = errors.New("not without the page cache")
