package localfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

var _ HalfFile = (*half)(nil)

// mustCreateHalf begins half a file and writes the first bytes of text.
func (s *session) mustCreateHalf(t *testing.T, name, text string, written int) HalfFile {
	t.Helper()
	h, err := s.CreateHalf(filePut(s.base.Dir, name, text))
	must(t, err)
	must(t, h.WriteAt([]byte(text[:written]), 0))
	return h
}

// leaveHalf leaves half a file with a journal, as a session that broke off does.
func (s *session) leaveHalf(t *testing.T, name, text string, written int, journal string) FileID {
	t.Helper()
	h := s.mustCreateHalf(t, name, text, written)
	must(t, h.Note([]byte(journal)))
	h.Keep()
	return h.ID()
}

func partOf(s *session, name string) string { return filepath.Join(s.dir, hiddenOf(name, partSuffix)) }
func journalOf(s *session, name string) string {
	return filepath.Join(s.dir, hiddenOf(name, journalSuffix))
}

// halfPlaces runs a test on each file system at hand, also one that can't punch holes.
func halfPlaces(t *testing.T, o SinkOptions, test func(t *testing.T, s *session)) {
	dirs := places(t)
	if onFuse(t) {
		dirs["fuse"] = mountFold(t)
	}
	for place, dir := range dirs {
		t.Run(place, func(t *testing.T) { test(t, begin(t, dir, o)) })
	}
}

func TestHalfAFileIsGoneOnFrom(t *testing.T) {
	const text = "the whole of it"
	name := strings.Repeat("n", 255)
	for _, fsync := range []bool{false, true} {
		halfPlaces(t, SinkOptions{Fsync: fsync}, func(t *testing.T, first *session) {
			h := first.mustCreateHalf(t, name, text, 3)
			must(t, h.Note([]byte("one ")))
			must(t, h.Note([]byte("two ")))
			id := h.ID()
			h.Keep()
			h.Discard() // a no-op now
			if _, ok := picture(t, first.dir)[name]; ok {
				t.Error("it has its name")
			}

			second := begin(t, first.dir, SinkOptions{Fsync: fsync})
			h, journal, err := second.OpenHalf(filePut(second.base.Dir, name, text))
			must(t, err)
			got := make([]byte, 3)
			must(t, h.ReadAt(got, 0))
			if h.ID() != id || string(journal) != "one two " || string(got) != text[:3] {
				t.Errorf("inode %v for %v, journal %q, data %q", h.ID(), id, journal, got)
			}
			must(t, h.Truncate(4))
			must(t, h.Note([]byte("three")))
			h.Keep()

			h, journal, err = second.OpenHalf(filePut(second.base.Dir, name, text))
			must(t, err)
			if string(journal) != "one three" {
				t.Errorf("journal %q", journal)
			}
			must(t, h.WriteAt([]byte(text[3:]), 3))
			must(t, h.Commit())
			h.Keep()
			h.Discard()
			if diff := cmp.Diff(map[string]string{name: text}, picture(t, first.dir)); diff != "" {
				t.Errorf("target (-want +got):\n%s", diff)
			}
			st, err := os.Stat(filepath.Join(first.dir, name))
			must(t, err)
			if st.Mode().Perm() != 0o644 || !st.ModTime().Equal(time.Unix(1e9, 5)) {
				t.Errorf("mode %v, mtime %v", st.Mode(), st.ModTime())
			}
			if err := h.Commit(); !errors.Is(err, os.ErrClosed) {
				t.Errorf("second commit: %v", err)
			}
			if err := h.Note(nil); !errors.Is(err, os.ErrClosed) {
				t.Errorf("note after the commit: %v", err)
			}
		})
	}
}

func TestWithoutANoteNothingIsKept(t *testing.T) {
	halfPlaces(t, SinkOptions{}, func(t *testing.T, s *session) {
		s.mustCreateHalf(t, "kept", "text", 2).Keep()
		h := s.mustCreateHalf(t, "discarded", "text", 2)
		must(t, h.Note([]byte("x")))
		h.Discard()
		h.Keep()
		if tree := picture(t, s.dir); len(tree) != 0 {
			t.Errorf("left: %v", tree)
		}
		for _, name := range []string{"kept", "discarded", "never"} {
			if _, _, err := s.OpenHalf(filePut(s.base.Dir, name, "text")); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrUnsafe) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestHalfAFileIsOneSessionsAtATime(t *testing.T) {
	halfPlaces(t, SinkOptions{}, func(t *testing.T, first *session) {
		second := begin(t, first.dir, SinkOptions{})
		inUse := func(when string) {
			t.Helper()
			_, _, openErr := second.OpenHalf(filePut(second.base.Dir, "f", "text"))
			_, createErr := second.CreateHalf(filePut(second.base.Dir, "f", "text"))
			for what, err := range map[string]error{"open": openErr, "create": createErr} {
				if !errors.Is(err, ErrInUse) || errors.Is(err, ErrUnsafe) {
					t.Errorf("%s: %s: %v", when, what, err)
				}
			}
		}
		h := first.mustCreateHalf(t, "f", "text", 4)
		inUse("without a journal")
		must(t, h.Note([]byte("j")))
		inUse("with one")
		h.Keep()

		h, _, err := second.OpenHalf(filePut(second.base.Dir, "f", "text"))
		must(t, err)
		first, second = second, first
		inUse("opened again")
		// So a session looks that is just about to give it its name.
		for _, mode := range []os.FileMode{0o644, 0o400, 0o200} {
			must(t, os.Chmod(partOf(first, "f"), mode))
			inUse("with its mode " + mode.String())
		}
		must(t, os.Link(partOf(first, "f"), filepath.Join(first.dir, "link")))
		inUse("with its link")
		must(t, h.Commit())
		if _, _, err := second.OpenHalf(filePut(second.base.Dir, "f", "text")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("after the commit: %v", err)
		}
		second.mustCreateHalf(t, "f", "text", 1).Discard()
		if diff := cmp.Diff(map[string]string{"f": "text", "link": "text"}, picture(t, first.dir)); diff != "" {
			t.Errorf("target (-want +got):\n%s", diff)
		}
	})
}

func TestALeftoverNobodyAskedForIsReplaced(t *testing.T) {
	halfPlaces(t, SinkOptions{}, func(t *testing.T, s *session) {
		old := s.leaveHalf(t, "f", "text", 4, "journal of the old one")
		// Held open, so that no new file gets its number.
		hold, err := os.Open(partOf(s, "f"))
		must(t, err)
		defer hold.Close()
		h := s.mustCreateHalf(t, "f", "tex", 0)
		if h.ID() == old {
			t.Error("it is the old one")
		}
		must(t, h.Note([]byte("new")))
		h.Keep()
		h, journal, err := s.OpenHalf(filePut(s.base.Dir, "f", "tex"))
		must(t, err)
		if string(journal) != "new" {
			t.Errorf("journal %q", journal)
		}
		got := make([]byte, 3)
		must(t, h.ReadAt(got, 0))
		if string(got) != "\x00\x00\x00" {
			t.Errorf("data %q", got)
		}
		h.Discard()
	})
}

// A journal may be left alone, by a session that was killed behind its file's rename.
func TestAJournalWithoutItsFileIsNobodys(t *testing.T) {
	s := begin(t, t.TempDir(), SinkOptions{})
	s.leaveHalf(t, "f", "text", 4, "old")
	must(t, os.Remove(partOf(s, "f")))
	if _, _, err := s.OpenHalf(filePut(s.base.Dir, "f", "text")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open: %v", err)
	}
	h := s.mustCreateHalf(t, "f", "text", 4)
	must(t, h.Commit())
	if diff := cmp.Diff(map[string]string{"f": "text"}, picture(t, s.dir)); diff != "" {
		t.Errorf("target (-want +got):\n%s", diff)
	}
}

func TestHalvesAreBoundedToo(t *testing.T) {
	s := begin(t, t.TempDir(), SinkOptions{})
	h := s.mustCreateHalf(t, "f", "12345678", 8)
	defer h.Discard()
	for _, w := range []struct{ off, n int64 }{{-1, 1}, {8, 1}, {7, 2}, {9, 0}, {1 << 62, 8}, {0, 9}} {
		if err := h.WriteAt(make([]byte, w.n), w.off); !errors.Is(err, unix.EINVAL) {
			t.Errorf("%d bytes at %d: %v", w.n, w.off, err)
		}
		if err := h.Hole(w.off, w.n); !errors.Is(err, unix.EINVAL) {
			t.Errorf("hole of %d bytes at %d: %v", w.n, w.off, err)
		}
	}
	for _, p := range []Put{
		{Dir: s.base.Dir, Name: "g", Size: -1}, {Dir: s.base.Dir, Name: "g", Meta: Meta{MtimeNsec: 1e9}}, {Name: "g"},
	} {
		if _, err := s.CreateHalf(p); !errors.Is(err, unix.EINVAL) {
			t.Errorf("%+v: %v", p, err)
		}
	}
}

func TestHolesArePunchedIntoWhatWasWritten(t *testing.T) {
	const size, from, to = 4 << 20, 1<<20 + 100, 3 << 20
	text := strings.Repeat("0123456789abcdef", size/16)
	halfPlaces(t, SinkOptions{}, func(t *testing.T, s *session) {
		s.leaveHalf(t, "f", text, size, "j")
		h, _, err := s.OpenHalf(filePut(s.base.Dir, "f", text))
		must(t, err)
		must(t, h.Reload())
		punches := !strings.HasSuffix(t.Name(), "/fuse")
		must(t, h.Hole(from, to-from))
		must(t, h.Hole(0, 0))
		must(t, h.Reload())
		after := lstatOf(t, partOf(s, "f"))
		if after.Size != size || punches && after.Blocks*512 > size/2+1<<18 {
			t.Errorf("%d bytes in %d blocks", after.Size, after.Blocks)
		}
		if start, end, err := h.NextData(from + 4096); punches && (err != nil || start != to || end != size) {
			t.Errorf("data from %d to %d, %v", start, end, err)
		}
		got := make([]byte, size)
		must(t, h.ReadAt(got, 0))
		if want := text[:from] + strings.Repeat("\x00", to-from) + text[to:]; string(got) != want {
			t.Error("contents differ")
		}
		must(t, h.Commit())
	})
}

func TestHalvesAreOfTheirGroup(t *testing.T) {
	s := begin(t, t.TempDir(), SinkOptions{})
	plant(t, s.dir, map[string]string{"dir/": ""})
	for _, name := range []string{"a", "again"} {
		h, err := s.CreateHalf(groupPut(s.base.Dir, name, "", 1, false))
		must(t, err)
		must(t, h.Note([]byte("j")))
		must(t, h.Commit())
	}
	s.mustLink(t, s.base.Dir, "b", 1, true)
	if a, b := lstatOf(t, s.dir, "again"), lstatOf(t, s.dir, "b"); a.Ino != b.Ino || a.Nlink != 2 {
		t.Errorf("inodes %d and %d, %d names", a.Ino, b.Ino, a.Nlink)
	}
	h, err := s.CreateHalf(groupPut(s.base.Dir, "dir", "", 2, false))
	must(t, err)
	must(t, h.Note([]byte("j")))
	if err := h.Commit(); !errors.Is(err, unix.EISDIR) || !strings.Contains(err.Error(), "put dir: directory where a file belongs") {
		t.Errorf("onto a directory: %v", err)
	}
	if ok, err := s.Link(groupPut(s.base.Dir, "c", "", 2, false)); ok || err != nil {
		t.Errorf("link to what was never named: %v, %v", ok, err)
	}
	if diff := cmp.Diff(map[string]string{"a": "", "again": "", "b": "", "dir/": ""}, visibleAnd(t, s)); diff != "" {
		t.Errorf("target (-want +got):\n%s", diff)
	}
}

// visibleAnd is what is in the target without the session's own hidden names.
func visibleAnd(t *testing.T, s *session) map[string]string {
	t.Helper()
	tree := picture(t, s.dir)
	for name := range tree {
		if strings.HasPrefix(name, s.hidden) {
			delete(tree, name)
		}
	}
	return tree
}

// With Fsync the disk has the data before the journal tells of them.
func TestTheJournalComesBehindTheData(t *testing.T) {
	if !onFuse(t) {
		return
	}
	for _, on := range []bool{false, true} {
		f := &foldFS{}
		s := begin(t, mountFoldFS(t, f), SinkOptions{Fsync: on})
		h := s.mustCreateHalf(t, "f", "text", 2)
		must(t, h.Note([]byte("123456")))
		must(t, h.WriteAt([]byte("xt"), 2))
		must(t, h.Note([]byte("789")))
		must(t, h.Commit())
		want := []string{"rename to f"}
		if on {
			want = []string{"fsync file of 4", "fsync file of 6", "fsync file of 4", "fsync file of 9", "fsync file of 4", "rename to f"}
		}
		f.mu.Lock()
		if diff := cmp.Diff(want, f.ops); diff != "" {
			t.Errorf("Fsync %v (-want +got):\n%s", on, diff)
		}
		f.mu.Unlock()
	}
}

// An ordinary file in pieces can be read back as well.
func TestPendingFilesAreReadBack(t *testing.T) {
	everyWay(t, func(t *testing.T, s *session) {
		f, err := s.CreateFile(filePut(s.base.Dir, "f", "12345678"))
		must(t, err)
		defer f.Discard()
		must(t, f.WriteAt([]byte("45"), 3))
		must(t, f.Hole(5, 3))
		must(t, f.Reload())
		got := make([]byte, 8)
		must(t, f.ReadAt(got, 0))
		if string(got) != "\x00\x00\x0045\x00\x00\x00" {
			t.Errorf("read %q", got)
		}
		if err := f.ReadAt(got, 1); err == nil {
			t.Error("read beyond the end")
		}
		if err := f.Hole(5, 4); !errors.Is(err, unix.EINVAL) {
			t.Errorf("hole beyond the end: %v", err)
		}
	})
}
