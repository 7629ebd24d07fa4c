package localfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// mustLook finds a file that is there.
func (s *session) mustLook(t *testing.T, p Put) Found {
	t.Helper()
	f, ok, err := s.Look(p)
	if !ok || err != nil {
		t.Fatalf("look %s: %v, %v", p.Name, ok, err)
	}
	return f
}

func TestLookFindsRegularFilesOnly(t *testing.T) {
	s := begin(t, t.TempDir(), SinkOptions{})
	plant(t, s.dir, map[string]string{"file": "text", "dir/": "", "link": "-> file", "dangling": "-> nowhere"})
	must(t, unix.Mkfifo(filepath.Join(s.dir, "fifo"), 0o600))
	must(t, os.Chtimes(filepath.Join(s.dir, "file"), time.Time{}, time.Unix(1e9, 7)))
	st := lstatOf(t, s.dir, "file")
	want := Found{
		ID: FileID{Dev: st.Dev, Ino: st.Ino}, Size: 4, MtimeSec: 1e9, MtimeNsec: 7,
		CtimeSec: st.Ctim.Sec, CtimeNsec: uint32(st.Ctim.Nsec),
	}
	if diff := cmp.Diff(want, s.mustLook(t, filePut(s.base.Dir, "file", ""))); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
	for _, name := range []string{"dir", "link", "dangling", "fifo", "nothing"} {
		if f, ok, err := s.Look(filePut(s.base.Dir, name, "")); ok || err != nil {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
	}
}

func TestNobodyLooksIntoANewDirectory(t *testing.T) {
	s := begin(t, t.TempDir(), SinkOptions{})
	plant(t, s.dir, map[string]string{"old/": ""})
	for name, made := range map[string]bool{"new": true, "old": false} {
		d := s.mustMkdir(t, s.base.Dir, name)
		s.mustPut(t, d, "f", "text")
		if _, ok, err := s.Look(filePut(d, "f", "text")); d.Made() != made || ok == made || err != nil {
			t.Errorf("%s: made %v, found %v, %v", name, d.Made(), ok, err)
		}
		if again := s.mustMkdir(t, s.base.Dir, name); again.Made() {
			t.Errorf("%s: made twice", name)
		}
		id, err := s.DirID(d)
		if st := lstatOf(t, s.dir, name); err != nil || id != (FileID{Dev: st.Dev, Ino: st.Ino}) {
			t.Errorf("%s: inode %+v, %v", name, id, err)
		}
	}
	if s.base.Dir.Made() {
		t.Error("the target was made by this session")
	}
}

func TestSettleGivesMetadataAndNoByte(t *testing.T) {
	for _, mode := range []os.FileMode{0o644, 0o600, 0o444, 0o200, 0} {
		for _, want := range []uint32{0o640, 0, 0o200, 0o444} {
			s := begin(t, t.TempDir(), SinkOptions{})
			plant(t, s.dir, map[string]string{"f": "text"})
			must(t, os.Chmod(filepath.Join(s.dir, "f"), mode))
			p := filePut(s.base.Dir, "f", "text")
			p.Meta.Mode = want
			f := s.mustLook(t, p)
			must(t, s.Settle(p, f))
			st := lstatOf(t, s.dir, "f")
			if st.Ino != f.ID.Ino || st.Mode&0o7777 != want || st.Mtim.Sec != 1e9 || st.Mtim.Nsec != 5 {
				t.Errorf("%v to %v: inode %d for %d, mode %o, mtime %v", mode, want, st.Ino, f.ID.Ino, st.Mode, st.Mtim)
			}
			if s.Dropped() != (Dropped{}) {
				t.Errorf("dropped %+v", s.Dropped())
			}
			must(t, os.Chmod(filepath.Join(s.dir, "f"), 0o600))
			if b, err := os.ReadFile(filepath.Join(s.dir, "f")); err != nil || string(b) != "text" {
				t.Errorf("contents %q, %v", b, err)
			}
		}
	}
}

func TestWhatIsRightAlreadyIsNotTouched(t *testing.T) {
	s := begin(t, t.TempDir(), SinkOptions{})
	s.mustPut(t, s.base.Dir, "f", "text")
	p := filePut(s.base.Dir, "f", "text")
	f := s.mustLook(t, p)
	for range 2 {
		must(t, s.Settle(p, f)) // its ctime stays, so that f still is it
	}
	if now := s.mustLook(t, p); now != f {
		t.Errorf("%+v, was %+v", now, f)
	}
	p.Meta.User, p.Meta.Xattrs = "somebody", []Xattr{{Name: "user.a", Value: []byte("1")}}
	must(t, s.Settle(p, f))
	if got, want := s.Dropped(), (Dropped{Owner: 1, Xattr: 1}); got != want {
		t.Errorf("dropped %+v, want %+v", got, want)
	}
}

func TestSettleKeepsAttributesOfAFileThatDeniesWriting(t *testing.T) {
	s := begin(t, t.TempDir(), SinkOptions{Xattr: true})
	plant(t, s.dir, map[string]string{"f": "text"})
	must(t, os.Chmod(filepath.Join(s.dir, "f"), 0o444))
	p := filePut(s.base.Dir, "f", "text")
	p.Meta.Mode, p.Meta.Xattrs = 0o444, []Xattr{{Name: "user.one", Value: []byte("1")}}
	must(t, s.Settle(p, s.mustLook(t, p)))
	if diff := cmp.Diff(p.Meta.Xattrs, xattrsOf(t, filepath.Join(s.dir, "f"))); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	if st := lstatOf(t, s.dir, "f"); st.Mode&0o7777 != 0o444 || s.Dropped() != (Dropped{}) {
		t.Errorf("mode %o, dropped %+v", st.Mode, s.Dropped())
	}
}

func TestLaterNamesAreLinkedToASettledFile(t *testing.T) {
	for _, right := range []bool{true, false} {
		s := begin(t, t.TempDir(), SinkOptions{})
		s.mustPut(t, s.base.Dir, "a", "text")
		p := groupPut(s.base.Dir, "a", "text", 1, false)
		if !right {
			p.Meta.Mode = 0o600
		}
		must(t, s.Settle(p, s.mustLook(t, p)))
		s.mustLink(t, s.base.Dir, "b", 1, true)
		if a, b := lstatOf(t, s.dir, "a"), lstatOf(t, s.dir, "b"); a.Ino != b.Ino {
			t.Error("another file")
		}
	}
}

// changes make another file of the one that was found.
func changes() map[string]func(t *testing.T, path string) error {
	return map[string]func(t *testing.T, path string) error{
		"gone":                          func(_ *testing.T, path string) error { return os.Remove(path) },
		"replaced":                      replaceBy("text"),
		"longer":                        func(_ *testing.T, path string) error { return os.Truncate(path, 5) },
		"rewritten, its mtime set back": rewriteHidden,
		"a link to it": func(_ *testing.T, path string) error {
			return errors.Join(os.Rename(path, path+"2"), os.Symlink("f2", path))
		},
		"a fifo": func(_ *testing.T, path string) error { return errors.Join(os.Remove(path), unix.Mkfifo(path, 0o644)) },
		"a directory": func(_ *testing.T, path string) error {
			return errors.Join(os.Remove(path), os.Mkdir(path, 0o755))
		},
	}
}

func TestWhatChangedSinceItWasFoundIsSeen(t *testing.T) {
	for name, change := range changes() {
		t.Run(name, func(t *testing.T) {
			s := begin(t, t.TempDir(), SinkOptions{})
			s.mustPut(t, s.base.Dir, "f", "text")
			p := filePut(s.base.Dir, "f", "text")
			f := s.mustLook(t, p)
			open, err := s.OpenFound(p, f)
			must(t, err)
			must(t, open.Verify())
			later(t, filepath.Join(s.dir, "f"))
			f2 := s.mustLook(t, p)
			must(t, change(t, filepath.Join(s.dir, "f")))
			before := picture(t, s.dir)
			p.Meta.Mode = 0o600
			if err := s.Settle(p, f2); !errors.Is(err, ErrChanged) {
				t.Errorf("settled: %v", err)
			}
			// As it should be already, as far as its metadata tell.
			st := lstatOf(t, s.dir)
			if name != "gone" {
				st = lstatOf(t, s.dir, "f")
			}
			q := p
			q.Meta.Mode, q.Meta.MtimeSec, q.Meta.MtimeNsec = st.Mode&0o7777, st.Mtim.Sec, uint32(st.Mtim.Nsec)
			if err := s.Settle(q, f2); !errors.Is(err, ErrChanged) {
				t.Errorf("settled as it is: %v", err)
			}
			if again, err := s.OpenFound(p, f2); !errors.Is(err, ErrChanged) {
				t.Errorf("opened: %v, %v", again, err)
			}
			if name == "longer" || name == "rewritten, its mtime set back" {
				if err := open.Verify(); !errors.Is(err, ErrChanged) {
					t.Errorf("the open one is as it was: %v", err)
				}
			}
			must(t, open.Close())
			if diff := cmp.Diff(before, picture(t, s.dir)); diff != "" {
				t.Errorf("target (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFoundFilesAreRead(t *testing.T) {
	s := begin(t, t.TempDir(), SinkOptions{})
	path := filepath.Join(s.dir, "f")
	must(t, os.WriteFile(path, []byte("begin"), 0o644))
	must(t, os.Truncate(path, 1<<20))
	p := Put{Dir: s.base.Dir, Name: "f", Size: 1 << 20}
	f, err := s.OpenFound(p, s.mustLook(t, p))
	must(t, err)
	defer f.Close()
	got := make([]byte, 5)
	must(t, f.ReadAt(got, 0))
	if string(got) != "begin" {
		t.Errorf("read %q", got)
	}
	if err := f.ReadAt(got, 1<<20-4); !errors.Is(err, ErrChanged) {
		t.Errorf("beyond the end: %v", err)
	}
	if start, end, err := f.NextData(1 << 19); start != 1<<20 || end != 1<<20 || err != nil {
		t.Errorf("data from %d to %d, %v", start, end, err)
	}
	if _, err := s.OpenFound(filePut(s.base.Dir, "none", ""), Found{}); !errors.Is(err, ErrChanged) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing there: %v", err)
	}
}
