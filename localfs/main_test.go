package localfs

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// rootsDir lies beside the temporary directory of the run as nobody and is root's.
const rootsDir = "roots"

// stickyDir lies there too. It is everybody's, and what is in it is root's.
const stickyDir = "sticky"

// nobody is a user without rights, here as on every Linux.
const nobody = 65534

// TestMain fails the package if a test left a descriptor open.
func TestMain(m *testing.M) {
	before := openFiles()
	code := m.Run()
	profiling := flag.Lookup("test.cpuprofile").Value.String() != "" // which holds a file open itself
	if after := openFiles(); code == 0 && !profiling && len(after) > len(before) {
		fmt.Fprintf(os.Stderr, "open before the tests: %q\nafter: %q\n", before, after)
		code = 99
	}
	os.Exit(code)
}

// openFiles says what this process has open, but for what is not of this
// package: epoll and eventfd are the runtime's, pipes and /dev/null go-fuse's.
func openFiles() []string {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil
	}
	var open []string
	for _, fd := range list {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.HasPrefix(to, "/") && to != os.DevNull {
			open = append(open, to)
		}
	}
	return open
}

func openFDs() int { return len(openFiles()) }

func root() bool { return os.Geteuid() == 0 }

// TestEverythingAsNobody runs the package's tests again without any rights.
func TestEverythingAsNobody(t *testing.T) {
	if !root() {
		return // this is that run
	}
	top, err := os.MkdirTemp("", "nobody") //nolint:usetesting // in a file system of its own choice
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(top) })
	must(t, os.Chmod(top, 0o755))
	plant(t, top, map[string]string{
		rootsDir + "/sub/": "", "tmp/": "",
		filepath.Join(stickyDir, hiddenOf("closed", partSuffix)): "root", filepath.Join(stickyDir, hiddenOf("open", partSuffix)): "root",
		filepath.Join(stickyDir, hiddenOf("journal", journalSuffix)): "root",
	})
	must(t, os.Chmod(filepath.Join(top, stickyDir, hiddenOf("open", partSuffix)), 0o666))
	must(t, os.Chmod(filepath.Join(top, stickyDir), 0o777|fs.ModeSticky))
	dir := filepath.Join(top, "tmp")
	must(t, os.Chown(dir, nobody, nobody))
	// By this path the binary needs no directory that nobody could not pass.
	cmd := exec.Command("/proc/self/exe", "-test.count=1", "-test.timeout=2m", "-test.short="+fmt.Sprint(testing.Short()))
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, "HOME="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
}

// places are directories on the file systems at hand.
func places(t *testing.T) map[string]string {
	t.Helper()
	shm, err := os.MkdirTemp("/dev/shm", "localfs") //nolint:usetesting // in a file system of its own choice
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(shm) })
	return map[string]string{"disk": t.TempDir(), "tmpfs": shm}
}

// put writes files for a test: path -> contents; a path ending in "/" is a
// directory, contents beginning with "-> " a symbolic link.
func plant(t *testing.T, dir string, tree map[string]string) {
	t.Helper()
	for path, text := range tree {
		full := filepath.Join(dir, path)
		must(t, os.MkdirAll(filepath.Dir(full), 0o755))
		switch {
		case strings.HasSuffix(path, "/"):
			must(t, os.MkdirAll(full, 0o755))
		case strings.HasPrefix(text, "-> "):
			must(t, os.Symlink(text[3:], full))
		default:
			must(t, os.WriteFile(full, []byte(text), 0o644))
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// picture is what plant would have to be given to make what is in dir.
func picture(t *testing.T, dir string) map[string]string {
	t.Helper()
	tree := map[string]string{}
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, path)
		if err != nil || rel == "." {
			return err
		}
		switch {
		case d.IsDir():
			tree[rel+"/"] = ""
		case d.Type() == fs.ModeSymlink:
			to, err := os.Readlink(path)
			tree[rel] = "-> " + to
			return err
		case d.Type().IsRegular():
			b, err := os.ReadFile(path)
			tree[rel] = string(b)
			return err
		default:
			tree[rel] = "special"
		}
		return nil
	}))
	return tree
}

// session is a sink with its target resolved.
type session struct {
	*Sink
	base Base
	dir  string // the root
}

// begin opens a sink whose base is dir itself.
func begin(t *testing.T, dir string, o SinkOptions) *session {
	t.Helper()
	return beginAt(t, dir, o, Target{Tops: 1})
}

func beginAt(t *testing.T, dir string, o SinkOptions, to Target) *session {
	t.Helper()
	r, err := OpenRoot(dir, false)
	must(t, err)
	s := &session{Sink: r.Sink(o), dir: dir}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close of the sink: %v", err)
		}
		must(t, r.Close())
		nothingHidden(t, dir, s.hidden)
	})
	s.base, err = s.Resolve(to)
	must(t, err)
	return s
}

// use makes the session use one way of naming files wherever it is.
func (s *session) use(t *testing.T, how method) {
	t.Helper()
	must(t, s.within(s.base.Dir, "x", func(int) error { return nil }))
	s.deviceOf(s.base.Dir).how = how
}

// nothingHidden looks for what a session forgot.
func nothingHidden(t *testing.T, dir, hidden string) {
	t.Helper()
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), hidden) {
			t.Errorf("left behind: %s", path)
		}
		return nil
	})
}

func filePut(d *Dir, name, text string) Put {
	return Put{Dir: d, Name: name, Size: int64(len(text)), Meta: Meta{Mode: 0o644, MtimeSec: 1e9, MtimeNsec: 5}}
}

func (s *session) mustPut(t *testing.T, d *Dir, name, text string) {
	t.Helper()
	must(t, s.PutFile(filePut(d, name, text), []byte(text)))
}

func (s *session) mustMkdir(t *testing.T, d *Dir, name string) *Dir {
	t.Helper()
	sub, err := s.Mkdir(d, name)
	must(t, err)
	return sub
}

// eventually waits for a condition, with a deadline no healthy machine meets.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	end := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(end) {
			t.Fatalf("never happened: %s", what)
		}
	}
}
