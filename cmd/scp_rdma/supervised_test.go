package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/hashicorp/go-hclog"

	"scp_rdma/control"
	"scp_rdma/internal/testkit"
)

// manager is the socket of a service manager; said gathers what it is told, a message to a line.
func manager(t *testing.T) (name string, said func() string) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	var all testkit.Output
	var wg sync.WaitGroup
	wg.Go(func() {
		b := make([]byte, 4096)
		for {
			n, err := conn.Read(b)
			if err != nil {
				return
			}
			_, _ = all.Write([]byte(strings.ReplaceAll(string(b[:n]), "\n", " ") + "\n"))
		}
	})
	t.Cleanup(func() { _ = conn.Close(); wg.Wait() })
	return name, all.String
}

// The program starts itself anew on its way, and is confined then.
func TestAServiceManagerHearsHowAServerDoes(t *testing.T) {
	name, said := manager(t)
	p := newProcess(t, "-s", "-p", "0", "--bind", "127.0.0.1", "--grace", "10m")
	p.cmd.Env = append(p.cmd.Env, "NOTIFY_SOCKET="+name, "WATCHDOG_USEC=200000")
	port := p.start(t).port(t)
	eventually(t, said, "READY=1 STATUS=listening on 127.0.0.1:"+port+", 0 sessions\n")
	eventually(t, said, "\nWATCHDOG=1\nWATCHDOG=1\n")
	if !strings.HasPrefix(said(), "READY=1 ") {
		t.Errorf("something came before it was ready: %q", said())
	}
	p.signal(t, syscall.SIGHUP)
	eventually(t, said, "\nRELOADING=1 MONOTONIC_USEC=")
	eventually(t, said, "\nREADY=1\n")
	conn := session(t, port)
	eventually(t, said, "\nSTATUS=listening on 127.0.0.1:"+port+", 1 session\n")
	p.signal(t, syscall.SIGTERM)
	eventually(t, said, "\nSTOPPING=1 STATUS=listening on 127.0.0.1:"+port+", 1 session EXTEND_TIMEOUT_USEC=630000000\nWATCHDOG=1\nWATCHDOG=1\n")
	conn.Abort()
	if code := p.wait(t); code != 0 || strings.Contains(p.err.String(), "service manager") {
		t.Errorf("exit %d: %s", code, p.err.String())
	}
}

// A server through which no client comes any more is started again by its manager.
func TestAServerThatTakesNoClientsGivesNoSignOfLife(t *testing.T) {
	name, said := manager(t)
	t.Setenv("NOTIFY_SOCKET", name)
	t.Setenv("WATCHDOG_USEC", "20000")
	ln, err := control.Listen(t.Context(), control.ListenConfig{Addr: "127.0.0.1:0", NoAuth: true})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	taking, hang := context.WithCancel(t.Context())
	hung := make(chan struct{})
	go func() {
		defer close(hung)
		_, _ = ln.Accept(taking) // nobody comes
	}()
	var log testkit.Output
	_, stop, err := supervise(t.Context(), nil, ln, 0, hclog.New(&hclog.LoggerOptions{Output: &log}))
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	eventually(t, said, "READY=1 ")
	eventually(t, said, "\nWATCHDOG=1\n")
	hang()
	<-hung
	dead := func(n int) (signs int) {
		eventually(t, func() string { return fmt.Sprint(strings.Count(log.String(), "no sign of life") >= n) }, "true")
		return strings.Count(said(), "WATCHDOG=1")
	}
	if before, after := dead(1), dead(4); after != before {
		t.Errorf("%d signs of life from a server that takes no clients", after-before)
	}
	if !strings.Contains(log.String(), "nobody takes in clients") {
		t.Errorf("why: %q", log.String())
	}
}

func TestWithoutAManagerNobodyIsTold(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	next := &arrivals{}
	if o, stop, err := supervise(t.Context(), next, nil, 0, hclog.NewNullLogger()); o != next || err != nil {
		t.Errorf("%v, %v", o, err)
	} else {
		stop()
	}
	t.Setenv("NOTIFY_SOCKET", "@nobody")
	t.Setenv("WATCHDOG_USEC", "soon")
	if _, _, err := supervise(t.Context(), next, nil, 0, hclog.NewNullLogger()); err == nil {
		t.Error("no time is taken for one")
	}
}

// activated is a server that is passed sockets as systemd passes them.
func activated(t *testing.T, sockets []syscallConn, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	program := filepath.Join(t.TempDir(), "scp_rdma")
	if err = errors.Join(err, os.Symlink(self, program)); err != nil {
		t.Fatal(err)
	}
	p := newProcess(t)
	p.cmd.Path = "/bin/sh"
	p.cmd.Args = append([]string{"sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, program, "-s"}, args...)
	p.cmd.Env = append(p.cmd.Env, fmt.Sprintf("LISTEN_FDS=%d", len(sockets)), "LISTEN_FDNAMES=scp_rdma.socket")
	for _, s := range sockets {
		f, err := s.File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		p.cmd.ExtraFiles = append(p.cmd.ExtraFiles, f)
	}
	return p.start(t)
}

type syscallConn interface{ File() (*os.File, error) }

func tcpPort(t *testing.T) *net.TCPListener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln.(*net.TCPListener)
}

func TestAServerTakesTheSocketThatItIsPassed(t *testing.T) {
	ln := tcpPort(t)
	_, want, err := net.SplitHostPort(ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the socket outlives a server
		p := activated(t, []syscallConn{ln}, "-o", t.TempDir())
		if port := p.port(t); port != want {
			t.Fatalf("it listens on %s, not %s", port, want)
		}
		if code, _, stderr := call("-p", want, t.TempDir(), "127.0.0.1:"); code != 0 {
			t.Errorf("exit %d: %s", code, stderr)
		}
		p.signal(t, syscall.SIGTERM)
		if code := p.wait(t); code != 0 {
			t.Errorf("exit %d: %s", code, p.err.String())
		}
	}
}

func TestASocketThatIsNoPortIsRefused(t *testing.T) {
	tcp, other := tcpPort(t), tcpPort(t)
	unix, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close()
	conn, err := net.Dial("tcp", tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for says, tt := range map[string]struct {
		sockets []syscallConn
		args    []string
		code    int
	}{
		"2 sockets were passed (LISTEN_FDS)":  {[]syscallConn{tcp, other}, nil, 2},
		"this one was passed its socket":      {[]syscallConn{tcp}, []string{"-p", "1777"}, 2},
		"--bind, -4 and -6 are for":           {[]syscallConn{tcp}, []string{"--bind", "127.0.0.1"}, 2},
		"it does not listen (Accept=yes":      {[]syscallConn{conn.(*net.TCPConn)}, nil, 1},
		"the socket that was passed is unix,": {[]syscallConn{unix}, nil, 2},
	} {
		p := activated(t, tt.sockets, tt.args...)
		if code := p.wait(t); code != tt.code || !strings.Contains(p.err.String(), says) {
			t.Errorf("exit %d, %q; want %d, %q", code, p.err.String(), tt.code, says)
		}
	}
}
