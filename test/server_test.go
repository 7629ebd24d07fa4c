package e2e

import (
	"bytes"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"scp_rdma/internal/tree"
)

// folder makes a directory that belongs to w and goes away with the test.
func folder(t *testing.T, w who) string {
	t.Helper()
	dir, err := os.MkdirTemp(setting.base, "t") //nolint:usetesting // t.TempDir is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tree.Remove(dir); err != nil {
			t.Error(err)
		}
	})
	must(t, os.Chmod(dir, 0o755))
	must(t, os.Chown(dir, int(w.uid), int(w.uid)))
	return dir
}

// must ends the test if preparing it failed.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// write makes a file that belongs to the owner of its directory.
func write(t *testing.T, path string, data []byte) {
	t.Helper()
	must(t, os.WriteFile(path, data, 0o644))
	own(t, path)
}

// mkdir makes a directory that belongs to the owner of its parent.
func mkdir(t *testing.T, path string) string {
	t.Helper()
	must(t, os.Mkdir(path, 0o755))
	own(t, path)
	return path
}

// own gives a new entry to the owner of its directory.
func own(t *testing.T, path string) {
	t.Helper()
	var st unix.Stat_t
	must(t, unix.Stat(filepath.Dir(path), &st))
	must(t, os.Lchown(path, int(st.Uid), int(st.Gid)))
}

// generate makes a hard tree that belongs to w.
func generate(t *testing.T, w who, s tree.Spec) string {
	t.Helper()
	dir := filepath.Join(folder(t, w), "src")
	if _, err := tree.Generate(dir, s); err != nil {
		t.Fatal(err)
	}
	chown(t, w, dir)
	return dir
}

// chown gives a tree to w: by chown(1), since some paths are too long for one
// system call.
func chown(t *testing.T, w who, dir string) {
	t.Helper()
	id := fmt.Sprintf("%d:%d", w.uid, w.uid)
	if out, err := exec.Command("chown", "-Rh", id, dir).CombinedOutput(); err != nil {
		t.Fatalf("chown: %v: %s", err, out)
	}
}

// contains says whether text has the word, in any case.
func contains(text, word string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(word))
}

// same fails the test for each difference between two trees.
func same(t *testing.T, a, b string, o tree.Options) {
	t.Helper()
	diffs, err := tree.Compare(a, b, o)
	if err != nil {
		t.Error(err)
	}
	for _, d := range diffs {
		t.Errorf("%v", d)
	}
}

// arrived fails the test unless the file is there with these bytes.
func arrived(t *testing.T, path string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Errorf("did not arrive: %v", err)
	} else if !bytes.Equal(got, want) {
		t.Errorf("%s arrived with %d bytes that are not the %d sent", path, len(got), len(want))
	}
}

// absent fails the test if there is anything of that name.
func absent(t *testing.T, path string) {
	t.Helper()
	if st, err := os.Lstat(path); err == nil {
		t.Errorf("%s should not be there: %v, %d bytes", path, st.Mode(), st.Size())
	}
}

// hidden lists what the program may have left below dir.
func hidden(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if strings.HasPrefix(d.Name(), ".scp_rdma.") {
			found = append(found, path)
		}
		return err
	}))
	return found
}

// nothingHidden fails the test if the program has left anything below dir.
func nothingHidden(t *testing.T, dir string) {
	t.Helper()
	for _, path := range hidden(t, dir) {
		t.Errorf("left behind: %s", path)
	}
}

// server is a running scp_rdma -s.
type server struct {
	*process
	who  who
	dir  string
	addr string
	port string
}

// serve starts a server on a free port of loopback, receiving into dir.
func serve(t *testing.T, w who, dir string, args ...string) *server {
	t.Helper()
	p := start(t, w, setting.bin, append([]string{"-s", "-o", dir, "-p", "0", "--bind", "127.0.0.1"}, args...)...)
	return listening(t, p, w, dir)
}

// listening waits for a server's line that says where it listens.
func listening(t *testing.T, p *process, w who, dir string) *server {
	t.Helper()
	line := regexp.MustCompile(`listening on (\S+:\d+)`)
	var found []string
	eventually(t, "the server says where it listens", func() bool {
		found = line.FindStringSubmatch(p.out.String())
		return found != nil || p.ended()
	})
	if found == nil {
		t.Fatalf("the server ended: %s", p.err.String())
	}
	_, port, err := net.SplitHostPort(strings.TrimRight(found[1], ",;."))
	must(t, err)
	return &server{process: p, who: w, dir: dir, addr: "127.0.0.1:" + port, port: port}
}

// client starts a transfer to the server. The last argument is the destination
// after HOST:.
func (s *server) client(t *testing.T, w who, args ...string) *process {
	t.Helper()
	last := len(args) - 1
	args = append(append([]string{"-p", s.port}, args[:last]...), "127.0.0.1:"+args[last])
	return start(t, w, setting.bin, args...)
}

// send runs a transfer to its end.
func (s *server) send(t *testing.T, w who, args ...string) result {
	t.Helper()
	p := s.client(t, w, args...)
	return result{code: p.wait(t), out: p.out.String(), err: p.err.String()}
}

// stillServes fails the test unless the server takes one more file.
func (s *server) stillServes(t *testing.T) {
	t.Helper()
	proof := filepath.Join(folder(t, nobody()), "proof")
	write(t, proof, []byte("served"))
	s.send(t, nobody(), proof, "after/").wants(t, 0)
	arrived(t, filepath.Join(s.dir, "after", "proof"), []byte("served"))
	nothingHidden(t, filepath.Join(s.dir, "after"))
}

// stop ends the server as a person would, and fails the test unless it was
// well until then.
func (s *server) stop(t *testing.T) {
	t.Helper()
	if s.ended() {
		t.Fatalf("the server has ended: %s", s.err.String())
	}
	s.signal(t, unix.SIGTERM)
	if code := s.wait(t); code != 0 {
		t.Errorf("the server ends with exit code %d: %s", code, s.err.String())
	}
}
