//go:build rdma

package transfer

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is for what should happen soon on an emulated CPU.
const patience = 60 * time.Second

// server is a running scp_rdma -s.
type server struct {
	cmd  *exec.Cmd
	dir  string
	says *bytes.Buffer // stderr
	env  []string
}

// serve starts a server and waits until it listens.
func serve(t *testing.T, flags ...string) *server {
	t.Helper()
	dir := t.TempDir()
	s := &server{
		dir: filepath.Join(dir, "in"), says: &bytes.Buffer{},
		env: append(os.Environ(), "SCP_RDMA_KEY_FILE="+filepath.Join(dir, "key")),
	}
	s.cmd = exec.Command(bin(t), append([]string{"-s", "-o", s.dir, "-p", "1777"}, flags...)...)
	s.cmd.Env, s.cmd.Stderr = s.env, s.says
	out, err := s.cmd.StdoutPipe()
	check(t, err)
	check(t, s.cmd.Start())
	lines := bufio.NewScanner(out)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "listening on ") {
		t.Fatalf("the server says %q, %s", lines.Text(), s.says)
	}
	go func() {
		for lines.Scan() { //nolint:revive // it may talk on
		}
	}()
	return s
}

// stop ends the server, which must have nothing to complain of.
func (s *server) stop(t *testing.T) {
	t.Helper()
	check(t, s.cmd.Process.Signal(syscall.SIGTERM))
	_ = s.cmd.Wait() // it was told to
	for line := range strings.Lines(s.says.String()) {
		// The session of a client that is gone may still be ending.
		if !strings.HasPrefix(line, "scp_rdma: stopping: ") {
			t.Errorf("the server complains: %s", line)
		}
	}
}

func bin(t *testing.T) string {
	t.Helper()
	path := os.Getenv("SCP_RDMA_BIN")
	if path == "" {
		t.Fatal("SCP_RDMA_BIN doesn't name the program")
	}
	return path
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// send runs a client to its end, and gives its exit code and what it says.
func (s *server) send(t *testing.T, args ...string) (int, string) {
	t.Helper()
	cmd := exec.Command(bin(t), args...)
	cmd.Env = s.env
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	check(t, cmd.Start())
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case <-done:
	case <-time.After(patience):
		// Both tell where they hang.
		_ = errors.Join(cmd.Process.Signal(syscall.SIGQUIT), s.cmd.Process.Signal(syscall.SIGQUIT))
		<-done
		_ = s.cmd.Wait()
		t.Fatalf("%v hangs: %s\nthe server: %s", args, &out, s.says)
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

// arrived compares a file or tree with what has come of it.
func arrived(t *testing.T, src, dst string) {
	t.Helper()
	check(t, filepath.WalkDir(src, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(src, p)
		check(t, err)
		same(t, p, filepath.Join(dst, rel))
		return nil
	}))
	if a, b := count(t, src), count(t, dst); a != b {
		t.Errorf("%d entries in %s, %d in %s", a, src, b, dst)
	}
}

func count(t *testing.T, dir string) (n int) {
	t.Helper()
	check(t, filepath.WalkDir(dir, func(_ string, _ fs.DirEntry, err error) error {
		n++
		return err
	}))
	return n
}

// same compares kind, mode, time and bytes.
func same(t *testing.T, a, b string) {
	t.Helper()
	sa, err := os.Lstat(a)
	check(t, err)
	sb, err := os.Lstat(b)
	check(t, err)
	if sa.Mode() != sb.Mode() || !sa.ModTime().Equal(sb.ModTime()) {
		t.Errorf("%s: %v %v, arrived as %v %v", a, sa.Mode(), sa.ModTime(), sb.Mode(), sb.ModTime())
	}
	switch {
	case sa.Size() > 1<<20: // the guest's memory holds both files already
		run(t, "cmp", a, b)
	case sa.Mode().IsRegular():
		x, errX := os.ReadFile(a)
		y, errY := os.ReadFile(b)
		check(t, errors.Join(errX, errY))
		if !bytes.Equal(x, y) {
			t.Errorf("%s differs", a)
		}
	case sa.Mode()&fs.ModeSymlink != 0:
		x, errX := os.Readlink(a)
		y, errY := os.Readlink(b)
		check(t, errors.Join(errX, errY))
		if x != y {
			t.Errorf("%s is a link to %s, not %s", b, y, x)
		}
	}
}

// tree is a file of 256 MiB, and a tree of many small files and some of everything.
func tree(t *testing.T) (large, small string) {
	t.Helper()
	dir := t.TempDir()
	large, small = filepath.Join(dir, "large"), filepath.Join(dir, "small")
	write(t, large, 256<<20)
	for i := range 2000 {
		write(t, filepath.Join(small, strconv.Itoa(i%37), strconv.Itoa(i)), i%97*113)
	}
	write(t, filepath.Join(small, "empty"), 0)
	write(t, filepath.Join(small, "of a slot"), 1<<20)
	write(t, filepath.Join(small, "of a slot and a byte"), 1<<20+1)
	check(t, os.Symlink("empty", filepath.Join(small, "link")))
	check(t, os.Link(filepath.Join(small, "empty"), filepath.Join(small, "hard link")))
	check(t, os.Mkdir(filepath.Join(small, "nothing"), 0o500))
	return large, small
}

func write(t *testing.T, path string, n int) {
	t.Helper()
	check(t, os.MkdirAll(filepath.Dir(path), 0o700))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o640)
	check(t, err)
	_, err = io.CopyN(f, rand.Reader, int64(n))
	check(t, errors.Join(err, f.Close()))
}

// shares finds in a summary how many MiB each rail carried.
func shares(t *testing.T, text string) map[string]float64 {
	t.Helper()
	found := map[string]float64{}
	for _, m := range regexp.MustCompile(`(?m)^rail (\S+) with \S+ of the server: .* streams?, ([0-9.]+) MiB`).FindAllStringSubmatch(text, -1) {
		v, err := strconv.ParseFloat(m[2], 64)
		check(t, err)
		found[m[1]] = v
	}
	return found
}

// host is who the client sends to: this guest, or the other one.
const self = "127.0.0.1:"

func TestWholeTransfers(t *testing.T) {
	large, small := tree(t)
	s := serve(t)
	defer s.stop(t)
	for _, how := range [][]string{{"-j", "1"}, {"-j", "8"}, {"-j", "8", "-d", "rxe0,rxe1"}, {"-j", "3", "-d", "rxe1:1:1"}} {
		t.Run(strings.Join(how, " "), func(t *testing.T) {
			for _, src := range []string{large, small} {
				code, text := s.send(t, append(how, "--rails", src, self)...)
				if code != 0 || !strings.Contains(text, "\nover verbs, ") {
					t.Fatalf("exit %d: %s", code, text)
				}
				arrived(t, src, filepath.Join(s.dir, filepath.Base(src)))
				check(t, os.RemoveAll(filepath.Join(s.dir, filepath.Base(src))))
				carried := shares(t, text)
				if src != large || len(how) != 4 || how[1] != "8" {
					continue
				}
				for _, rail := range []string{"rxe0", "rxe1"} {
					if v := carried[rail]; v < 256./3 || v > 256*2./3 {
						t.Errorf("%s carried %.0f of 256 MiB: %s", rail, v, text)
					}
				}
			}
		})
	}
}

func TestMistakesAreToldWithWhatThereIs(t *testing.T) {
	s := serve(t)
	defer s.stop(t)
	src := filepath.Join(t.TempDir(), "file")
	write(t, src, 10)
	for _, tt := range []struct {
		args []string
		says []string
	}{
		{[]string{"-d", "mlx5_9"}, []string{"mlx5_9", "rxe0", "rxe1", "eth0"}},
		{[]string{"-d", "rxe0,mlx5_9"}, []string{"mlx5_9", "rxe0", "rxe1"}},
		{[]string{"-d", "rxe0:2"}, []string{"rxe0:2", "no such"}},
		{[]string{"-d", "rxe0:1:77"}, []string{"no GID of index 77", "[0 1]"}},
		{[]string{"-g", "77"}, []string{"no GID of index 77"}},
		{[]string{"-i", "3"}, []string{"no such device or port"}},
	} {
		start := time.Now()
		code, text := s.send(t, append(tt.args, src, self)...)
		if code != 4 || time.Since(start) > 15*time.Second {
			t.Errorf("%v: exit %d after %v, want 4 within seconds: %s", tt.args, code, time.Since(start), text)
		}
		for _, want := range tt.says {
			if !strings.Contains(text, want) {
				t.Errorf("%v: no word of %q: %s", tt.args, want, text)
			}
		}
	}
	if code, text := s.send(t, src, self); code != 0 {
		t.Errorf("after all that: exit %d: %s", code, text)
	}
}

// run gives a command's output.
func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
}

func TestAPortThatIsDownIsNamedAndTCPTakesOver(t *testing.T) {
	s := serve(t)
	defer s.stop(t)
	src := filepath.Join(t.TempDir(), "file")
	write(t, src, 100_000)
	run(t, "ip", "link", "set", "eth1", "down")
	defer run(t, "ip", "link", "set", "eth1", "up")
	code, text := s.send(t, "-d", "rxe1", src, self)
	if code != 4 || !strings.Contains(text, "rxe1") || !strings.Contains(text, "is down") {
		t.Errorf("-d rxe1: exit %d: %s", code, text)
	}
	run(t, "ip", "link", "set", "eth0", "down")
	code, text = s.send(t, src, self)
	run(t, "ip", "link", "set", "eth0", "up")
	if code != 0 || !strings.Contains(text, "going over tcp, not verbs: no device can be used: ") || !strings.Contains(text, "is down") {
		t.Errorf("with both ports down: exit %d: %s", code, text)
	}
}

func TestAKilledPeerIsNoticed(t *testing.T) {
	large := filepath.Join(t.TempDir(), "large")
	write(t, large, 128<<20)
	for _, victim := range []string{"server", "client"} {
		t.Run(victim, func(t *testing.T) {
			s := serve(t)
			before := moved()
			cmd := exec.Command(bin(t), "-j", "4", "-d", "rxe0,rxe1", large, self)
			cmd.Env = s.env
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			check(t, cmd.Start())
			// Half files lie under hidden names: wait until some bytes are there.
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for deadline := time.Now().Add(patience); moved()-before < 8<<20; <-tick.C {
				if time.Now().After(deadline) {
					t.Fatalf("nothing moves: %s", &out)
				}
			}
			if victim == "server" {
				check(t, s.cmd.Process.Kill())
				_ = s.cmd.Wait()
			} else {
				check(t, cmd.Process.Kill())
			}
			start := time.Now()
			err := cmd.Wait()
			if victim == "server" && (err == nil || time.Since(start) > 20*time.Second || out.Len() == 0) {
				t.Errorf("the client ends with %v after %v: %s", err, time.Since(start), &out)
			}
			if _, err := os.Stat(filepath.Join(s.dir, "large")); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a half file has its name: %v", err)
			}
			if victim == "server" {
				return
			}
			small := filepath.Join(t.TempDir(), "small")
			write(t, small, 1000)
			if code, text := s.send(t, small, self); code != 0 || !strings.Contains(text, "over verbs") {
				t.Errorf("the next client: exit %d: %s", code, text)
			}
			s.stop(t)
		})
	}
}

// moved is how many bytes the cards have sent to themselves: soft-RoCE counts
// packets only, of at most 4096 bytes.
func moved() (n int) {
	for _, d := range []string{"rxe0", "rxe1"} {
		b, _ := os.ReadFile(fmt.Sprintf("/sys/class/infiniband/%s/ports/1/hw_counters/sent_pkts", d))
		v, _ := strconv.Atoi(strings.TrimSpace(string(b)))
		n += v * 4096
	}
	return n
}
