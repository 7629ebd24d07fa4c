package localfs

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// oneFile is a source of a single file with text in it.
func oneFile(t *testing.T, dir, text string) (s *Source, e *Entry, path string) {
	t.Helper()
	path = filepath.Join(dir, "file")
	must(t, os.WriteFile(path, []byte(text), 0o644))
	s, err := OpenSource([]string{path}, SourceOptions{})
	must(t, err)
	t.Cleanup(func() { s.Close() })
	e, err = s.Next()
	must(t, err)
	return s, e, path
}

// later sets a file's mtime away from what any test sees as now, since two
// changes within one tick of the clock look alike.
func later(t *testing.T, path string) {
	t.Helper()
	must(t, unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{{Sec: 1}, {Sec: 2}}, 0))
}

func TestAChangeBeforeReadingIsSeen(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(t *testing.T, path string) error
		want   error // of opening and reading
		gone   bool  // for Restat too
		size   int64
	}{
		"shrinks":                             {func(_ *testing.T, p string) error { return os.Truncate(p, 3) }, ErrChanged, false, 3},
		"grows":                               {func(_ *testing.T, p string) error { return os.Truncate(p, 30) }, ErrChanged, false, 30},
		"is rewritten at equal size":          {func(t *testing.T, p string) error { defer later(t, p); return os.WriteFile(p, []byte("54321"), 0) }, ErrChanged, false, 5},
		"is rewritten and its mtime put back": {rewriteHidden, ErrChanged, false, 5},
		"is replaced by its equal":            {replaceBy("12345"), ErrChanged, false, 5},
		"vanishes":                            {func(_ *testing.T, p string) error { return os.Remove(p) }, fs.ErrNotExist, true, 0},
		"becomes a link":                      {func(_ *testing.T, p string) error { os.Rename(p, p+"2"); return os.Symlink(p+"2", p) }, ErrChanged, true, 0},
		"becomes a fifo":                      {func(_ *testing.T, p string) error { os.Remove(p); return unix.Mkfifo(p, 0o600) }, ErrChanged, true, 0},
		"becomes a directory":                 {func(_ *testing.T, p string) error { os.Remove(p); return os.Mkdir(p, 0o700) }, ErrChanged, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s, e, path := oneFile(t, t.TempDir(), "12345")
			must(t, tt.change(t, path))
			if err := s.ReadFile(e, make([]byte, e.Size)); !errors.Is(err, tt.want) {
				t.Errorf("read: %v, want %v", err, tt.want)
			}
			if f, err := s.Open(e); !errors.Is(err, tt.want) {
				t.Errorf("open: %v, want %v", err, tt.want)
				if err == nil {
					f.Close()
				}
			}
			now, err := s.Restat(e)
			if (err != nil) != tt.gone {
				t.Fatalf("restat: %v", err)
			}
			if tt.gone {
				return
			}
			if now.Size != tt.size || now.Name != e.Name || s.Path(now) != path {
				t.Errorf("restat: %+v", now)
			}
			must(t, s.ReadFile(now, make([]byte, now.Size)))
		})
	}
}

func replaceBy(text string) func(*testing.T, string) error {
	return func(_ *testing.T, path string) error {
		if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
			return err
		}
		return os.Rename(path+".new", path)
	}
}

// rewriteHidden leaves the ctime as the only witness.
func rewriteHidden(t *testing.T, path string) error {
	before := lstatOf(t, path)
	eventually(t, "the clock that stamps files goes on", func() bool {
		must(t, os.WriteFile(path, []byte("54321"), 0))
		must(t, unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{before.Atim, before.Mtim}, 0))
		return lstatOf(t, path).Ctim != before.Ctim
	})
	return nil
}

func TestEveryPartOfAStampCounts(t *testing.T) {
	st := unix.Stat_t{Dev: 1, Ino: 2, Size: 3, Mtim: unix.Timespec{Sec: 4, Nsec: 5}, Ctim: unix.Timespec{Sec: 6, Nsec: 7}}
	stamp := stampOf(&st)
	if !stamp.is(&st) {
		t.Fatal("not equal to itself")
	}
	for name, change := range map[string]func(st *unix.Stat_t){
		"dev": func(st *unix.Stat_t) { st.Dev++ }, "ino": func(st *unix.Stat_t) { st.Ino++ }, "size": func(st *unix.Stat_t) { st.Size++ },
		"mtime": func(st *unix.Stat_t) { st.Mtim.Nsec++ }, "ctime": func(st *unix.Stat_t) { st.Ctim.Nsec++ },
	} {
		other := st
		change(&other)
		if stamp.is(&other) {
			t.Errorf("another %s is not seen", name)
		}
	}
}

func TestAChangeWhileRangesAreReadIsSeen(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"shrinks": func(p string) error { return os.Truncate(p, 3) },
		"grows":   func(p string) error { return os.Truncate(p, 6) },
	} {
		t.Run(name, func(t *testing.T) {
			s, e, path := oneFile(t, t.TempDir(), "12345")
			f, err := s.Open(e)
			must(t, err)
			defer f.Close()
			p := make([]byte, 2)
			must(t, f.ReadAt(p, 1))
			must(t, f.Verify())
			if string(p) != "23" {
				t.Errorf("read %q", p)
			}
			must(t, change(path))
			if err := f.ReadAt(make([]byte, 2), 3); name == "shrinks" && !errors.Is(err, ErrChanged) {
				t.Errorf("read beyond the end: %v", err)
			}
			if err := f.Verify(); !errors.Is(err, ErrChanged) {
				t.Errorf("verify: %v", err)
			}
			for _, r := range []struct{ off, n int64 }{{-1, 1}, {5, 1}, {0, 6}, {1 << 62, 1}} {
				if err := f.ReadAt(make([]byte, r.n), r.off); !errors.Is(err, unix.EINVAL) {
					t.Errorf("%d bytes at %d: %v", r.n, r.off, err)
				}
			}
		})
	}
}

func TestReadFileWantsTheRightRoom(t *testing.T) {
	s, e, _ := oneFile(t, t.TempDir(), "12345")
	for _, n := range []int{0, 4, 6} {
		if err := s.ReadFile(e, make([]byte, n)); !errors.Is(err, unix.EINVAL) {
			t.Errorf("room for %d: %v", n, err)
		}
	}
	if err := s.ReadFile(&Entry{Kind: KindFile}, nil); !errors.Is(err, unix.EINVAL) {
		t.Errorf("an entry of another source: %v", err)
	}
	if _, err := s.Restat(&Entry{Kind: KindFile}); !errors.Is(err, unix.EINVAL) {
		t.Errorf("an entry of another source: %v", err)
	}
}

func TestUnreadableFile(t *testing.T) {
	s, e, path := oneFile(t, t.TempDir(), "12345")
	must(t, os.Chmod(path, 0))
	later(t, path)
	e, err := s.Restat(e)
	must(t, err)
	err = s.ReadFile(e, make([]byte, 5))
	if root() && err != nil || !root() && !errors.Is(err, fs.ErrPermission) {
		t.Errorf("mode 0: %v", err)
	}
}

func TestHolesAreFound(t *testing.T) {
	for place, dir := range places(t) {
		t.Run(place, func(t *testing.T) {
			const mib = 1 << 20
			path := filepath.Join(dir, "holes")
			f, err := os.Create(path)
			must(t, err)
			for _, off := range []int64{4 * mib, 8 * mib} {
				_, err = f.WriteAt(bytes.Repeat([]byte("x"), mib), off)
				must(t, err)
			}
			must(t, f.Truncate(16*mib))
			must(t, f.Close())
			s, err := OpenSource([]string{path}, SourceOptions{})
			must(t, err)
			defer s.Close()
			e, err := s.Next()
			must(t, err)
			if !e.Sparse {
				t.Error("not called sparse")
			}
			src, err := s.Open(e)
			must(t, err)
			defer src.Close()
			var got [][2]int64
			for off := int64(0); off < e.Size; {
				start, end, err := src.NextData(off)
				must(t, err)
				got = append(got, [2]int64{start / mib, end / mib})
				off = end
			}
			if diff := cmp.Diff([][2]int64{{4, 5}, {8, 9}, {16, 16}}, got); diff != "" {
				t.Errorf("data, MiB (-want +got):\n%s", diff)
			}
			for _, off := range []int64{-1, e.Size, e.Size + 1} {
				if start, end, err := src.NextData(off); start != e.Size || end != e.Size || err != nil {
					t.Errorf("from %d: %d, %d, %v", off, start, end, err)
				}
			}
		})
	}
}

func TestDataEndsWhereTheFileEnded(t *testing.T) {
	s, e, path := oneFile(t, t.TempDir(), "12345")
	f, err := s.Open(e)
	must(t, err)
	defer f.Close()
	must(t, os.WriteFile(path, []byte("it has grown"), 0))
	if start, end, err := f.NextData(2); start != 2 || end != 5 || err != nil {
		t.Errorf("data from %d to %d, %v", start, end, err)
	}
}

func TestTooManyXattrsAreLeftOut(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	must(t, os.WriteFile(path, nil, 0o644))
	must(t, unix.Setxattr(path, "user.a", bytes.Repeat([]byte("a"), 3000), 0))
	r := xattrReader{path: path, buf: make([]byte, 100), list: unix.Llistxattr, get: unix.Lgetxattr}
	if _, err := r.all(); !errors.Is(err, errXattrs) {
		t.Errorf("more than there is room for: %v", err)
	}
	must(t, os.Symlink("f", filepath.Join(dir, "l")))
	for arg, follow := range map[string]bool{"f": false, "l": true} {
		s, err := OpenSource([]string{filepath.Join(dir, arg)}, SourceOptions{Xattrs: true, Follow: follow})
		must(t, err)
		e, err := s.Next()
		must(t, err)
		if len(e.Meta.Xattrs) != 1 || e.Meta.Xattrs[0].Name != "user.a" || len(e.Meta.Xattrs[0].Value) != 3000 {
			t.Errorf("%s: attributes %v", arg, e.Meta.Xattrs)
		}
		must(t, s.Close())
	}
}

func TestManyXattrsOnTmpfs(t *testing.T) {
	path := filepath.Join(places(t)["tmpfs"], "f")
	must(t, os.WriteFile(path, nil, 0o644))
	for i := range 3 {
		err := unix.Setxattr(path, "user."+strings.Repeat("n", i+1), make([]byte, 30000), 0)
		if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EOPNOTSUPP) {
			return // this tmpfs keeps fewer than the bound: nothing can be too many
		}
		must(t, err)
	}
	var p problems
	s, err := OpenSource([]string{path}, SourceOptions{Xattrs: true, Problem: p.add})
	must(t, err)
	defer s.Close()
	e, err := s.Next()
	must(t, err)
	if len(p) != 1 || e.Meta.Xattrs != nil || !strings.Contains(p[0], "64 KiB") {
		t.Errorf("problems %q, %d attributes", p, len(e.Meta.Xattrs))
	}
}
