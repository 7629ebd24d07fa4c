// Command growth measures what a transfer costs as its work grows: time, and the memory
// of either end, for more and more files and for a larger and larger one, between a
// source and a sink of nothing (bench/null), over TCP on loopback. So it shows the cost of
// planning, bookkeeping and the way, and none of a file system.
//
//	go run ./bench/growth                  # a thousand to ten million files, 1 MiB to 64 GiB, into bench/results
//	go run ./bench/growth --files 1000000 --gib 4 --out ''
//
// Each point has processes of its own, so that the kernel's VmHWM is its peak. It
// writes JSON lines, and a page with the curves: of the cost of one file or byte, too,
// where a straight line is level.
package main
