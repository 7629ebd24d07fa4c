package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"scp_rdma/internal/tree"
)

// Looks at memory come soon at first, for clients that end soon, then seldom:
// each look costs time of the CPUs that are measured.
const (
	firstLook = 2 * time.Millisecond
	lastLook  = 50 * time.Millisecond
)

// entrant is a rival in a case, with its server.
type entrant struct {
	rival
	place  place
	server *server
	out    bool // it failed: no further rounds
}

// usage is what a client took.
type usage struct {
	wall, cpu      time.Duration
	client, server int64 // peaks of memory
}

// once is one round of an entrant: emptied, measured, verified. What it returns
// for an error is in the result.
func (e *entrant) once(ctx context.Context, w workload, bytes int64, limit time.Duration) result {
	r := result{Kind: kindRun, Case: w.name, Rival: e.name}
	u, served, err := e.measure(ctx, w, bytes, limit)
	if err == nil {
		err = e.verify()
	}
	if err != nil {
		r.Error = err.Error()
		return r
	}
	r.OK = true
	r.Seconds, r.CPUClient, r.CPUServer = u.wall.Seconds(), u.cpu.Seconds(), served.Seconds()
	r.RSSClient, r.RSSServer = u.client, u.server
	return r
}

// measure makes the target ready and runs the client once; it gives what that
// took, and the CPU time that the server took for it.
func (e *entrant) measure(ctx context.Context, w workload, bytes int64, limit time.Duration) (usage, time.Duration, error) {
	if err := e.ready(w, bytes); err != nil {
		return usage{}, 0, err
	}
	before := e.server.quiet()
	for _, pid := range e.server.pids() {
		forgetPeak(pid)
	}
	u, err := e.transfer(ctx, w, limit)
	return u, e.server.quiet() - before, err
}

// ready empties the target and, for a disk, the caches, and has memory at hand for a source
// of so many bytes.
func (e *entrant) ready(w workload, bytes int64) error {
	if err := empty(e.place.target); err != nil {
		return err
	}
	if e.prepare != nil {
		if err := e.prepare(e.place.target); err != nil {
			return err
		}
	}
	// What is left of the last comparison must not be paid for within a run.
	debug.FreeOSMemory()
	need := bytes // of the target
	if w.disk {
		unix.Sync()
		if err := os.WriteFile(dropCaches, []byte("3"), 0); err != nil {
			return fmt.Errorf("drop the page cache: %w", err)
		}
		need += bytes // of the source's cache
	}
	return fetchMemory(need)
}

// dropCaches is where root empties the page cache.
const dropCaches = "/proc/sys/vm/drop_caches"

// empty removes what is in a directory, which servers may hold open.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("empty: %w", err)
	}
	for _, entry := range entries {
		if err := tree.Remove(filepath.Join(dir, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

// transfer runs the client.
func (e *entrant) transfer(ctx context.Context, w workload, limit time.Duration) (usage, error) {
	log, err := os.Create(e.place.private + "/client.log")
	if err != nil {
		return usage{}, fmt.Errorf("client: %w", err)
	}
	defer func() { _ = log.Close() }() // what is in it is read before
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	command := e.client(e.place)
	cmd := command.exec(ctx, log)
	cmd.WaitDelay = stopLimit
	forgetPeak(os.Getpid())
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return usage{}, fmt.Errorf("client: %w", err)
	}
	floor := peak(os.Getpid())
	seen := e.watch(cmd.Process.Pid)
	err = cmd.Wait()
	if err == nil && w.disk {
		err = syncTo(e.place.target)
	}
	u := usage{wall: time.Since(began)}
	u.client, u.server = seen()
	if err != nil {
		return usage{}, errors.Join(fmt.Errorf("%s: %w: %s", strings.Join(command.argv, " "), err, tail(log)), ctx.Err())
	}
	u.take(cmd, floor)
	return u, nil
}

// take adds what the kernel says of a process that has ended. It counts the
// memory of the process that started it too, from before exec(2): only what is
// more than that is the client's own.
func (u *usage) take(cmd *exec.Cmd, floor int64) {
	st := cmd.ProcessState
	u.cpu = st.UserTime() + st.SystemTime()
	if ru, ok := st.SysUsage().(*syscall.Rusage); ok && ru.Maxrss<<10 > floor {
		u.client = max(u.client, ru.Maxrss<<10)
	}
}

// watch looks at the memory of both ends until the function that it returns is
// called, which gives the peaks.
func (e *entrant) watch(client int) func() (clientPeak, serverPeak int64) {
	var (
		mine, theirs int64
		wg           sync.WaitGroup
	)
	stop := make(chan struct{})
	wg.Go(func() {
		for pause := firstLook; ; pause = min(2*pause, lastLook) {
			mine, theirs = max(mine, peaks(family(client))), max(theirs, peaks(e.server.pids()))
			next := time.NewTimer(pause)
			select {
			case <-next.C:
			case <-stop:
				next.Stop()
				theirs = max(theirs, peaks(e.server.pids()))
				return
			}
		}
	})
	return func() (int64, int64) {
		close(stop)
		wg.Wait()
		return mine, theirs
	}
}

// syncTo waits until all that was written to the file system of dir is on the disk.
func syncTo(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	err = unix.Syncfs(int(d.Fd()))
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	return nil
}

// verify compares what arrived with the source, as far as the rival keeps it.
func (e *entrant) verify() error {
	entries, err := os.ReadDir(e.place.target)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if len(entries) != 1 {
		return fmt.Errorf("verify: %d names in the target, not 1", len(entries))
	}
	diffs, err := tree.Compare(e.place.from(), e.place.to(), tree.Options{AnyModes: !e.modes, AnyTimes: !e.times, Max: 5})
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if len(diffs) > 0 {
		return fmt.Errorf("verify: not what was sent: %v", diffs)
	}
	return nil
}
