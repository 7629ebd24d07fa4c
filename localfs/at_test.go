package localfs

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestASinkBelowTheRoot: what a session puts lies there, and nowhere else.
func TestASinkBelowTheRoot(t *testing.T) { bothWays(t, sinkBelowTheRoot) }

func sinkBelowTheRoot(t *testing.T, walks bool) {
	dir := t.TempDir()
	plant(t, dir, map[string]string{"in": "-> real", "real/": "", "out": "-> /", "file": "x"})
	r, err := OpenRoot(dir, false)
	must(t, err)
	defer r.Close()
	r.walks = walks
	before := openFDs()
	for path, target := range map[string]string{"": "a", "new/deep": "b", "in/sub": "c"} {
		s, err := r.SinkAt(path, SinkOptions{})
		must(t, err)
		base, err := s.Resolve(Target{Path: target + "/", Tops: 1})
		must(t, err)
		must(t, s.PutFile(filePut(base.Dir, "f", path), []byte(path)))
		if _, err := s.Resolve(Target{Path: "../x/", Tops: 1}); !errors.Is(err, ErrUsage) {
			t.Errorf("%q: up: %v", path, err)
		}
		must(t, s.Close())
	}
	want := map[string]string{
		"a/": "", "a/f": "", "new/": "", "new/deep/": "", "new/deep/b/": "", "new/deep/b/f": "new/deep",
		"in": "-> real", "real/": "", "real/sub/": "", "real/sub/c/": "", "real/sub/c/f": "in/sub", "out": "-> /", "file": "x",
	}
	if diff := cmp.Diff(want, picture(t, dir)); diff != "" {
		t.Errorf("target (-want +got):\n%s", diff)
	}
	for _, path := range []string{"out/tmp", "file", "file/x", "../up", "a/../../up"} {
		if s, err := r.SinkAt(path, SinkOptions{}); err == nil {
			t.Errorf("%s: a sink", path)
			must(t, s.Close())
		}
	}
	// A link inside the place leads out of it, though not out of the root.
	must(t, os.Symlink("../../a", filepath.Join(dir, "new/deep/a")))
	s, err := r.SinkAt("new/deep", SinkOptions{})
	must(t, err)
	if _, err := s.Resolve(Target{Path: "a/x/", Tops: 1}); err == nil {
		t.Error("a link led out of the session's own directory")
	}
	must(t, s.Close())
	if n := openFDs(); n != before {
		t.Errorf("%d descriptors, %d before", n, before)
	}
}
