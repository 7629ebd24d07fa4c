package main

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestStatIsReadWhateverTheName(t *testing.T) {
	const rest = " S 1 2 3 4 5 6 7 8 9 10 100 20 3 4000 15 16 17 18"
	for name, good := range map[string]bool{
		"1 (cp)" + rest:                                    true,
		"22 (tar xf - (a) b)" + rest:                       true,
		"22 ()) S 1 2 3 4 5 6 7 8 9 9 9 9)" + rest:         true,
		"1 cp" + rest:                                      false,
		"1 (cp) S 1 2 3":                                   false,
		"1 (cp)" + strings.Replace(rest, " 20 ", " x ", 1): false,
		"": false,
	} {
		got, err := parseStat(name)
		if good != (err == nil) || good && got != 41230*time.Millisecond {
			t.Errorf("%q: %v, %v", name, got, err)
		}
	}
}

func TestPeakIsRead(t *testing.T) {
	for text, want := range map[string]int64{
		"Name:\tVmHWM: 7 kB\nVmPeak:\t  99 kB\nVmHWM:\t   2048 kB\nVmRSS:\t 1 kB\n": 2 << 20,
		"Name:\tzombie\n": 0,
		"VmHWM:\tx kB\n":  0,
	} {
		if got := parsePeak(text); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

func TestOwnCgroupIsFound(t *testing.T) {
	const mounts = "proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"
	for name, c := range map[string]struct{ mounts, groups, want string }{
		"beside version 1": {mounts, "4:memory:/a\n0::/b/c\n", "/sys/fs/cgroup/unified/b/c"},
		"the root":         {mounts, "0::/\n", "/sys/fs/cgroup/unified"},
		"version 1 alone":  {mounts, "4:memory:/a\n", ""},
		"not mounted":      {"proc /proc proc rw 0 0\n", "0::/\n", ""},
	} {
		if got, _ := cgroupBase(c.mounts, c.groups); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// A server's work is often that of a child that is gone before anybody looks.
func TestTheTimeOfChildrenThatHaveEndedCounts(t *testing.T) {
	burn := exec.Command("sh", "-c", `sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done'; echo; sleep 100 & read x`)
	in, err := burn.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := burn.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := burn.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		for _, pid := range slices.Backward(family(burn.Process.Pid)) {
			if p, err := os.FindProcess(pid); err == nil {
				_ = p.Kill() // it may have ended
			}
		}
		_ = in.Close()
		_ = burn.Wait() // killed
	}()
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if !poll(30*time.Second, time.Millisecond, func() bool { return len(family(burn.Process.Pid)) == 2 }) {
		t.Errorf("the family is %v, not the shell and its sleep", family(burn.Process.Pid))
	}
	if got := used(family(burn.Process.Pid)); got < 2*tick {
		t.Errorf("the loop of a child that has ended took %v", got)
	}
	if got := peaks(family(burn.Process.Pid)); got < 64<<10 || got > 64<<20 {
		t.Errorf("a shell's peak is %d bytes", got)
	}
}

// The test listens in the server's place, which only starts a child and waits.
func TestAStoppedServerLeavesNothing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	undone := false
	r := rival{server: func(context.Context, place) (service, error) {
		return service{
			command: command{argv: []string{"sh", "-c", `trap "" TERM; sleep 100 & wait; wait`}},
			undo:    func() error { undone = true; return nil },
		}, nil
	}}
	s, err := startServer(t.Context(), r, place{private: t.TempDir(), port: port})
	if err != nil {
		t.Fatal(err)
	}
	if !poll(30*time.Second, time.Millisecond, func() bool { return len(s.pids()) == 2 }) {
		t.Errorf("processes %v, not the shell and its sleep", s.pids())
	}
	pids := s.pids()
	if err := s.stop(); err != nil || !undone {
		t.Errorf("stop: %v, undone %v", err, undone)
	}
	for _, pid := range pids {
		if !poll(30*time.Second, time.Millisecond, func() bool { return gone(pid) }) {
			t.Errorf("process %d is still there", pid)
		}
	}
	if s.group != nil {
		if _, err := os.Stat(s.group.dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the cgroup %s is still there (%v)", s.group.dir, err)
		}
	}
}

// gone says whether a process has ended; one that nobody has waited for has.
func gone(pid int) bool {
	return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || field(read("/proc/"+strconv.Itoa(pid)+"/status"), "State:") == "Z (zombie)"
}
