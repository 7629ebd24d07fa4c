package localfs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// resolved is where a target leads: the directory's name and the entry's.
func resolved(t *testing.T, dir string, to Target) (b Base) {
	t.Helper()
	r, err := OpenRoot(dir, false)
	must(t, err)
	defer r.Close()
	s := r.Sink(SinkOptions{})
	defer s.Close()
	b, err = s.Resolve(to)
	must(t, err)
	b.Dir = nil
	return b
}

// beginTop is a session that begins the top directory top, and leaves it marked.
func beginTop(t *testing.T, dir, mark string) *session {
	t.Helper()
	s := beginAt(t, dir, SinkOptions{}, Target{Path: "top", Tops: 1})
	if s.base.Name != "top" {
		t.Fatalf("base %+v", s.base)
	}
	s.mustMkdir(t, s.base.Dir, "top")
	must(t, s.Mark(s.base.Dir, "top", []byte("older")))
	must(t, s.Mark(s.base.Dir, "top", []byte(mark)))
	return s
}

func TestADirectoryThatWasBegunIsTheEntry(t *testing.T) {
	into, entry := Base{Path: "top"}, Base{Path: "top", Name: "top"}
	asked := 0
	yes := func(id FileID, mark []byte) bool { asked++; return string(mark) == "mark" }
	no := func(FileID, []byte) bool { return false }
	for name, tt := range map[string]struct {
		to    Target
		want  Base
		asked int
	}{
		"marked":                  {Target{Path: "top", Tops: 1, Continues: yes}, entry, 1},
		"by another":              {Target{Path: "top", Tops: 1, Continues: no}, into, 0},
		"nobody to ask":           {Target{Path: "top", Tops: 1}, into, 0},
		"with a slash":            {Target{Path: "top/", Tops: 1, Continues: yes}, into, 0},
		"contents":                {Target{Path: "top", Contents: true, Continues: yes}, into, 0},
		"several":                 {Target{Path: "top", Tops: 2, Continues: yes}, into, 0},
		"exactly":                 {Target{Path: "top", Tops: 1, Exact: true, Continues: yes}, entry, 0},
		"the root":                {Target{Path: "", Tops: 1, Continues: yes}, Base{Path: "."}, 0},
		"through a link's parent": {Target{Path: "here/top", Tops: 1, Continues: yes}, Base{Path: "here/top", Name: "top"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			plant(t, dir, map[string]string{"here": "-> ."})
			s := beginTop(t, dir, "mark")
			asked = 0
			if diff := cmp.Diff(tt.want, resolved(t, dir, tt.to)); diff != "" || asked != tt.asked {
				t.Errorf("asked %d times, base (-want +got):\n%s", asked, diff)
			}
			s.Unmark(s.base.Dir, "top")
			s.Unmark(s.base.Dir, "top")
			if diff := cmp.Diff(map[string]string{"top/": "", "here": "-> ."}, picture(t, dir)); diff != "" {
				t.Errorf("target (-want +got):\n%s", diff)
			}
		})
	}
}

func TestContinuesIsToldOfTheDirectory(t *testing.T) {
	dir := t.TempDir()
	beginTop(t, dir, "mark")
	st := lstatOf(t, dir, "top")
	resolved(t, dir, Target{Path: "top", Tops: 1, Continues: func(id FileID, _ []byte) bool {
		if id != (FileID{Dev: st.Dev, Ino: st.Ino}) {
			t.Errorf("asked about %+v", id)
		}
		return true
	}})
}

func TestForgedMarksAreNotBelieved(t *testing.T) {
	forged := map[string]func(mark, top string) error{
		"none":            func(mark, _ string) error { return os.Remove(mark) },
		"a mode":          func(mark, _ string) error { return os.Chmod(mark, 0o644) },
		"a link":          func(mark, _ string) error { return errors.Join(os.Rename(mark, mark+"x"), os.Symlink(mark+"x", mark)) },
		"a hard link":     func(mark, _ string) error { return os.Link(mark, mark+"x") },
		"a fifo":          func(mark, _ string) error { return errors.Join(os.Remove(mark), unix.Mkfifo(mark, 0o600)) },
		"a directory":     func(mark, _ string) error { return errors.Join(os.Remove(mark), os.Mkdir(mark, 0o600)) },
		"a long one":      func(mark, _ string) error { return os.WriteFile(mark, make([]byte, maxMark+1), 0o600) },
		"a link as entry": func(_, top string) error { return errors.Join(os.Rename(top, top+"2"), os.Symlink("top2", top)) },
	}
	if root() {
		forged["of another user"] = func(mark, _ string) error { return os.Chown(mark, nobody, -1) }
	}
	for name, forge := range forged {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			beginTop(t, dir, "mark")
			must(t, forge(filepath.Join(dir, hiddenOf("top", markSuffix)), filepath.Join(dir, "top")))
			b := resolved(t, dir, Target{Path: "top", Tops: 1, Continues: func(FileID, []byte) bool {
				t.Error("asked")
				return true
			}})
			if b.Name != "" {
				t.Errorf("base %+v", b)
			}
		})
	}
}

func TestALongMarkIsTold(t *testing.T) {
	dir := t.TempDir()
	want := strings.Repeat("m", maxMark)
	beginTop(t, dir, want)
	resolved(t, dir, Target{Path: "top", Tops: 1, Continues: func(_ FileID, mark []byte) bool {
		if string(mark) != want {
			t.Errorf("%d bytes", len(mark))
		}
		return true
	}})
}

func TestTheSinkKnowsItsPlace(t *testing.T) {
	for place, dir := range places(t) {
		dir, err := filepath.EvalSymlinks(dir)
		must(t, err)
		s := beginAt(t, dir, SinkOptions{}, Target{Path: "a/b/", Tops: 1})
		if got := s.Path(); got != filepath.Join(dir, "a/b") {
			t.Errorf("%s: path %s", place, got)
		}
		var st unix.Statfs_t
		must(t, unix.Statfs(dir, &st))
		free, err := s.Free()
		if all := st.Blocks * uint64(st.Frsize); err != nil || free == 0 || free > all {
			t.Errorf("%s: %d bytes free of %d, %v", place, free, all, err)
		}
	}
	r, err := OpenRoot(t.TempDir(), false)
	must(t, err)
	defer r.Close()
	s := r.Sink(SinkOptions{})
	defer s.Close()
	if _, err := s.Free(); err == nil || s.Path() != "" {
		t.Errorf("without a target: %v, path %q", err, s.Path())
	}
}
