package localfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestMkdirTakesOnlyRealDirectories(t *testing.T) {
	outside := t.TempDir()
	dir := t.TempDir()
	plant(t, dir, map[string]string{"there/old": "o", "file": "f", "link": "-> " + outside, "inner": "-> there", "dangling": "-> no"})
	s := begin(t, dir, SinkOptions{})
	d := s.mustMkdir(t, s.base.Dir, "there")
	s.mustPut(t, d, "new", "n")
	for name, want := range map[string]string{
		"file": "mkdir file: file where a directory belongs", "link": "symbolic link where a directory belongs",
		"inner": "symbolic link where a directory belongs", "dangling": "symbolic link where a directory belongs",
	} {
		_, err := s.Mkdir(s.base.Dir, name)
		if !errors.Is(err, unix.ENOTDIR) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if tree := picture(t, outside); len(tree) != 0 {
		t.Errorf("outside: %v", tree)
	}
}

func TestReadOnlyDirectories(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, map[string]string{"there/old": "o"})
	must(t, os.Chmod(filepath.Join(dir, "there"), 0o055))
	t.Cleanup(func() { unix.Chmod(filepath.Join(dir, "there"), 0o755); unix.Chmod(filepath.Join(dir, "new"), 0o755) })
	s := begin(t, dir, SinkOptions{})
	for _, name := range []string{"there", "new"} {
		d := s.mustMkdir(t, s.base.Dir, name)
		s.mustPut(t, d, "old", "text")
		must(t, s.FinishDir(d, Meta{Mode: 0o555, MtimeSec: 77}))
		if st := lstatOf(t, dir, name); st.Mode&0o7777 != 0o555 || st.Mtim.Sec != 77 {
			t.Errorf("%s: mode %o, mtime %d", name, st.Mode, st.Mtim.Sec)
		}
		if b, err := os.ReadFile(filepath.Join(dir, name, "old")); string(b) != "text" || err != nil {
			t.Errorf("%s: %q, %v", name, b, err)
		}
		if err := s.PutFile(filePut(d, "late", ""), nil); !errors.Is(err, os.ErrClosed) {
			t.Errorf("into a finished directory: %v", err)
		}
	}
}

func TestWhatIsNotOursIsDenied(t *testing.T) {
	dir := filepath.Join(filepath.Dir(os.TempDir()), rootsDir)
	if _, err := os.Stat(dir); root() || err != nil {
		return // TestEverythingAsNobody runs this, with a directory of root's
	}
	r, err := OpenRoot(dir, true)
	must(t, err)
	defer r.Close()
	s := r.Sink(SinkOptions{})
	defer s.Close()
	b, err := s.Resolve(Target{Tops: 1})
	must(t, err)
	if err := s.PutFile(filePut(b.Dir, "f", "x"), []byte("x")); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("put into a directory of root: %v", err)
	}
	if _, err := s.Mkdir(b.Dir, "d"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("mkdir in a directory of root: %v", err)
	}
	if err := s.Symlink(b.Dir, "l", "x", Meta{}); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("symlink in a directory of root: %v", err)
	}
	if _, err := OpenRoot(filepath.Join(dir, "new/dir"), true); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), filepath.Join(dir, "new")) {
		t.Errorf("a root in a directory of root: %v", err)
	}
	sub, err := s.Mkdir(b.Dir, "sub")
	must(t, err)
	if err := s.FinishDir(sub, Meta{Mode: 0o700}); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("mode of a directory of root: %v", err)
	}
}

func TestSymlinks(t *testing.T) {
	for place, dir := range places(t) {
		t.Run(place, func(t *testing.T) {
			plant(t, dir, map[string]string{"file": "f", "link": "-> a", "dir/keep": "k"})
			s := begin(t, dir, SinkOptions{})
			long := strings.Repeat("x/", 2047)
			want := map[string]string{
				"file": "-> ../../etc", "link": "-> inva\xfflid\n", "new": "-> /abs", "long": "-> " + long, "dir/": "", "dir/keep": "k",
			}
			for name, text := range want {
				if after, ok := strings.CutPrefix(text, "-> "); ok {
					must(t, s.Symlink(s.base.Dir, name, after, Meta{Mode: 0o777, MtimeSec: 5}))
				}
			}
			if err := s.Symlink(s.base.Dir, "dir", "x", Meta{}); !errors.Is(err, unix.EISDIR) {
				t.Errorf("over a directory: %v", err)
			}
			for _, text := range []string{"", strings.Repeat("x", 4096), "a\x00b"} {
				if err := s.Symlink(s.base.Dir, "bad", text, Meta{}); !errors.Is(err, unix.EINVAL) {
					t.Errorf("text of %d bytes: %v", len(text), err)
				}
			}
			if diff := cmp.Diff(want, picture(t, dir)); diff != "" {
				t.Errorf("target (-want +got):\n%s", diff)
			}
		})
	}
}

// TestDeepAndWide: far deeper than PATH_MAX allows a path to be, with few descriptors.
func TestDeepAndWide(t *testing.T) {
	const depth = 3000
	dir := t.TempDir()
	r, err := OpenRoot(dir, false)
	must(t, err)
	defer r.Close()
	s := newSink(r, SinkOptions{}, 128)
	defer s.Close()
	base, err := s.Resolve(Target{Tops: 1})
	must(t, err)
	before := openFDs()
	chain := []*Dir{base.Dir}
	for i := range depth {
		d, err := s.Mkdir(chain[i], fmt.Sprintf("d%d", i))
		must(t, err)
		chain = append(chain, d)
	}
	must(t, s.PutFile(filePut(chain[depth], "deep", "x"), []byte("x")))
	must(t, s.PutFile(filePut(chain[10], "up", "x"), []byte("x")))
	if n := openFDs() - before; n > 132 {
		t.Errorf("%d descriptors for 128 handles", n)
	}
	for i := depth; i > 0; i-- {
		must(t, s.FinishDir(chain[i], Meta{Mode: 0o755, MtimeSec: int64(i)}))
	}
	checkDeep(t, dir, depth)
}

// checkDeep walks the chain with a source of few descriptors, and removes it.
func checkDeep(t *testing.T, dir string, depth int) {
	src, err := openSource([]string{dir + "/."}, SourceOptions{Problem: func(p string, err error) { t.Errorf("%.50s: %v", p, err) }}, 128, 8)
	must(t, err)
	defer src.Close()
	var found []string
	dirs, ends := 0, 0
	for _, e := range walkAll(t, src) {
		switch e.Kind {
		case KindDir:
			dirs++
		case KindDirEnd:
			ends++
		case KindSymlink:
			t.Errorf("a symlink %s", e.Name)
		case KindFile:
			p := make([]byte, e.Size)
			must(t, src.ReadFile(e, p))
			found = append(found, e.Name+" "+string(p))
			if path := src.Path(e); !strings.HasSuffix(path, "/"+e.Name) || e.Name == "deep" && len(path) < 4*depth {
				t.Errorf("path of %d bytes to %s", len(path), e.Name)
			}
		}
	}
	if dirs != depth || ends != depth || len(found) != 2 {
		t.Errorf("%d directories, %d ends, files %q", dirs, ends, found)
	}
}

func TestADirectoryPutInAnothersPlaceIsNotEntered(t *testing.T) {
	dir := t.TempDir()
	s := begin(t, dir, SinkOptions{})
	d := s.mustMkdir(t, s.base.Dir, "d")
	s.mustPut(t, d, "f", "x")
	s.h.mu.Lock()
	s.h.evict(0)
	s.h.mu.Unlock()
	must(t, os.Rename(filepath.Join(dir, "d"), filepath.Join(dir, "was d")))
	must(t, os.Mkdir(filepath.Join(dir, "d"), 0o755))
	if err := s.PutFile(filePut(d, "g", "x"), []byte("x")); !errors.Is(err, ErrChanged) {
		t.Errorf("into another directory: %v", err)
	}
}

// TestLinksSwappedInNeverLeadOutside: somebody exchanges a directory and a
// link to the outside as fast as they can.
func TestLinksSwappedInNeverLeadOutside(t *testing.T) { bothWays(t, linksSwappedIn) }

func linksSwappedIn(t *testing.T, walks bool) {
	dir, outside := t.TempDir(), t.TempDir()
	plant(t, dir, map[string]string{"a/b/": "", "swap": "-> " + outside})
	plant(t, outside, map[string]string{"b/": ""})
	stop := make(chan struct{})
	var swapper sync.WaitGroup
	a, swap := filepath.Join(dir, "a"), filepath.Join(dir, "swap")
	swapper.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, swap, unix.RENAME_EXCHANGE)
			}
		}
	})
	r, err := OpenRoot(dir, false)
	must(t, err)
	defer r.Close()
	r.walks = walks
	var in, out int
	for range 2000 {
		s := newSink(r, SinkOptions{}, 2)
		if err := putInto(s, Target{Path: "a/b/", Tops: 1}); err == nil {
			in++
		} else {
			out++
		}
		must(t, s.Close())
	}
	close(stop)
	swapper.Wait()
	if diff := cmp.Diff(map[string]string{"b/": ""}, picture(t, outside)); diff != "" {
		t.Errorf("outside (-want +got):\n%s", diff)
	}
	if in == 0 || out == 0 {
		t.Errorf("%d times inside, %d refused: the swap was not met", in, out)
	}
}

func putInto(s *Sink, to Target) error {
	b, err := s.Resolve(to)
	if err != nil {
		return err
	}
	if err := s.PutFile(filePut(b.Dir, "f", "x"), []byte("x")); err != nil {
		return err
	}
	d, err := s.Mkdir(b.Dir, "sub")
	if err != nil {
		return err
	}
	return s.PutFile(filePut(d, "f", "x"), []byte("x"))
}

func TestFullFileSystem(t *testing.T) {
	dir := t.TempDir()
	err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k,nr_inodes=64")
	if !root() {
		if !errors.Is(err, unix.EPERM) {
			t.Errorf("mount without rights: %v", err)
		}
		return
	}
	must(t, err)
	t.Cleanup(func() { must(t, unix.Unmount(dir, 0)) })
	big := strings.Repeat("x", 1<<20)
	for name, how := range methods() {
		t.Run(name, func(t *testing.T) {
			s := begin(t, dir, SinkOptions{})
			s.use(t, how)
			err := s.PutFile(filePut(s.base.Dir, "big", big), []byte(big))
			if !errors.Is(err, unix.ENOSPC) || !Fatal(err) || !strings.HasPrefix(err.Error(), "put big: no space") {
				t.Errorf("put: %v", err)
			}
			f, err := s.CreateFile(filePut(s.base.Dir, "big", big))
			must(t, err)
			defer f.Discard()
			if err := f.WriteAt([]byte(big), 0); !Fatal(err) {
				t.Errorf("write: %v", err)
			}
		})
	}
	if tree := picture(t, dir); len(tree) != 0 {
		t.Errorf("left in %v", tree)
	}
}

func TestFatal(t *testing.T) {
	for _, err := range []error{unix.ENOSPC, unix.EDQUOT, unix.EROFS, unix.EIO} {
		if !Fatal(fmt.Errorf("put x: %w", err)) {
			t.Errorf("%v is not fatal", err)
		}
	}
	for _, err := range []error{unix.EACCES, unix.EISDIR, ErrChanged, nil} {
		if Fatal(err) {
			t.Errorf("%v is fatal", err)
		}
	}
}

func TestDescriptorsRunOut(t *testing.T) {
	dir := t.TempDir()
	s := begin(t, dir, SinkOptions{})
	var dirs []*Dir
	for i := range 50 {
		d := s.mustMkdir(t, s.base.Dir, fmt.Sprint(i))
		s.mustPut(t, d, "f", "x")
		dirs = append(dirs, d)
	}
	dirs = append([]*Dir{s.mustMkdir(t, s.base.Dir, "never opened yet")}, dirs...)
	var old unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &old))
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &old)
	// The highest descriptor in use plus one: no new one can be had.
	fd, err := unix.Dup(0)
	must(t, err)
	closeQuietly(fd)
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(fd), Max: old.Max}))
	for _, d := range dirs {
		if err := s.PutFile(filePut(d, "g", "x"), []byte("x")); err != nil {
			t.Error(err)
		}
	}
	unix.Setrlimit(unix.RLIMIT_NOFILE, &old)
}
