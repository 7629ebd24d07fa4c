package localfs

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

var _ PendingFile = (*pending)(nil)

func methods() map[string]method {
	m := map[string]method{"proc link": methodProcLink, "rename": methodRename}
	m["as found"] = methodUnknown
	return m
}

// everyWay runs a test for each file system and each way to name files.
func everyWay(t *testing.T, test func(t *testing.T, s *session)) {
	everyWayWith(t, SinkOptions{}, test)
}

// everyWayWith is everyWay with what a session was granted.
func everyWayWith(t *testing.T, o SinkOptions, test func(t *testing.T, s *session)) {
	for place, dir := range places(t) {
		for name, how := range methods() {
			t.Run(place+"/"+name, func(t *testing.T) {
				sub, err := os.MkdirTemp(dir, "way") //nolint:usetesting // in a file system of its own choice
				must(t, err)
				s := begin(t, sub, o)
				s.use(t, how)
				test(t, s)
			})
		}
	}
}

func TestPutFileTakesThePlaceOfWhatIsThere(t *testing.T) {
	everyWay(t, func(t *testing.T, s *session) {
		outside := filepath.Join(t.TempDir(), "outside")
		must(t, os.WriteFile(outside, []byte("untouched"), 0o644))
		plant(t, s.dir, map[string]string{
			"file": "old", "link": "-> " + outside, "dangling": "-> nowhere", "dir/keep": "k", "twin": "t",
		})
		must(t, os.Link(filepath.Join(s.dir, "twin"), filepath.Join(s.dir, "twin2")))
		must(t, unix.Mkfifo(filepath.Join(s.dir, "fifo"), 0o600))
		for _, name := range []string{"new", "file", "link", "dangling", "twin", "fifo"} {
			s.mustPut(t, s.base.Dir, name, "new "+name)
		}
		err := s.PutFile(filePut(s.base.Dir, "dir", "x"), []byte("x"))
		if !errors.Is(err, unix.EISDIR) || !strings.Contains(err.Error(), "put dir: directory where a file belongs") {
			t.Errorf("over a directory: %v", err)
		}
		want := map[string]string{
			"new": "new new", "file": "new file", "link": "new link", "dangling": "new dangling", "dir/": "", "dir/keep": "k",
			"twin": "new twin", "twin2": "t", "fifo": "new fifo",
		}
		if diff := cmp.Diff(want, picture(t, s.dir)); diff != "" {
			t.Errorf("target (-want +got):\n%s", diff)
		}
		if b, _ := os.ReadFile(outside); string(b) != "untouched" {
			t.Errorf("written through a link: %q", b)
		}
	})
}

func TestCommitTakesThePlaceOfADirectoryNever(t *testing.T) {
	everyWay(t, func(t *testing.T, s *session) {
		plant(t, s.dir, map[string]string{"dir/keep": "k"})
		f, err := s.CreateFile(filePut(s.base.Dir, "dir", "x"))
		must(t, err)
		must(t, f.WriteAt([]byte("x"), 0))
		if err := f.Commit(); !errors.Is(err, unix.EISDIR) {
			t.Errorf("commit over a directory: %v", err)
		}
		if diff := cmp.Diff(map[string]string{"dir/": "", "dir/keep": "k"}, picture(t, s.dir)); diff != "" {
			t.Errorf("target (-want +got):\n%s", diff)
		}
	})
}

func TestNamesOfAllKindsArrive(t *testing.T) {
	names := []string{
		"new\nline", "esc\x1b[31m", "inva\xff\xfelid", strings.Repeat("n", 255), "...", "-rf", " ", "\\",
		hiddenPrefix + "0123456789abcdef.1", ".scp_rdma.links", "~", "a:b", "*",
	}
	everyWay(t, func(t *testing.T, s *session) {
		want := map[string]string{}
		for range 2 { // the second time they are there
			for _, name := range names {
				s.mustPut(t, s.base.Dir, name, "text of "+name)
				want[name] = "text of " + name
			}
		}
		if diff := cmp.Diff(want, picture(t, s.dir)); diff != "" {
			t.Errorf("target (-want +got):\n%s", diff)
		}
	})
}

func TestNamesThatAreNoneAreRefused(t *testing.T) {
	// Should a check be missing one day, what is hit must be the test's own.
	top := t.TempDir()
	plant(t, top, map[string]string{"root/a/": "", "victim": "untouched"})
	defer func() {
		if diff := cmp.Diff(map[string]string{"root/": "", "root/a/": "", "root/first": "1", "victim": "untouched"}, visible(picture(t, top))); diff != "" {
			t.Errorf("around the root (-want +got):\n%s", diff)
		}
	}()
	s := begin(t, filepath.Join(top, "root"), SinkOptions{})
	for _, name := range []string{"", ".", "..", "a/", "a/b", "a/../../victim", "../victim", filepath.Join(top, "victim"), "a\x00b", strings.Repeat("n", 256)} {
		_, mkdirErr := s.Mkdir(s.base.Dir, name)
		_, createErr := s.CreateFile(filePut(s.base.Dir, name, ""))
		p := filePut(s.base.Dir, name, "x")
		p.Group = 1
		must(t, s.PutFile(groupPut(s.base.Dir, "first", "1", 1, false), []byte("1")))
		_, linkErr := s.Link(p)
		for what, err := range map[string]error{
			"PutFile": s.PutFile(p, []byte("x")), "CreateFile": createErr, "Mkdir": mkdirErr, "Link": linkErr,
			"Symlink": s.Symlink(s.base.Dir, name, "x", Meta{}),
		} {
			if !errors.Is(err, ErrName) {
				t.Errorf("%s(%q): %v", what, name, err)
			}
		}
	}
	if err := s.PutFile(Put{Name: "x"}, nil); !errors.Is(err, unix.EINVAL) {
		t.Errorf("without a directory: %v", err)
	}
}

func TestPiecesInAnyOrderFromSeveralGoroutines(t *testing.T) {
	everyWay(t, func(t *testing.T, s *session) {
		const pieces, size = 64, 1000
		want := make([]byte, pieces*size)
		for i := range want {
			want[i] = byte(i * 7 / 3)
		}
		f, err := s.CreateFile(Put{Dir: s.base.Dir, Name: "f", Size: int64(len(want)), Meta: Meta{Mode: 0o400, MtimeSec: 1, MtimeNsec: 999999999}})
		must(t, err)
		var wg sync.WaitGroup
		for i := range pieces {
			wg.Go(func() {
				at := (i * 37 % pieces) * size
				if err := f.WriteAt(want[at:at+size], int64(at)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if len(visible(picture(t, s.dir))) != 0 {
			t.Error("the name is there before the commit")
		}
		must(t, f.Commit())
		f.Discard() // changes nothing any more
		got, err := os.ReadFile(filepath.Join(s.dir, "f"))
		must(t, err)
		if !bytes.Equal(got, want) {
			t.Error("contents differ")
		}
		st, err := os.Stat(filepath.Join(s.dir, "f"))
		must(t, err)
		if st.Mode() != 0o400 || !st.ModTime().Equal(time.Unix(1, 999999999)) {
			t.Errorf("mode %v, mtime %v", st.Mode(), st.ModTime())
		}
		if err := f.Commit(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("second commit: %v", err)
		}
	})
}

// visible leaves out the hidden names that the rename method needs meanwhile.
func visible(tree map[string]string) map[string]string {
	for name := range tree {
		if strings.HasPrefix(name, hiddenPrefix) || strings.Contains(name, "/"+hiddenPrefix) {
			delete(tree, name)
		}
	}
	return tree
}

func TestDiscardLeavesNothing(t *testing.T) {
	everyWay(t, func(t *testing.T, s *session) {
		f, err := s.CreateFile(filePut(s.base.Dir, "f", "text"))
		must(t, err)
		must(t, f.WriteAt([]byte("te"), 0))
		f.Discard()
		f.Discard()
		if err := f.WriteAt([]byte("xt"), 2); err == nil {
			t.Error("written after Discard")
		}
		if tree := picture(t, s.dir); len(tree) != 0 {
			t.Errorf("left: %v", tree)
		}
	})
}

func TestWritesStayWithinTheSize(t *testing.T) {
	s := begin(t, t.TempDir(), SinkOptions{})
	f, err := s.CreateFile(filePut(s.base.Dir, "f", "12345678"))
	must(t, err)
	defer f.Discard()
	for _, w := range []struct{ off, n int64 }{{-1, 1}, {8, 1}, {7, 2}, {9, 0}, {1 << 62, 8}, {0, 9}, {-1 << 63, 1}} {
		if err := f.WriteAt(make([]byte, w.n), w.off); !errors.Is(err, unix.EINVAL) {
			t.Errorf("%d bytes at %d: %v", w.n, w.off, err)
		}
	}
	must(t, f.WriteAt([]byte("78"), 6))
	if f, err := s.CreateFile(Put{Dir: s.base.Dir, Name: "neg", Size: -2}); !errors.Is(err, unix.EINVAL) {
		t.Errorf("a file of -2 bytes: %v, %v", f, err)
	}
	if err := s.PutFile(Put{Dir: s.base.Dir, Name: "lie", Size: 3}, []byte("four")); !errors.Is(err, unix.EINVAL) {
		t.Errorf("four bytes for a file of three: %v", err)
	}
}

func TestHolesRemain(t *testing.T) {
	everyWay(t, func(t *testing.T, s *session) {
		const size = 64 << 20
		f, err := s.CreateFile(Put{Dir: s.base.Dir, Name: "holes", Size: size, Meta: Meta{Mode: 0o600}})
		must(t, err)
		must(t, f.WriteAt([]byte("end"), size-3))
		must(t, f.Commit())
		var st unix.Stat_t
		must(t, unix.Stat(filepath.Join(s.dir, "holes"), &st))
		if st.Size != size || st.Blocks*512 > 1<<20 {
			t.Errorf("%d bytes in %d blocks", st.Size, st.Blocks)
		}
	})
}

func TestMethodIsFoundByDoing(t *testing.T) {
	for place, dir := range places(t) {
		t.Run(place, func(t *testing.T) {
			s := begin(t, dir, SinkOptions{})
			s.mustPut(t, s.base.Dir, "f", "x")
			how := s.deviceOf(s.base.Dir).how
			if how != methodLink && how != methodProcLink {
				t.Errorf("method %d on a file system that has O_TMPFILE", how)
			}
		})
	}
}

// A file made with its own mode needs no chmod(2), unless umask(2) or a default ACL of
// the directory take something away.
func TestModesAreKeptWhateverNewFilesGet(t *testing.T) {
	modes := []uint32{0o644, 0o644, 0o600, 0o666, 0o666, 0o644, 0o000, 0o777, 0o755, 0o040, 0o755, 0o4755, 0o644}
	for name, prepare := range map[string]func(t *testing.T, dir string){
		"as it is": func(*testing.T, string) {},
		"umask 077": func(t *testing.T, _ string) {
			old := unix.Umask(0o077)
			t.Cleanup(func() { unix.Umask(old) })
		},
		"umask 0": func(t *testing.T, _ string) {
			old := unix.Umask(0)
			t.Cleanup(func() { unix.Umask(old) })
		},
		"a default ACL": func(t *testing.T, dir string) {
			// acl(5) as the kernel stores it: version 2; owner rwx, group r-x, others nothing.
			acl := []byte{2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 4, 0, 5, 0, 255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255}
			if err := unix.Setxattr(dir, "system.posix_acl_default", acl, 0); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			prepare(t, root)
			s := begin(t, root, SinkOptions{})
			for i, mode := range modes {
				p := Put{Dir: s.base.Dir, Name: strconv.Itoa(i), Size: 1, Meta: Meta{Mode: mode, MtimeSec: 5}}
				if err := s.PutFile(p, []byte("x")); err != nil {
					t.Fatal(err)
				}
				var st unix.Stat_t
				if err := unix.Stat(filepath.Join(root, p.Name), &st); err != nil {
					t.Fatal(err)
				}
				if got := st.Mode & 0o7777; got != mode&0o777 {
					t.Errorf("file %d: mode %o, want %o", i, got, mode)
				}
			}
		})
	}
}

// What has no size gets the one that is written to it, in whatever order.
func TestAFileOfNoKnownSize(t *testing.T) {
	everyWay(t, func(t *testing.T, s *session) {
		p := filePut(s.base.Dir, "f", "")
		p.Size = Unsized
		f, err := s.CreateFile(p)
		must(t, err)
		must(t, f.WriteAt([]byte("end"), 5))
		must(t, f.WriteAt([]byte("begin"), 0))
		if err := f.WriteAt([]byte("x"), -1); err == nil {
			t.Error("before its begin")
		}
		must(t, f.Commit())
		if b, err := os.ReadFile(filepath.Join(s.root.Path(), "f")); err != nil || string(b) != "beginend" {
			t.Errorf("%q %v", b, err)
		}
	})
}
