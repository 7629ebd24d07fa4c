package main

import (
	"os"
	"testing"
)

// What was fetched is given back.
func TestFetchMemoryKeepsNone(t *testing.T) {
	const bytes = 64 << 20
	forgetPeak(os.Getpid())
	before := peak(os.Getpid())
	if err := fetchMemory(bytes); err != nil {
		t.Fatal(err)
	}
	if most := peak(os.Getpid()); most < before+bytes {
		t.Errorf("%d MiB were to be used, %d were", bytes>>20, (most-before)>>20)
	}
	forgetPeak(os.Getpid())
	if now := peak(os.Getpid()); now > before+bytes {
		t.Errorf("%d MiB are still there", (now-before)>>20)
	}
}
