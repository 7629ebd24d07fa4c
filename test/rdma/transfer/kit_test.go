//go:build rdma || rdma_siw || rdma_matrix || rdma_two || rdma_power

package transfer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"scp_rdma/internal/testkit"
)

// patience is for what should happen soon on an emulated CPU.
const patience = 120 * time.Second

// server is a running scp_rdma -s.
type server struct {
	cmd  *exec.Cmd
	dir  string
	says *testkit.Output // stderr
	env  []string
}

// serve starts a server and waits until it listens.
func serve(t *testing.T, flags ...string) *server {
	t.Helper()
	return serveIn(t, t.TempDir(), flags...)
}

// serveIn is serve with a place for what it receives, and for its key.
func serveIn(t *testing.T, dir string, flags ...string) *server {
	t.Helper()
	s := &server{
		dir: filepath.Join(dir, "in"), says: &testkit.Output{},
		env: append(os.Environ(), "SCP_RDMA_KEY_FILE="+filepath.Join(dir, "key")),
	}
	s.cmd = exec.Command(bin(t), append([]string{"-s", "-o", s.dir, "-p", "1777"}, flags...)...)
	s.cmd.Env, s.cmd.Stderr = s.env, s.says
	out, err := s.cmd.StdoutPipe()
	check(t, err)
	check(t, s.cmd.Start())
	t.Cleanup(func() { // the next test has the same port
		_ = s.cmd.Process.Kill() // it may have ended
		_ = s.cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "listening on ") {
		t.Fatalf("the server says %q, %s", lines.Text(), s.says)
	}
	go func() {
		for lines.Scan() { // it may talk on
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
		_ = cmd.Process.Signal(syscall.SIGQUIT)
		if s.cmd != nil { // it runs in this guest
			_ = s.cmd.Process.Signal(syscall.SIGQUIT)
			_ = s.cmd.Wait()
		}
		<-done
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

// tree makes a file of 256 MiB, and a tree of many small files and some of everything.
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
	age(t, dir)
	return large, small
}

// age gives everything one old time, so that two hosts make the same tree.
func age(t *testing.T, dir string) {
	t.Helper()
	then := []unix.Timespec{{Sec: 1e9, Nsec: 5}, {Sec: 1e9, Nsec: 5}}
	check(t, filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		return errors.Join(err, unix.UtimesNanoAt(unix.AT_FDCWD, p, then, unix.AT_SYMLINK_NOFOLLOW))
	}))
}

// write makes a file whose bytes follow from its name and size.
func write(t *testing.T, path string, n int) {
	t.Helper()
	check(t, os.MkdirAll(filepath.Dir(path), 0o700))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o640)
	check(t, err)
	var seed [32]byte
	copy(seed[:], fmt.Sprint(filepath.Base(path), n))
	_, err = io.CopyN(f, rand.NewChaCha8(seed), int64(n))
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

// run gives a command's output.
func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
}
