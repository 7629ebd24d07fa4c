package main

import "runtime/debug"

// gcPercent is GOGC unless the environment sets another. What a session has on the
// heap is a few MiB, so that the collector would run every 4 MiB: with 400 it runs
// every 16 (50,000 small files: 0.97 of the time, bench/results/2026-11-24.md, where
// nothing stands of the memory yet).
const gcPercent = 400

// collect sets how much garbage may gather.
func collect(getenv func(string) string) {
	if getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
