package main

import (
	"bytes"
	"io"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// onTerminal runs the program with a real pseudo terminal as its stderr.
func onTerminal(t *testing.T, width uint16, term string, args ...string) (p *process, screen func() string) {
	t.Helper()
	tty, screen := terminal(t, width)
	p = newProcess(t, args...)
	p.cmd.Env = append(p.cmd.Env, "TERM="+term)
	p.cmd.Stderr = tty
	return p.start(t), screen
}

// The person sees that it waits for an answer, for how long, and how it ended.
func TestATerminalIsNeverSilentWhileConnecting(t *testing.T) {
	port, _ := silence(t)
	p, screen := onTerminal(t, 80, "xterm", "-p", port, t.TempDir(), "127.0.0.1:")
	eventually(t, screen, "\rconnecting to 127.0.0.1:"+port+" (")
	eventually(t, screen, "\rconnecting to 127.0.0.1:"+port+" (1.") // it lives
	p.signal(t, syscall.SIGINT)
	if code := p.wait(t); code != 130 {
		t.Errorf("exit %d", code)
	}
	eventually(t, screen, "\r\x1b[Kscp_rdma: interrupted (SIGINT)\r\n")
	if !strings.HasSuffix(screen(), "(SIGINT)\r\n") {
		t.Errorf("something is left on the line: %q", screen())
	}
}

// A line that is longer than the terminal is wide would wrap and pile up.
func TestTheLineFitsANarrowTerminal(t *testing.T) {
	port, _ := silence(t)
	p, screen := onTerminal(t, 12, "xterm", "-p", port, t.TempDir(), "127.0.0.1:")
	eventually(t, screen, "\rconnecting \x1b[K")
	p.signal(t, syscall.SIGTERM)
	if code := p.wait(t); code != 143 {
		t.Errorf("exit %d", code)
	}
}

// A terminal that obeys no sequences gets none.
func TestADumbTerminalGetsNoProgress(t *testing.T) {
	tty, _ := terminal(t, 80)
	for term, want := range map[string]bool{"dumb": false, "xterm": true, "": true} {
		if got := newProgress(env{stderr: tty, getenv: func(string) string { return term }}, "") != nil; got != want {
			t.Errorf("TERM=%s: %v", term, got)
		}
	}
	port, taken := silence(t)
	p, screen := onTerminal(t, 80, "dumb", "-p", port, t.TempDir(), "127.0.0.1:")
	<-taken
	p.signal(t, syscall.SIGTERM)
	if code := p.wait(t); code != 143 {
		t.Errorf("exit %d", code)
	}
	eventually(t, screen, "(SIGTERM)\r\n")
	if got := screen(); got != "scp_rdma: interrupted (SIGTERM)\r\n" {
		t.Errorf("%q", got)
	}
}

// Warnings and the log come above the line, each on one of its own.
func TestTheLogDoesNotBreakTheLine(t *testing.T) {
	tty, screen := terminal(t, 80)
	con := newConsole(env{stdout: io.Discard, stderr: tty, getenv: noEnv}, &options{})
	con.begin("looking at the sources")
	eventually(t, screen, "\rlooking at the sources (")
	newLog(con, &options{}).Warn("str\x1b[2Jange", "name", "a\nb\u202e")
	eventually(t, screen, "\r\x1b[K2")
	eventually(t, screen, `str\x1b[2Jange:\n  name=\n  | a\n  | b\u202e`) // all on one line
	con.stopping()
	eventually(t, screen, "\rinterrupted, stopping (once more ends at once) (")
	con.end()
	con.end() // once more changes nothing
	if strings.Contains(screen(), "\x1b[2J") {
		t.Errorf("a name reached the terminal: %q", screen())
	}
}

// The line follows a window that is made smaller.
func TestTheTerminalMayChangeItsWidth(t *testing.T) {
	tty, screen := terminal(t, 80)
	con := newConsole(env{stdout: io.Discard, stderr: tty, getenv: noEnv}, &options{})
	con.begin(strings.Repeat("x", 200))
	eventually(t, screen, "\r"+strings.Repeat("x", 79)+"\x1b[K")
	raw, err := tty.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var ioErr error
	if err := raw.Control(func(fd uintptr) {
		ioErr = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 31})
	}); err != nil || ioErr != nil {
		t.Fatal(err, ioErr)
	}
	eventually(t, screen, "\r"+strings.Repeat("x", 30)+"\x1b[K")
	con.end()
}

func TestNoProgressLineOffATerminal(t *testing.T) {
	if newProgress(env{stderr: &bytes.Buffer{}, getenv: noEnv}, progressAll) != nil {
		t.Error("a buffer is no terminal")
	}
}
