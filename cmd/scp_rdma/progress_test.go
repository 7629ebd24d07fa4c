package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"scp_rdma/engine"
	"scp_rdma/keys"
	"scp_rdma/localfs"
)

func noEnv(string) string { return "" }

// keyEnv is an environment that says where the key is, and nothing else.
func keyEnv(name string) string {
	if name == keys.EnvFile {
		return os.Getenv(name)
	}
	return ""
}

// terminal is a real pseudo terminal of the given width; screen gathers what it is sent.
func terminal(t *testing.T, width uint16) (tty *os.File, screen func() string) {
	t.Helper()
	_, tty, screen = keyboard(t, width)
	return tty, screen
}

// keyboard is terminal with what a person types into it.
func keyboard(t *testing.T, width uint16) (master, tty *os.File, screen func() string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := master.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var n int
	err = errors.Join(raw.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			n, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
		if err == nil {
			err = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: width})
		}
	}), err)
	if err != nil {
		t.Fatal(err)
	}
	if tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var got bytes.Buffer
	var wg sync.WaitGroup
	wg.Go(func() {
		b := make([]byte, 4096)
		for {
			n, err := master.Read(b)
			mu.Lock()
			got.Write(b[:n])
			mu.Unlock()
			if err != nil {
				return
			}
		}
	})
	t.Cleanup(func() {
		_ = tty.Close()
		_ = master.Close()
		wg.Wait()
	})
	return master, tty, func() string {
		mu.Lock()
		defer mu.Unlock()
		return got.String()
	}
}

func TestATerminalShowsOneLineThatLives(t *testing.T) {
	tty, screen := terminal(t, 100)
	con := newConsole(env{stdout: &bytes.Buffer{}, stderr: tty, getenv: noEnv}, &options{})
	var mu sync.Mutex
	snap := engine.Snapshot{Phase: engine.PhaseConnecting}
	set := func(s engine.Snapshot) { mu.Lock(); snap = s; mu.Unlock() }
	con.Watch(func() engine.Snapshot { mu.Lock(); defer mu.Unlock(); return snap })
	con.begin("connecting to host:1777")
	eventually(t, screen, "connecting to host:1777 (")
	set(engine.Snapshot{Phase: engine.PhaseSending, Files: 10, FilesDone: 3, Bytes: 4 << 20, BytesDone: 1 << 20, Current: "dir/odd\nname\x1b[31m"})
	eventually(t, screen, "3/10+ files")
	eventually(t, screen, `dir/odd\nname\x1b[31m`)
	set(engine.Snapshot{Phase: engine.PhaseSending, WalkDone: true, Files: 10, FilesDone: 5, Bytes: 4 << 20, BytesDone: 2 << 20})
	eventually(t, screen, "50% 2.00 MiB of 4.00 MiB")
	con.Problem(engine.Problem{Path: "a\rb", Err: os.ErrPermission})
	eventually(t, screen, "\r\x1b[Kscp_rdma: a\\rb: permission denied\r\n")
	set(engine.Snapshot{Phase: engine.PhaseFinishing})
	eventually(t, screen, "finishing")
	con.end()
	for line := range strings.SplitSeq(screen(), "\r") {
		line = strings.TrimSuffix(line, "\x1b[K")
		if n := len([]rune(line)); n >= 100 {
			t.Errorf("a line of %d columns on a terminal of 100: %q", n, line)
		}
	}
	eventually(t, screen, "\r\x1b[K") // wiped in the end
}

func TestNoTerminalNoProgress(t *testing.T) {
	var out, err bytes.Buffer
	con := newConsole(env{stdout: &out, stderr: &err, getenv: noEnv}, &options{})
	con.Watch(func() engine.Snapshot { t.Error("asked for progress"); return engine.Snapshot{} })
	con.begin("looking")
	con.end()
	con.Problem(engine.Problem{Path: "fifo", Err: fmt.Errorf("fifo: %w", localfs.ErrSpecial)})
	if con.failed() {
		t.Error("a skipped fifo is no failure")
	}
	for i := range maxShown + 50 {
		con.Problem(engine.Problem{Path: fmt.Sprint(i), Err: os.ErrPermission})
	}
	if n := strings.Count(err.String(), "\n"); n != maxShown+2 || !con.failed() {
		t.Errorf("%d lines of problems", n)
	}
}

func TestQuietSaysNothingButErrors(t *testing.T) {
	tty, screen := terminal(t, 80)
	var out bytes.Buffer
	con := newConsole(env{stdout: &out, stderr: tty, getenv: noEnv}, &options{quiet: true})
	con.begin("looking")
	con.note("a note")
	con.say("a line")
	con.summary(&engine.Report{}, true)
	con.Problem(engine.Problem{Path: "x", Err: os.ErrPermission})
	con.end()
	eventually(t, screen, "x: permission denied")
	if out.Len() > 0 || strings.Contains(screen(), "note") {
		t.Errorf("said %q and %q", out.String(), screen())
	}
}
