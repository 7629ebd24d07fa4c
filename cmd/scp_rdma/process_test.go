package main

import (
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"scp_rdma/internal/testkit"
)

// patience is how long a test waits for what should come at once.
const patience = 30 * time.Second

// raceEnv: a race ends a process, and a process ends at once (not a second later).
const raceEnv = "GORACE=halt_on_error=1 exitcode=66 atexit_sleep_ms=0"

// process is the program in a process of its own.
type process struct {
	cmd      *exec.Cmd
	out, err testkit.Output
	done     chan struct{} // closed when it has ended
}

// newProcess prepares the program: this binary under its name, see TestMain.
func newProcess(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command("/proc/self/exe", args...), done: make(chan struct{})}
	p.cmd.Args[0] = "scp_rdma"
	p.cmd.Dir = t.TempDir()
	p.cmd.Env = append(os.Environ(), raceEnv)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.err
	return p
}

// start starts it; the test's end kills it if it still runs.
func (p *process) start(t *testing.T) *process {
	t.Helper()
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // the exit code tells
	}()
	t.Cleanup(p.kill)
	return p
}

// kill ends it at once, if it still runs.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // ended already: nothing to kill
	<-p.done
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// wait waits for it to end by itself and gives its exit code, -1 if a signal killed it.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatalf("still running after %v: %v\n%s", patience, p.cmd.Args, p.err.String())
	}
	return p.cmd.ProcessState.ExitCode()
}

// port waits for a server's line that says where it listens.
func (p *process) port(t *testing.T) string {
	t.Helper()
	line := regexp.MustCompile(`^listening on (\S+), receiving into `)
	eventually(t, p.out.String, "receiving into")
	m := line.FindStringSubmatch(p.out.String())
	if m == nil {
		t.Fatalf("the server says %q", p.out.String())
	}
	_, port, err := net.SplitHostPort(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// eventually waits until text has a part.
func eventually(t *testing.T, text func() string, want string) {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for limit := time.Now().Add(patience); !strings.Contains(text(), want); <-look.C {
		if time.Now().After(limit) {
			t.Fatalf("there never was %q in %q", want, text())
		}
	}
}
