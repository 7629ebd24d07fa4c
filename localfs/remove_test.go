package localfs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRemoveLeavesWhatIsKeptAndWhatIsOurs(t *testing.T) {
	for _, dir := range places(t) {
		outside := t.TempDir()
		plant(t, outside, map[string]string{"file": "x"})
		part := ".scp_rdma." + strings.Repeat("a", hashDigits) + partSuffix
		plant(t, dir, map[string]string{
			"d/gone/a": "", "d/gone/b/c": "", "d/gone/link": "-> " + outside, "d/kept/a": "", "d/kept/sub/keep": "",
			"d/ours/" + part: "", "d/ours/x": "", "d/file": "",
		})
		must(t, os.Chmod(filepath.Join(dir, "d/gone/b"), 0o500))
		s := begin(t, dir, SinkOptions{})
		d := s.mustMkdir(t, s.base.Dir, "d")
		list, err := s.List(d)
		must(t, err)
		if len(list) != 4 {
			t.Errorf("it has %v", list)
		}
		r := Removal{Left: 1000, Keep: func(path string, _ bool) bool { return strings.HasSuffix(path, "keep") }}
		for _, l := range list {
			must(t, s.Remove(d, l.Name, &r))
		}
		if r.Gone != 8 || r.Left != 992 {
			t.Errorf("%+v", r)
		}
		for path, want := range map[string]bool{"gone": false, "file": false, "kept/sub/keep": true, "kept/a": false, "ours/" + part: true, "ours/x": false} {
			if _, err := os.Lstat(filepath.Join(dir, "d", path)); (err == nil) != want {
				t.Errorf("%s: %v", path, err)
			}
		}
		if _, err := os.Stat(filepath.Join(outside, "file")); err != nil {
			t.Error("a link was followed: ", err)
		}
		r.Left = 0
		if err := s.Remove(d, "ours", &Removal{}); err != nil {
			t.Error(err) // it is not empty
		}
		if err := s.Remove(d, "kept", &Removal{}); !errors.Is(err, ErrEnough) {
			t.Errorf("more than may go: %v", err)
		}
	}
}

// A directory that was finished is opened again only if nothing has come in its place.
func TestReopenOpensTheSameDirectoryOrNone(t *testing.T) {
	dir := t.TempDir()
	s := begin(t, dir, SinkOptions{})
	a := s.mustMkdir(t, s.base.Dir, "a")
	b := s.mustMkdir(t, a, "b")
	id, err := s.DirID(b)
	must(t, err)
	must(t, s.FinishDir(b, Meta{Mode: 0o755}))
	must(t, s.FinishDir(a, Meta{Mode: 0o755}))
	if _, err := s.Reopen(s.base.Dir, []string{"a", "b"}, id); err != nil {
		t.Error(err)
	}
	must(t, os.Rename(filepath.Join(dir, "a/b"), filepath.Join(dir, "was")))
	if _, err := s.Reopen(s.base.Dir, []string{"a", "b"}, id); err == nil {
		t.Error("it is gone")
	}
	must(t, os.Symlink("../was", filepath.Join(dir, "a/b")))
	if _, err := s.Reopen(s.base.Dir, []string{"a", "b"}, id); err == nil {
		t.Error("a link was followed")
	}
	must(t, os.Remove(filepath.Join(dir, "a/b")))
	must(t, os.Mkdir(filepath.Join(dir, "a/b"), 0o755))
	if _, err := s.Reopen(s.base.Dir, []string{"a", "b"}, id); !errors.Is(err, ErrChanged) {
		t.Errorf("another directory: %v", err)
	}
}
