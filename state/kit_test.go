package state

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// patience is how long a test waits for what should come at once.
const patience = 30 * time.Second

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open opens the state in dir, without any waiting in it.
func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir, nil)
	must(t, err)
	s.every, s.rest = time.Millisecond, 0
	return s
}

// reboot is the state in dir as the host's next start finds it.
func reboot(t *testing.T, dir string) *Store {
	t.Helper()
	s := open(t, dir)
	s.boot = "next boot"
	return s
}

// begin notes a session.
func begin(t *testing.T, s *Store, path, source string) (end func()) {
	t.Helper()
	end, err := s.Begin(path, source)
	must(t, err)
	return end
}

// noted lists the files in the directory of notes, in whatever state.
func noted(t *testing.T, s *Store) []string {
	t.Helper()
	list, err := os.ReadDir(s.notes)
	must(t, err)
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// eventually waits until there are n notes.
func eventually(t *testing.T, s *Store, n int) {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for limit := time.Now().Add(patience); len(noted(t, s)) != n; <-look.C {
		if time.Now().After(limit) {
			t.Fatalf("there are never %d notes but %v", n, noted(t, s))
		}
	}
}

// running has Run run until the test ends or stop is called.
func running(t *testing.T, s *Store) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Run(ctx) // it ends by stop alone
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

// rounds waits until two rounds have begun: a draft that is old goes with each, so that
// the first has ended by then.
func rounds(t *testing.T, s *Store) {
	t.Helper()
	for range 2 {
		n := len(noted(t, s))
		draft := filepath.Join(s.notes, unfinished+"x")
		must(t, os.WriteFile(draft, nil, 0o600))
		old := time.Now().Add(-2 * draftAge)
		must(t, os.Chtimes(draft, old, old))
		eventually(t, s, n)
	}
}

// child is a process that lives until the test ends, and end for an earlier one.
func child(t *testing.T) (p process, end func()) {
	t.Helper()
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	must(t, err)
	must(t, cmd.Start())
	p, err = self()
	must(t, err)
	p.PID = cmd.Process.Pid
	p.Started, _, err = stat(p.PID)
	must(t, err)
	ended := false
	end = func() {
		if !ended {
			ended = true
			_ = in.Close()
			_ = cmd.Wait() // cat ends with its input
		}
	}
	t.Cleanup(end)
	return p, end
}
