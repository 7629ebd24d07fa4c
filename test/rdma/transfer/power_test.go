//go:build rdma_power

package transfer

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	trees "scp_rdma/internal/tree"
)

// disk is where the guest mounts what outlives it.
const disk = "/disk"

// source is a directory of the host: small and large in it are sent.
func source(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv("POWER_SOURCE")
	if dir == "" {
		t.Fatal("POWER_SOURCE doesn't name a directory")
	}
	return filepath.Join(dir, name)
}

// landed is where that arrives.
func landed(name string) string { return filepath.Join(disk, "in", name) }

// TestTheSourceIsMade runs on the host, once.
func TestTheSourceIsMade(t *testing.T) {
	for name, spec := range map[string]trees.Spec{
		"small": {Seed: 21, Files: 200, PlainOnly: true, Large: 2, LargeSize: 9 << 20},
		"large": {Seed: 22, Files: 1500, PlainOnly: true, Large: 3, LargeSize: 32 << 20},
	} {
		_, err := trees.Generate(source(t, name), spec)
		check(t, err)
		first := source(t, name+"/plain/0000/00/file00000001.dat")
		check(t, os.Symlink("dangling", source(t, name+"/symlink")))
		check(t, os.Link(first, source(t, name+"/hard link")))
		check(t, os.Link(source(t, name+"/large/large0.bin"), source(t, name+"/hard link of a large one")))
	}
}

// mounted mounts the disk. What is written goes to it soon: else a guest that lives for
// seconds would leave nothing on it.
func mounted(t *testing.T) {
	t.Helper()
	for name, value := range map[string]string{"dirty_writeback_centisecs": "20", "dirty_expire_centisecs": "40", "dirty_background_bytes": "4194304"} {
		check(t, os.WriteFile("/proc/sys/vm/"+name, []byte(value), 0o644))
	}
	check(t, os.MkdirAll(disk, 0o755))
	options := []string{"commit=1"}
	if more := os.Getenv("POWER_MOUNT"); more != "" {
		options = append(options, more)
	}
	check(t, unix.Mount("/dev/vda", disk, "ext4", 0, strings.Join(options, ",")))
	t.Cleanup(func() { check(t, unix.Unmount(disk, 0)) })
}

// serveDisk starts the server that has all it writes, its secret and its key on the disk.
func serveDisk(t *testing.T) *server {
	t.Helper()
	return serveIn(t, disk, "--state-dir", filepath.Join(disk, "state"))
}

// flags are those of each client.
func flags() []string { return strings.Fields(os.Getenv("POWER_FLAGS")) }

// fsync says whether the clients ask for it.
func fsync() bool { return strings.Contains(os.Getenv("POWER_FLAGS"), "--fsync") }

// TestUntilThePowerIsCut is the guest's first life. Its end is up to test/rdma/power,
// which waits for the last words.
func TestUntilThePowerIsCut(t *testing.T) {
	at, err := strconv.Atoi(os.Getenv("POWER_AT"))
	check(t, err)
	mounted(t)
	s := serveDisk(t)
	if fsync() {
		if code, text := s.send(t, append(flags(), source(t, "small"), self)...); code != 0 {
			t.Fatalf("exit %d: %s", code, text)
		}
		fmt.Println("power: the small tree is there")
	}
	if at > 0 {
		carry(t, s, at)
	}
	fmt.Println("power: pull the plug")
	<-time.After(patience)
	t.Fatal("nobody has pulled the plug")
}

// carry starts to send the large tree and waits until so many MiB are on their way.
func carry(t *testing.T, s *server, at int) {
	t.Helper()
	before := moved("rxe0")
	c := s.begin(t, append(flags(), source(t, "large"), self)...)
	until(t, c.out, func() bool { return moved("rxe0")-before > at<<20 || c.ended() })
	if c.ended() {
		t.Fatalf("it has ended: %s", c.out)
	}
	fmt.Printf("power: %d MiB are sent\n", at)
}

// TestAfterThePowerWasCut is its second life.
func TestAfterThePowerWasCut(t *testing.T) {
	mounted(t)
	if fsync() {
		alike(t, source(t, "small"), landed("small"), trees.Options{})
		if _, err := os.Lstat(landed("large")); err == nil {
			alike(t, source(t, "large"), landed("large"), trees.Options{Growing: &trees.Growing{Hidden: ".scp_rdma."}})
		}
		t.Log("power: looked before anything was done")
	}
	s := serveDisk(t)
	code, text := s.send(t, append(flags(), source(t, "large"), self)...)
	t.Log(text)
	if code != 0 || !strings.Contains(text, "over verbs, ") {
		t.Errorf("exit %d", code)
	}
	alike(t, source(t, "large"), landed("large"), trees.Options{})
	s.stop(t)
}
