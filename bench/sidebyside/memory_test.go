package main

import (
	"fmt"
	"os"
	"testing"
)

// What was fetched is given back, and no machine is too small.
func TestFetchMemoryKeepsNone(t *testing.T) {
	const bytes = 64 << 20
	forgetPeak(os.Getpid())
	before := resident(t)
	if err := fetchMemory(bytes); err != nil {
		t.Fatal(err)
	}
	if most := peak(os.Getpid()); most < before+bytes {
		t.Errorf("%d MiB were to be used, %d were", bytes>>20, (most-before)>>20)
	}
	if now := resident(t); now > before+bytes {
		t.Errorf("%d MiB are still there", (now-before)>>20)
	}
}

// resident is the memory of this process now, bytes: proc_pid_statm(5).
func resident(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(text), &size, &pages); err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
