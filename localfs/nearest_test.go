package localfs

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestTheNearestRootOfATypedPath(t *testing.T) {
	home := t.TempDir()
	for _, d := range []string{"a/b", "with space'$(x)"} {
		if err := os.MkdirAll(filepath.Join(home, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	elsewhere := t.TempDir()
	for link, to := range map[string]string{"link": elsewhere, "dead": filepath.Join(home, "nothing"), "a/up": ".."} {
		if err := os.Symlink(to, filepath.Join(home, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(home, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]struct {
		dir, rest string
		exact     bool
	}{
		"":                     {dir: home},
		".":                    {dir: home},
		"~":                    {dir: home},
		"~/a":                  {dir: home, rest: "a"},
		"a":                    {dir: home, rest: "a"},
		"a/":                   {dir: home + "/a"},
		"a/.":                  {dir: home + "/a"},
		"a/b":                  {dir: home + "/a", rest: "b"},
		"a/b/new/x":            {dir: home + "/a/b", rest: "new/x"},
		"a/b/new/x/":           {dir: home + "/a/b", rest: "new/x/"},
		"file":                 {dir: home, rest: "file"},
		"file/x":               {dir: home, rest: "file/x"},
		"link":                 {dir: home + "/link"},
		"link/":                {dir: home + "/link"},
		"link/x":               {dir: home + "/link", rest: "x"},
		"dead":                 {dir: home, rest: "dead"},
		"a/../a/b/":            {dir: home + "/a/b"},
		"a/up/a/x":             {dir: home + "/a/up/a", rest: "x"},
		"~user/x":              {dir: home, rest: "~user/x"},
		"with space'$(x)/y":    {dir: home + "/with space'$(x)", rest: "y"},
		elsewhere:              {dir: filepath.Dir(elsewhere), rest: filepath.Base(elsewhere)},
		"//" + elsewhere + "/": {dir: elsewhere},
		"/":                    {dir: "/"},
	} {
		r, rest, err := OpenNearest(home, path, want.exact)
		if err != nil {
			t.Errorf("%q: %v", path, err)
			continue
		}
		got, errGot := os.Stat(r.Path())
		wanted, errWant := os.Stat(want.dir)
		if rest != want.rest || errGot != nil || errWant != nil || !os.SameFile(got, wanted) {
			t.Errorf("%q: %q below %q, want %q below %q", path, rest, r.Path(), want.rest, want.dir)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	r, rest, err := OpenNearest(home, "link", true)
	if err != nil || rest != "link" || r.Path() != home {
		t.Errorf("exactly a link: %q, %v", rest, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	for _, path := range []string{"nothing/../x", "file/../x"} {
		if _, _, err := OpenNearest(home, path, false); !errors.Is(err, ErrUsage) {
			t.Errorf("%q: %v", path, err)
		}
	}
	if _, _, err := OpenNearest(filepath.Join(home, "nothing"), "x", false); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no home: %v", err)
	}
}
