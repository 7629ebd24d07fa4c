package localfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// entriesOf gives the entries of a source, by their paths below.
func entriesOf(t *testing.T, s *Source) map[string]*Entry {
	t.Helper()
	all := map[string]*Entry{}
	for {
		e, err := s.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		must(t, err)
		if e.Kind != KindDirEnd {
			all[s.Below(e)] = e
		}
	}
}

// clearing is a source and what is to go of it.
func clearing(t *testing.T, targets int, args ...string) (*Source, *Clearance) {
	t.Helper()
	s, err := OpenSource(args, SourceOptions{Problem: func(p string, err error) { t.Errorf("%s: %v", p, err) }})
	must(t, err)
	c, err := s.Clearance(targets)
	must(t, err)
	t.Cleanup(func() { must(t, errors.Join(c.Close(), s.Close())) })
	return s, c
}

// stays gathers what Remove tells.
type stays []string

func (s *stays) add(path string, err error) {
	if !errors.Is(err, ErrStays) {
		err = fmt.Errorf("not an ErrStays: %w", err)
	}
	*s = append(*s, filepath.Base(path)+": "+err.Error())
}

// sources are files of all kinds below a new directory.
func sources(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	plant(t, dir, map[string]string{"a/f": "f", "a/b/g": "g", "a/b/ with \"quotes\"\n\xff": "q", "a/b/c/h": "h", "a/z": "z"})
	must(t, os.Symlink("f", filepath.Join(dir, "a", "l")))
	must(t, os.Symlink("a", filepath.Join(dir, "link")))
	return dir
}

func TestClearanceRemovesWhatEveryTargetHas(t *testing.T) {
	for name, args := range map[string][]string{"a directory": {"a"}, "its contents": {"a/."}, "through a link": {"link/"}, "files": {"a/f", "a/b", "a/z", "a/l"}} {
		t.Run(name, func(t *testing.T) {
			dir := sources(t)
			for i := range args {
				args[i] = dir + "/" + args[i]
			}
			s, c := clearing(t, 2, args...)
			all := entriesOf(t, s)
			s.h.evict(0) // they are opened again
			for path, e := range all {
				must(t, c.Have(e))
				if !strings.HasSuffix(path, "z") {
					must(t, c.Have(e))
				}
			}
			var left stays
			n, err := c.Remove(t.Context(), left.add)
			if err != nil || n != 5 || len(left) != 0 {
				t.Errorf("%d removed, %v, %q", n, err, left)
			}
			if diff := cmp.Diff(map[string]string{"a/": "", "a/b/": "", "a/b/c/": "", "a/z": "z", "link": "-> a"}, picture(t, dir)); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}
		})
	}
}

// Whatever was put in the place of what was sent stays, and nothing is removed elsewhere.
func TestClearanceRemovesOnlyWhatWasSent(t *testing.T) {
	in := func(dir, name string) string { return filepath.Join(dir, "a", name) }
	for name, change := range map[string]func(t *testing.T, dir string) error{
		"written to": func(t *testing.T, dir string) error { return os.WriteFile(in(dir, "f"), []byte("F"), 0o600) },
		"a new file of the same size and time": func(t *testing.T, dir string) error {
			st, err := os.Stat(in(dir, "f"))
			must(t, err)
			must(t, os.WriteFile(in(dir, "new"), []byte("n"), 0o644))
			return errors.Join(os.Chtimes(in(dir, "new"), st.ModTime(), st.ModTime()), os.Rename(in(dir, "new"), in(dir, "f")))
		},
		"another mode": func(t *testing.T, dir string) error { return os.Chmod(in(dir, "f"), 0o400) },
		"another name": func(t *testing.T, dir string) error { return os.Link(in(dir, "f"), in(dir, "second")) },
		"a symlink": func(t *testing.T, dir string) error {
			return errors.Join(os.Rename(in(dir, "f"), in(dir, "moved")), os.Symlink("moved", in(dir, "f")))
		},
		"a directory": func(t *testing.T, dir string) error {
			return errors.Join(os.Remove(in(dir, "f")), os.Mkdir(in(dir, "f"), 0o700))
		},
		"nothing": func(t *testing.T, dir string) error { return os.Remove(in(dir, "f")) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := sources(t)
			s, c := clearing(t, 1, dir+"/a")
			must(t, c.Have(entriesOf(t, s)["a/f"]))
			must(t, change(t, dir))
			before := picture(t, dir)
			var left stays
			n, err := c.Remove(t.Context(), left.add)
			if err != nil || n != 0 || len(left) != 1 || !strings.HasPrefix(left[0], "f: not removed: ") {
				t.Errorf("%d removed, %v, %q", n, err, left)
			}
			if diff := cmp.Diff(before, picture(t, dir)); diff != "" {
				t.Errorf("changed (-before +after):\n%s", diff)
			}
		})
	}
}

func TestClearanceStaysInItsDirectory(t *testing.T) {
	for name, change := range map[string]func(dir string) error{
		"another directory": func(dir string) error {
			return errors.Join(os.Mkdir(dir+"/a/b", 0o700), os.WriteFile(dir+"/a/b/g", []byte("g"), 0o600))
		},
		"a link to another": func(dir string) error {
			return errors.Join(os.MkdirAll(dir+"/else", 0o700), os.Link(dir+"/away/g", dir+"/else/g"), os.Symlink("../else", dir+"/a/b"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := sources(t)
			s, c := clearing(t, 1, dir+"/a")
			must(t, c.Have(entriesOf(t, s)["a/b/g"]))
			s.h.evict(0)
			must(t, os.Rename(dir+"/a/b", dir+"/away"))
			must(t, change(dir))
			before := picture(t, dir)
			var left stays
			if n, err := c.Remove(t.Context(), left.add); err != nil || n != 0 || len(left) != 1 {
				t.Errorf("%d removed, %v, %q", n, err, left)
			}
			if diff := cmp.Diff(before, picture(t, dir)); diff != "" {
				t.Errorf("changed (-before +after):\n%s", diff)
			}
		})
	}
}

func TestClearanceBeginsAnew(t *testing.T) {
	dir := sources(t)
	s, c := clearing(t, 1, dir+"/a/.")
	all := entriesOf(t, s)
	must(t, c.Have(all["f"]))
	must(t, c.Have(all["b/g"]))
	c.Reset()
	must(t, s.Rewind())
	must(t, c.Have(entriesOf(t, s)["z"]))
	var left stays
	if n, err := c.Remove(t.Context(), left.add); err != nil || n != 1 || len(left) != 0 {
		t.Errorf("%d removed, %v, %q", n, err, left)
	}
	if p := picture(t, dir); p["a/f"] == "" || p["a/b/g"] == "" || p["a/z"] != "" {
		t.Errorf("left: %v", p)
	}
}

func TestClearanceKnowsWhatItNeverRemoves(t *testing.T) {
	dir := sources(t)
	must(t, os.Link(dir+"/a/f", dir+"/a/f2"))
	s, c := clearing(t, 1, dir+"/a")
	var names []string
	for path, e := range entriesOf(t, s) {
		if err := c.Have(e); err != nil {
			names = append(names, path)
			if !errors.Is(err, ErrStays) {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{"a/f", "a/f2"}) {
		t.Errorf("refused: %q", names)
	}
	if err := c.Have(&Entry{ID: 9, Kind: KindFile}); !errors.Is(err, ErrStays) {
		t.Errorf("of no source: %v", err)
	}
	follow, err := OpenSource([]string{dir}, SourceOptions{Follow: true})
	must(t, err)
	defer follow.Close()
	if _, err := follow.Clearance(1); !errors.Is(err, ErrUsage) {
		t.Errorf("with symlinks followed: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if n, err := c.Remove(ctx, func(string, error) {}); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %d, %v", n, err)
	}
}

// A file that is its own target: that it was found and left as it is shows by its ctime.
func TestTouchShows(t *testing.T) {
	dir := sources(t)
	src, c := clearing(t, 1, dir+"/a/f")
	e := entriesOf(t, src)["f"]
	must(t, c.Have(e))
	s := begin(t, filepath.Join(dir, "a"), SinkOptions{Touch: true})
	p := Put{Dir: s.base.Dir, Name: "f", Size: e.Size, Meta: e.Meta}
	for st := lstatOf(t, dir, "a", "f"); st.Ctim == lstatOf(t, dir, "a", "f").Ctim; { // the clock it is from ticks each 4 ms or so
		found, _, err := s.Look(p)
		must(t, err)
		must(t, s.Settle(p, found))
	}
	var left stays
	if n, err := c.Remove(t.Context(), left.add); err != nil || n != 0 || len(left) != 1 {
		t.Errorf("%d removed, %v, %q", n, err, left)
	}
}
