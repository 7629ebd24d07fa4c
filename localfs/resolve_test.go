package localfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestResolveFollowsTheDestinationRules(t *testing.T) { bothWays(t, resolveFollowsTheRules) }

func resolveFollowsTheRules(t *testing.T, walks bool) {
	outside := t.TempDir()
	there := map[string]string{
		"dir/x": "x", "file": "f", "todir": "-> dir", "toabs": "-> " + outside, "up": "-> ..", "dir/back": "-> ../dir2", "dir2/": "",
		"dangling": "-> no/where", "tofile": "-> file",
	}
	type result struct{ Path, Name, Made, Err string }
	one, several, contents := Target{Tops: 1}, Target{Tops: 2}, Target{Contents: true}
	exact := Target{Tops: 1, Exact: true}
	tests := map[string]struct {
		to   Target
		path string
		want result
	}{
		"empty is the root":                      {one, "", result{Path: "."}},
		"a slash is the root":                    {one, "/", result{Path: "."}},
		"a dot is the root":                      {one, ".", result{Path: "."}},
		"missing directories are made":           {one, "/n/e/w/", result{Path: "n/e/w", Made: "n/e/w"}},
		"a name":                                 {one, "new", result{Path: "new", Name: "new"}},
		"a name below missing directories":       {one, "n/new", result{Path: "n/new", Name: "new", Made: "n"}},
		"a name that is a directory":             {one, "dir", result{Path: "dir"}},
		"a name that is a file":                  {one, "file", result{Path: "file", Name: "file"}},
		"a name that is a link to a file":        {one, "tofile", result{Path: "tofile", Name: "tofile"}},
		"a name that is a dangling link":         {one, "dangling", result{Path: "dangling", Name: "dangling"}},
		"a link to a directory below the root":   {one, "todir", result{Path: "todir"}},
		"a link within that goes up but not out": {one, "dir/back/new/", result{Path: "dir/back/new", Made: "dir2/new"}},
		"exactly a directory's name":             {exact, "dir", result{Path: "dir", Name: "dir"}},
		"exactly a name with a slash":            {exact, "n/new/", result{Path: "n/new", Name: "new", Made: "n"}},
		"exactly no name":                        {exact, "/", result{Err: "usage: the target has no name"}},
		"several into a directory":               {several, "dir", result{Path: "dir"}},
		"several into a new directory":           {several, "new/", result{Path: "new", Made: "new"}},
		"several into a name":                    {several, "new", result{Err: "usage: several sources need a directory: write new/ to make it"}},
		"several into a file":                    {several, "file", result{Err: "usage: several sources need a directory: file is none"}},
		"several exactly":                        {Target{Tops: 2, Exact: true}, "new", result{Err: "usage: several sources can't all"}},
		"contents make the directory":            {contents, "new", result{Path: "new", Made: "new"}},
		"contents exactly":                       {Target{Contents: true, Exact: true}, "new", result{Path: "new", Made: "new"}},
		"contents into a file":                   {contents, "file", result{Err: "target file: not a directory"}},
		"below a file":                           {one, "file/new", result{Err: "target file: not a directory"}},
		"below a file, deeper":                   {one, "file/a/b/", result{Err: "target file: not a directory"}},
		"a link to outside":                      {one, "toabs/", result{Err: "outside"}},
		"a link to outside as a name":            {one, "toabs", result{Err: "outside"}},
		"below a link to outside":                {one, "up/new/", result{Err: "outside"}},
		"below a dangling link":                  {one, "dangling/new/", result{Err: "target dangling: symbolic link to nothing"}},
		"dots":                                   {one, "../x", result{Err: "usage: target ../x: \"..\" is not allowed"}},
		"dots inside":                            {one, "dir/../x", result{Err: "usage: "}},
		"a tilde is a name":                      {one, "~/x", result{Path: "~/x", Name: "x", Made: "~"}},
		"a long name":                            {one, strings.Repeat("n", 256), result{Err: "usage: "}},
		"a NUL":                                  {one, "a\x00b", result{Err: "usage: "}},
		"an endless path":                        {one, strings.Repeat("n/", 3000), result{Err: "usage: target path of 6000 bytes"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			// One deeper than the temporary directory, so that ".." is the test's own too.
			dir := filepath.Join(t.TempDir(), "root")
			plant(t, dir, there)
			before := picture(t, dir)
			r, err := OpenRoot(dir, false)
			must(t, err)
			defer r.Close()
			r.walks = walks
			s := r.Sink(SinkOptions{})
			defer s.Close()
			tt.to.Path = tt.path
			b, err := s.Resolve(tt.to)
			if tt.want.Err != "" {
				want, usage := strings.CutPrefix(tt.want.Err, "usage: ")
				if err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, ErrUsage) != usage {
					t.Fatalf("error %v, want %q", err, tt.want.Err)
				}
			} else {
				must(t, err)
				got := result{Path: b.Path, Name: b.Name, Made: tt.want.Made}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("base (-want +got):\n%s", diff)
				}
				if path := joinPath(b.Dir.node.Path(), b.Name); path != strings.TrimPrefix(b.Path, ".") {
					t.Errorf("messages would say %q for %q", path, b.Path)
				}
			}
			for made := tt.want.Made; made != "" && made != "."; made = filepath.Dir(made) {
				before[made+"/"] = ""
			}
			if diff := cmp.Diff(before, picture(t, dir)); diff != "" {
				t.Errorf("target (-want +got):\n%s", diff)
			}
		})
	}
}

func TestATargetInsideItsSourceIsRefused(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, map[string]string{"src/deep/er/": "", "other/": "", "in": "-> src/deep"})
	src, err := OpenSource([]string{filepath.Join(dir, "src"), filepath.Join(dir, "other/."), filepath.Join(dir, "src/")}, SourceOptions{})
	must(t, err)
	defer src.Close()
	boot, dirs := src.Identity()
	if len(boot) != 36 || len(dirs) != 2 {
		t.Fatalf("identity %q %v", boot, dirs)
	}
	r, err := OpenRoot(dir, false)
	must(t, err)
	defer r.Close()
	for path, inside := range map[string]bool{
		"src/": true, "src/deep/er/": true, "src/deep/new/": true, "src/name": true, "in/x": true, "other/": true,
		"": false, "new/": false, "srcs/x": false,
	} {
		s := r.Sink(SinkOptions{})
		_, err := s.Resolve(Target{Path: path, Tops: 1, NotInside: dirs})
		if errors.Is(err, ErrUsage) != inside || !inside && err != nil {
			t.Errorf("%s: %v", path, err)
		}
		must(t, s.Close())
	}
	if diff := cmp.Diff(map[string]string{"deep/": "", "deep/er/": ""}, picture(t, filepath.Join(dir, "src"))); diff != "" {
		t.Errorf("made inside the source (-want +got):\n%s", diff)
	}
	s := beginAt(t, dir, SinkOptions{}, Target{Tops: 1, NotInside: dirs})
	if _, err := s.Mkdir(s.base.Dir, "src"); !errors.Is(err, ErrUsage) {
		t.Errorf("a directory onto itself: %v", err)
	}
}

func TestOpenRoot(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, map[string]string{"file": ""})
	r, err := OpenRoot(filepath.Join(dir, "a/b/c"), true)
	must(t, err)
	if r.Path() != filepath.Join(dir, "a/b/c") {
		t.Errorf("path %s", r.Path())
	}
	must(t, r.Close())
	for path, want := range map[string]error{"missing": fs.ErrNotExist, "file": unix.ENOTDIR} {
		if _, err := OpenRoot(filepath.Join(dir, path), false); !errors.Is(err, want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := OpenRoot(filepath.Join(dir, "file", "x"), true); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("below a file: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "missing")); err == nil {
		t.Error("made without being asked")
	}
}
