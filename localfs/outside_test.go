package localfs

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestWhereASymlinkLeads(t *testing.T) {
	for text, depths := range map[string][3]bool{ // outside at depth 0, 1, 2
		"name":         {false, false, false},
		"a/b/c":        {false, false, false},
		"./a//b":       {false, false, false},
		"..":           {true, false, false},
		"../x":         {true, false, false},
		".//../x":      {true, false, false},
		"../../x":      {true, true, false},
		"/":            {true, true, true},
		"/etc/passwd":  {true, true, true},
		"a/..":         {true, true, true}, // a may be a link
		"../a/../b":    {true, true, true},
		"..a/b..":      {false, false, false},
		"a/../../b":    {true, true, true},
		"../../../x/y": {true, true, true},
	} {
		for depth, want := range depths {
			if got := leadsOutside(text, depth); got != want {
				t.Errorf("%q at depth %d leads outside: %v", text, depth, got)
			}
		}
	}
}

// linked is a tree of links, inside and out.
func linked(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "a/b"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"in": "a", "up": "../x", "abs": "/etc", "a/in": "../in", "a/up": "../../x", "a/b/in": "../../in", "a/b/up": "../../../x",
	} {
		if err := os.Symlink(text, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestSafeLinksLeavesOutWhatLeadsOutside(t *testing.T) {
	dir := linked(t)
	for _, arg := range []string{dir, dir + "/."} {
		for _, safe := range []bool{false, true} {
			var told, skipped, sent []string
			s, err := OpenSource([]string{arg}, SourceOptions{
				SafeLinks: safe,
				Outside:   func(path, _ string) { told = append(told, filepath.Base(path)) },
				Problem: func(path string, err error) {
					if !errors.Is(err, ErrOutside) || !errors.Is(err, ErrSpecial) {
						t.Errorf("%s: %v", path, err)
					}
					skipped = append(skipped, filepath.Base(path))
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			for {
				e, err := s.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if e.Kind == KindSymlink {
					sent = append(sent, e.Name)
				}
			}
			for _, list := range [][]string{told, skipped, sent} {
				slices.Sort(list)
			}
			outside, in := []string{"abs", "up", "up", "up"}, []string{"in", "in", "in"}
			if safe && (!slices.Equal(skipped, outside) || len(told) > 0 || !slices.Equal(sent, in)) {
				t.Errorf("%s: skipped %v, sent %v", arg, skipped, sent)
			}
			if !safe && (!slices.Equal(told, outside) || len(skipped) > 0 || len(sent) != 7) {
				t.Errorf("%s: told %v, sent %v", arg, told, sent)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestASinkWithSafeLinksMakesNoneThatLeadOutside(t *testing.T) {
	root := t.TempDir()
	r, err := OpenRoot(root, false)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s := r.Sink(SinkOptions{SafeLinks: true})
	defer s.Close()
	b, err := s.Resolve(Target{Path: "deep/in/", Tops: 1})
	if err != nil {
		t.Fatal(err)
	}
	d, err := s.Mkdir(b.Dir, "d")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		dir  *Dir
		text string
		ok   bool
	}{{b.Dir, "x", true}, {b.Dir, "../x", false}, {d, "../x", true}, {d, "../../x", false}, {d, "/etc", false}} {
		if err := s.Symlink(tt.dir, "l", tt.text, Meta{}); (err == nil) != tt.ok || !tt.ok && !errors.Is(err, ErrOutside) {
			t.Errorf("%s: %v", tt.text, err)
		}
	}
}
