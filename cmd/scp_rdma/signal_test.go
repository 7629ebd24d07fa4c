package main

import (
	"context"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"scp_rdma/control"
	"scp_rdma/internal/testkit"
	"scp_rdma/wire"
)

// silence is a server that takes connections and says nothing. taken is
// closed with the first one.
func silence(t *testing.T) (port string, taken <-chan struct{}) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ch, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		c, err := ln.Accept()
		if err != nil {
			return
		}
		close(ch)
		_, _ = io.Copy(io.Discard, c) // until the client ends
		_ = c.Close()
	}()
	t.Cleanup(func() { _ = ln.Close(); <-over })
	_, port, err = net.SplitHostPort(ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port, ch
}

func TestASignalInterruptsAClient(t *testing.T) {
	for _, tt := range []struct {
		sig  syscall.Signal
		code int
		says string
	}{{syscall.SIGINT, 130, "interrupted (SIGINT)"}, {syscall.SIGTERM, 143, "interrupted (SIGTERM)"}} {
		port, taken := silence(t)
		p := newProcess(t, "-p", port, t.TempDir(), "127.0.0.1:")
		p.start(t)
		<-taken
		p.signal(t, tt.sig)
		if code := p.wait(t); code != tt.code || p.err.String() != "scp_rdma: "+tt.says+"\n" || p.out.String() != "" {
			t.Errorf("%v: exit %d, stdout %q, stderr %q", tt.sig, code, p.out.String(), p.err.String())
		}
	}
}

// session opens a session with a server, which then waits for what never comes.
func session(t *testing.T, port string) *control.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := control.Dial(ctx, control.DialConfig{Addr: net.JoinHostPort("127.0.0.1", port), Key: testKey(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Abort)
	ask := func(m wire.Message) {
		if err := conn.Send(m); err != nil {
			t.Fatal(err)
		}
		if m, err := conn.Recv(ctx); err != nil || m.Type() == wire.TypeBye {
			t.Fatalf("the server says %+v, %v", m, err)
		}
	}
	ask(&wire.Hello{Version: wire.Version, Rails: []wire.RailSet{{Transport: "tcp", Rails: []wire.Rail{{Name: "x"}}}}})
	ask(&wire.Open{Path: []byte("in\x1b[31m"), Contents: true})
	return conn
}

// server starts the program as one.
func server(t *testing.T, args ...string) (p *process, port string) {
	t.Helper()
	p = newProcess(t, append([]string{"-s", "-p", "0", "--bind", "127.0.0.1"}, args...)...).start(t)
	return p, p.port(t)
}

func TestAStoppedServerLetsSessionsEnd(t *testing.T) {
	p, port := server(t, "--grace", "10m")
	conn := session(t, port)
	p.signal(t, syscall.SIGTERM)
	eventually(t, p.err.String, "stopping: 1 session may go on for 10m0s; a second signal ends at once")
	conn.Abort()
	if code := p.wait(t); code != 0 {
		t.Errorf("exit %d: %s", code, p.err.String())
	}
	if !strings.Contains(p.out.String(), `, into in\x1b[31m: 0 files, 0 B`) || !strings.Contains(p.out.String(), "; failed: ") {
		t.Errorf("no word on how the session ended: %q", p.out.String())
	}
}

func TestAStoppedServerCutsSessionsOffAfterTheGraceTime(t *testing.T) {
	for sig, want := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		p, port := server(t, "--grace", "1ms")
		session(t, port)
		p.signal(t, sig)
		if code := p.wait(t); code != want || !strings.Contains(p.err.String(), "cut off") {
			t.Errorf("%v: exit %d: %s", sig, code, p.err.String())
		}
	}
}

func TestASecondSignalEndsAtOnce(t *testing.T) {
	p, port := server(t, "--grace", "10m")
	session(t, port)
	p.signal(t, syscall.SIGTERM)
	eventually(t, p.err.String, "stopping")
	p.signal(t, syscall.SIGINT)
	if code := p.wait(t); code != 130 {
		t.Errorf("exit %d: %s", code, p.err.String())
	}
}

// A reader of stdout that went away kills nobody: a server goes on.
func TestAServerOutlivesTheReaderOfItsOutput(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := newProcess(t, "-s", "-p", "0", "--bind", "127.0.0.1", "-o", t.TempDir())
	p.cmd.Stdout = w
	p.start(t)
	_ = w.Close()
	line := make([]byte, 4096)
	n, err := r.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	_, _ = p.out.Write(line[:n])
	port := p.port(t)
	for range 2 {
		if code, _, stderr := call("-p", port, t.TempDir(), "127.0.0.1:"); code != 0 {
			t.Errorf("exit %d: %s", code, stderr)
		}
	}
	p.signal(t, syscall.SIGTERM)
	if code := p.wait(t); code != 0 || strings.Count(p.err.String(), "write to stdout: ") != 1 {
		t.Errorf("exit %d: %q", code, p.err.String())
	}
}

func TestOutputThatCannotBeWrittenIsAnError(t *testing.T) {
	for _, arg := range []string{"--help", "--version"} {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		p := newProcess(t, arg)
		p.cmd.Stdout = full
		p.start(t)
		if code := p.wait(t); code != 1 || !strings.Contains(p.err.String(), "no space left on device") {
			t.Errorf("%s: exit %d: %q", arg, code, p.err.String())
		}
		_ = full.Close()
	}
}

func TestAQuietServerSaysNothing(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(signalError{syscall.SIGTERM}) // stopped before the first client
	for arg, want := range map[string]bool{"-q": false, "-v": true} {
		var out, err testkit.Output
		code := run(ctx, env{stdout: &out, stderr: &err, getenv: keyEnv}, []string{"-s", arg, "-p", "0", "--bind", "127.0.0.1", "-o", t.TempDir()})
		if said := out.String() != "" && err.String() != ""; code != 0 || said != want {
			t.Errorf("%s: exit %d, stdout %q, stderr %q", arg, code, out.String(), err.String())
		}
	}
	var out, err testkit.Output
	run(ctx, env{stdout: &out, stderr: &err, getenv: noEnv}, []string{"-s", "-q", "--no-auth", "-p", "0", "--bind", "127.0.0.1", "-o", t.TempDir()})
	if !strings.Contains(err.String(), "WARNING: --no-auth") || out.String() != "" {
		t.Errorf("-q hides that there are no keys: stdout %q, stderr %q", out.String(), err.String())
	}
}

// Only root may grant all attributes: without the right it is denied at once.
func TestAllAttributesNeedRoot(t *testing.T) {
	p := newProcess(t, "-s", "--allow", "xattr-all", "-p", "1")
	if os.Geteuid() == 0 {
		p.cmd.Dir = "/"
		p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	p.start(t)
	if code := p.wait(t); code != 2 || !strings.Contains(p.err.String(), "only root may set all attributes") {
		t.Errorf("exit %d: %s", code, p.err.String())
	}
}
