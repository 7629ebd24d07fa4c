package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// big is a file that takes a while at a low rate.
func big(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "big")
	if err := os.WriteFile(path, bytes.Repeat([]byte("0123456789abcdef"), 8<<20/16), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// ask asks again and again until what is said to that has a part.
func ask(t *testing.T, p *process, said func() string, want string) {
	t.Helper()
	heeding(t, p)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for limit := time.Now().Add(patience); !strings.Contains(said(), want); <-again.C {
		if time.Now().After(limit) {
			t.Fatalf("there never was %q in %q", want, said())
		}
		p.signal(t, syscall.SIGUSR1)
	}
}

// Whoever asks is told, off a terminal too, and with -q; a server tells of each session.
func TestASignalAsksHowFarItIs(t *testing.T) {
	in := filepath.Dir(big(t))
	srv, port := server(t, "-o", in)
	ask(t, srv, srv.err.String, "scp_rdma: no session\n")
	for says, args := range map[string][]string{", into to: ": {big(t), "127.0.0.1:to/"}, ", from big: ": {"127.0.0.1:big", t.TempDir()}} {
		c := newProcess(t, append([]string{"-q", "-j", "2", "--transport", "tcp", "--limit", "64K", "-p", port}, args...)...).start(t)
		ask(t, c, c.err.String, "; rail ")
		ask(t, c, c.err.String, "; streams mostly ")
		ask(t, c, c.err.String, " of 1 file; ")
		ask(t, srv, srv.err.String, says)
		c.signal(t, syscall.SIGTERM)
		if code := c.wait(t); code != 143 || c.out.String() != "" {
			t.Errorf("exit %d: %q", code, c.out.String())
		}
		for line := range strings.Lines(c.err.String()) {
			if !strings.HasPrefix(line, "scp_rdma: ") || !strings.HasSuffix(line, "\n") {
				t.Errorf("%q", line)
			}
		}
	}
	for _, want := range []string{": session ", "of 8.0 MiB", "\nscp_rdma: 1 session, 2 streams: "} {
		if !strings.Contains(srv.err.String(), want) {
			t.Errorf("the server never says %q: %s", want, srv.err.String())
		}
	}
	srv.signal(t, syscall.SIGTERM)
	srv.wait(t)
}

// Before there is a session there is something to tell as well.
func TestASignalAsksAClientThatConnects(t *testing.T) {
	port, taken := silence(t)
	p := newProcess(t, "-p", port, t.TempDir(), "127.0.0.1:").start(t)
	<-taken
	ask(t, p, p.err.String, "scp_rdma: connecting to 127.0.0.1:"+port+"\n")
	p.signal(t, syscall.SIGTERM)
	p.wait(t)
}

// On a terminal the answer stands above the progress line, which stays one.
func TestTheAnswerIsAboveTheLine(t *testing.T) {
	port, _ := silence(t)
	p, screen := onTerminal(t, 80, "xterm", "-p", port, t.TempDir(), "127.0.0.1:")
	eventually(t, screen, "\rconnecting to ")
	ask(t, p, screen, "\r\x1b[Kscp_rdma: connecting to 127.0.0.1:"+port+"\r\n")
	p.signal(t, syscall.SIGTERM)
	p.wait(t)
}

// heeding waits until a program that was just started has a handler for SIGUSR1: before
// that its kernel would end it.
func heeding(t *testing.T, p *process) {
	t.Helper()
	for !heeds(t, p) {
		select {
		case <-p.done:
			t.Fatalf("ended: %s", p.err.String())
		case <-time.After(100 * time.Microsecond):
		}
	}
}

// heeds says whether a process has a handler for SIGUSR1, or ignores it.
func heeds(t *testing.T, p *process) bool {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return false // it has ended: its exit code tells
	}
	for line := range strings.Lines(string(text)) {
		name, mask, _ := strings.Cut(strings.TrimSpace(line), ":\t")
		if name == "SigCgt" || name == "SigIgn" {
			if n, err := strconv.ParseUint(mask, 16, 64); err == nil && n&(1<<(syscall.SIGUSR1-1)) != 0 {
				return true
			}
		}
	}
	return false
}

// A server that begins anew, with fewer rights, is asked at every moment of that.
func TestNobodyDiesOfBeingAsked(t *testing.T) {
	for range 5 {
		p := newProcess(t, "-s", "-p", "0", "--bind", "127.0.0.1").start(t)
		heeding(t, p)
		for limit := time.Now().Add(patience); !strings.Contains(p.out.String(), "receiving into") && time.Now().Before(limit); {
			if p.cmd.Process.Signal(syscall.SIGUSR1) != nil {
				break // it has ended
			}
			<-time.After(20 * time.Microsecond)
		}
		p.port(t)
		p.signal(t, syscall.SIGTERM)
		if code := p.wait(t); code != 0 {
			t.Errorf("exit %d: %s", code, p.err.String())
		}
	}
}

// Who is asked at the very end says nothing after the summary, and ends as ever.
func TestWhoIsAskedAtTheEndEndsAsEver(t *testing.T) {
	_, port := server(t)
	src := big(t)
	for i := range 20 {
		p := newProcess(t, "-p", port, src, "127.0.0.1:"+strconv.Itoa(i))
		p.cmd.Stderr = &p.out // one stream of words, in their order
		p.start(t)
		for !heeds(t, p) && !strings.Contains(p.out.String(), "sent ") {
			<-time.After(100 * time.Microsecond)
		}
		for over := false; !over; {
			select {
			case <-p.done:
				over = true
			default:
				_ = p.cmd.Process.Signal(syscall.SIGUSR1) // it may just have ended
			}
		}
		said := p.out.String()
		if code := p.wait(t); code != 0 {
			t.Fatalf("exit %d: %s", code, said)
		}
		if at := strings.Index(said, "sent "); at < 0 || strings.Contains(said[at:], "scp_rdma: ") {
			t.Errorf("%q", said)
		}
	}
}

// What each stream does stands below the line, and goes at the end.
func TestFullProgressOfRealTransfers(t *testing.T) {
	in := filepath.Dir(big(t))
	_, port := server(t, "-o", in)
	for _, colour := range []string{"", "1"} {
		for _, args := range [][]string{{big(t), "127.0.0.1:to/"}, {"127.0.0.1:big", t.TempDir()}} {
			tty, screen := terminal(t, 100)
			p := newProcess(t, append([]string{"--progress", "-j", "2", "--transport", "tcp", "--limit", "64K", "-p", port}, args...)...)
			p.cmd.Env = append(p.cmd.Env, "TERM=xterm", "NO_COLOR="+colour)
			p.cmd.Stderr = tty
			p.start(t)
			eventually(t, screen, "\x1b[K\r\nrail lo")
			eventually(t, screen, "\x1b[K\r\n  stream 0  ")
			eventually(t, screen, "\x1b[K\r\n  stream 1  ")
			eventually(t, screen, "held back by --limit")
			eventually(t, screen, "\r\x1b[3A")
			p.signal(t, syscall.SIGINT)
			if code := p.wait(t); code != 130 {
				t.Errorf("exit %d", code)
			}
			eventually(t, screen, "(SIGINT)\r\n")
			if coloured := strings.Contains(screen(), "\x1b[33m"); coloured != (colour == "") {
				t.Errorf("NO_COLOR=%s: colours %v", colour, coloured)
			}
			if !strings.HasSuffix(screen(), "\x1b[Jscp_rdma: interrupted (SIGINT)\r\n") && !strings.HasSuffix(screen(), "\x1b[Kscp_rdma: interrupted (SIGINT)\r\n") {
				t.Errorf("something is left: %q", screen())
			}
			s := newScreen(t, 100, 24)
			_, _ = s.Write([]byte(screen()))
			if len(s.rows) != 2 || s.rows[0] != "scp_rdma: interrupted (SIGINT)" {
				t.Errorf("the screen has %q", s.rows)
			}
		}
	}
}

func TestNoProgressIfNoneIsWanted(t *testing.T) {
	port, taken := silence(t)
	p, screen := onTerminal(t, 80, "xterm", "--progress=none", "-p", port, t.TempDir(), "127.0.0.1:")
	<-taken
	p.signal(t, syscall.SIGTERM)
	p.wait(t)
	eventually(t, screen, "(SIGTERM)\r\n")
	if got := screen(); got != "scp_rdma: interrupted (SIGTERM)\r\n" {
		t.Errorf("%q", got)
	}
}
