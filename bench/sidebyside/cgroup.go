package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// cgroup is a control group, version 2, that holds a server and all that it
// starts: what it used counts also those that have ended unseen. It needs no
// controller.
type cgroup struct {
	dir string
	fd  *os.File
}

// newCgroup makes a group below our own.
func newCgroup(name string) (*cgroup, error) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, fmt.Errorf("cgroup: %w", err)
	}
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, fmt.Errorf("cgroup: %w", err)
	}
	base, ok := cgroupBase(string(mounts), string(groups))
	if !ok {
		return nil, errors.New("cgroup: no version 2 here")
	}
	dir := filepath.Join(base, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, fmt.Errorf("cgroup: %w", err)
	}
	fd, err := os.Open(dir)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cgroup: %w", err), os.Remove(dir))
	}
	g := &cgroup{dir, fd}
	if _, err := g.used(); err != nil {
		return nil, errors.Join(err, g.remove())
	}
	return g, nil
}

// cgroupBase finds the directory of our own group.
func cgroupBase(mounts, groups string) (string, bool) {
	own := field(groups, "0::")
	for line := range strings.Lines(mounts) {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "cgroup2" && own != "" {
			return filepath.Join(f[1], own), true
		}
	}
	return "", false
}

// used is the CPU time of all that was ever in the group.
func (g *cgroup) used() (time.Duration, error) {
	text, err := os.ReadFile(g.dir + "/cpu.stat")
	if err != nil {
		return 0, fmt.Errorf("cgroup: %w", err)
	}
	n, err := strconv.ParseInt(field(string(text), "usage_usec "), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("cgroup: cpu.stat: %w", err)
	}
	return time.Duration(n) * time.Microsecond, nil
}

// pids lists who is in the group.
func (g *cgroup) pids() []int {
	text, err := os.ReadFile(g.dir + "/cgroup.procs")
	if err != nil {
		return nil
	}
	return numbers(string(text))
}

// remove kills who is still in the group, and removes it as soon as they are gone.
func (g *cgroup) remove() error {
	err := os.WriteFile(g.dir+"/cgroup.kill", []byte("1"), 0)
	if errors.Is(err, os.ErrNotExist) { // before Linux 5.14: the process group was killed
		err = nil
	}
	if cerr := g.fd.Close(); err == nil {
		err = cerr
	}
	var last error
	if !poll(stopLimit, time.Millisecond, func() bool { last = os.Remove(g.dir); return last == nil }) {
		return errors.Join(err, fmt.Errorf("cgroup: %w", last))
	}
	return err
}

// poll asks again and again until something is so, or the time is over.
func poll(limit, pause time.Duration, so func() bool) bool {
	look := time.NewTicker(pause)
	defer look.Stop()
	for end := time.Now().Add(limit); ; <-look.C {
		if so() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}
