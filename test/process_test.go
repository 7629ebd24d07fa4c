package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"scp_rdma/internal/testkit"
	"scp_rdma/keys"
	"scp_rdma/state"
)

// patience is how long a test waits for what should come at once: much longer
// than any machine needs, so that only a fault reaches it.
const patience = 60 * time.Second

// who runs a process.
type who struct {
	name string
	uid  uint32
}

// The users that tests run the program as.
func root() who   { return who{"root", 0} }
func nobody() who { return who{"uid 65534", 65534} }

// eachUser runs a test as root and as a user without any right.
func eachUser(t *testing.T, f func(t *testing.T, w who)) {
	for _, w := range []who{root(), nobody()} {
		t.Run("as "+w.name, func(t *testing.T) { f(t, w) })
	}
}

// eachTransport runs a test over each way there is inside a host; over names it for
// --transport.
func eachTransport(t *testing.T, f func(t *testing.T, over string)) {
	for _, over := range []string{"shm", "tcp"} {
		t.Run("over "+over, func(t *testing.T) { f(t, over) })
	}
}

// process is a running program.
type process struct {
	cmd      *exec.Cmd
	out, err testkit.Output
	done     chan struct{} // closed when it has ended
}

// start runs a command; the test's end kills it if it still runs.
func start(t *testing.T, w who, name string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(name, args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.err
	p.cmd.Dir = "/"
	p.cmd.Env = append(os.Environ(), "GORACE=halt_on_error=1 exitcode=66", "SCP_RDMA_CONFIG=none", keys.EnvFile+"="+keyOf(t, w), state.EnvDir+"="+filepath.Join(filepath.Dir(keyOf(t, w)), "state"))
	p.cmd.SysProcAttr = &syscall.SysProcAttr{}
	if w.uid != 0 {
		p.cmd.SysProcAttr.Credential = &syscall.Credential{Uid: w.uid, Gid: w.uid}
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // the exit code tells
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // ended already: nothing to kill
		<-p.done
		if t.Failed() {
			t.Logf("%s\nstdout: %s\nstderr: %s", p.cmd, clip(p.out.String()), clip(p.err.String()))
		}
	})
	return p
}

// keyOf is the key file of a user; all users have the same key.
func keyOf(t *testing.T, w who) string {
	t.Helper()
	dir := filepath.Join(setting.base, "key-of-"+strconv.Itoa(int(w.uid)))
	file := filepath.Join(dir, "key")
	setting.keys.Lock()
	defer setting.keys.Unlock()
	if _, err := os.Stat(file); err == nil {
		return file
	}
	must(t, os.Mkdir(dir, 0o700))
	must(t, os.WriteFile(file, []byte(setting.key.Text()), 0o600))
	must(t, os.Chown(file, int(w.uid), int(w.uid)))
	must(t, os.Chown(dir, int(w.uid), int(w.uid)))
	return file
}

// clip keeps logs readable.
func clip(s string) string {
	if len(s) > 4000 {
		return s[:2000] + "\n[...]\n" + s[len(s)-2000:]
	}
	return s
}

// signal sends a signal.
func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// wait waits for the process to end by itself and gives its exit code; 128+n
// if signal n killed it.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatalf("still running after %v: %s", patience, p.cmd)
	}
	ws := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return ws.ExitStatus()
}

// ended says whether the process is over.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// eventually waits until cond is true.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(patience); !cond(); <-tick.C {
		if time.Now().After(limit) {
			t.Fatalf("after %v still not: %s", patience, what)
		}
	}
}

// result is what came of a process that has ended.
type result struct {
	code     int
	out, err string
	took     time.Duration
}

// run runs a command to its end.
func run(t *testing.T, w who, name string, args ...string) result {
	t.Helper()
	begin := time.Now()
	p := start(t, w, name, args...)
	return result{code: p.wait(t), out: p.out.String(), err: p.err.String(), took: time.Since(begin)}
}

// wants fails the test unless the exit code is one of code.
func (r result) wants(t *testing.T, code int) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d\nstdout: %s\nstderr: %s", r.code, code, clip(r.out), clip(r.err))
	}
}

// says fails the test unless stderr has all words, in any order and case.
func (r result) says(t *testing.T, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(strings.ToLower(r.err), strings.ToLower(w)) {
			t.Errorf("stderr does not say %q:\n%s", w, clip(r.err))
		}
	}
	if strings.ContainsAny(r.err, "\x00\x07\x1b\r") || strings.Contains(r.err, "goroutine ") {
		t.Errorf("stderr has control characters or a stack: %q", clip(r.err))
	}
}

// peakMemory samples VmHWM (proc_pid_status(5)) of a process until it ends or
// the test does, and gives the last value in bytes when asked. The kernel
// keeps the peak, so that only growth in the last moments of a process is missed.
func peakMemory(t *testing.T, p *process) func() int64 {
	t.Helper()
	var mu sync.Mutex
	var peak int64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			if n, err := testkit.PeakMemory(p.cmd.Process.Pid); err == nil {
				mu.Lock()
				peak = max(peak, n)
				mu.Unlock()
			}
			select {
			case <-stop:
				return
			case <-p.done:
				return
			case <-tick.C:
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-stopped })
	return func() int64 {
		mu.Lock()
		defer mu.Unlock()
		return peak
	}
}
