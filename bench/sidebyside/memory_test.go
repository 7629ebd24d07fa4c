package main

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// What was fetched is given back, and no machine is too small.
func TestFetchMemoryKeepsNone(t *testing.T) {
	var before, after unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &before); err != nil {
		t.Fatal(err)
	}
	if err := fetchMemory(64 << 20); err != nil {
		t.Fatal(err)
	}
	if err := unix.Getrusage(unix.RUSAGE_SELF, &after); err != nil {
		t.Fatal(err)
	}
	if after.Maxrss-before.Maxrss < 64<<10 {
		t.Errorf("64 MiB were to be used, %d KiB were", after.Maxrss-before.Maxrss)
	}
	if now := resident(t); now > 256<<20 {
		t.Errorf("%d MiB are still there", now>>20)
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
