package filter_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"scp_rdma/filter"
)

func rules(t *testing.T, lines ...string) *filter.Rules {
	t.Helper()
	var r filter.Rules
	if err := r.Parse(strings.Join(lines, "\n")); err != nil {
		t.Fatal(err)
	}
	return &r
}

func TestPatterns(t *testing.T) {
	for _, tt := range []struct{ pattern, yes, no string }{
		{"foo", "foo a/foo a/b/foo foo/", "foo2 a/foo/b"},
		{"/foo", "foo foo/", "a/foo"},
		{"a/foo", "a/foo x/a/foo", "foo xa/foo a/foo/b"},
		{"foo/", "foo/ a/foo/", "foo a/foo"},
		{"*.o", "x.o a/x.o .o", "x.oo x.o/y"},
		{"/a/*", "a/x a/x/", "a a/x/y b/a/x"},
		{"/a/**", "a/x a/x/y", "a b/a/x"},
		{"a**b", "ab a/b axx/yb q/a/x/b", "ba"},
		{"x?", "xy", "x x/ xyz"},
		{"[a-c]x", "ax cx", "dx x"},
		{"[!a-c]x", "dx", "ax /x"},
		{"[]]x", "]x", "x"},
		{"[[:digit:]]", "7", "a"},
		{`\*`, "*", `\* a`},
		{`\x`, `\x`, "x"}, // without a wildcard a backslash is one
		{`\**`, "* *a", "a"},
		{"dir/***", "dir/ dir/x dir/x/y a/dir/x", "dir dirx dir2/x"},
		{"/dir/***", "dir/ dir/x/y", "a/dir/x"},
		{"\xff*", "\xffa", "a"},
	} {
		r := rules(t, "- "+tt.pattern)
		for want, paths := range map[bool]string{true: tt.yes, false: tt.no} {
			for _, p := range strings.Fields(paths) {
				if got := r.Excluded(strings.TrimSuffix(p, "/"), strings.HasSuffix(p, "/")); got != want {
					t.Errorf("%q matches %q: %v", tt.pattern, p, got)
				}
			}
		}
	}
}

func TestTheFirstThatMatchesDecides(t *testing.T) {
	r := rules(t, "# comment", "", "; another", "+ keep.o", "- *.o", "include x", "exclude *")
	for path, want := range map[string]bool{"keep.o": false, "a.o": true, "x": false, "y": true} {
		if got := r.Excluded(path, false); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
	if rules(t, "- *", "!").Excluded("a", false) {
		t.Error("! forgets nothing")
	}
	if diff := cmp.Diff([]string{"+ keep.o", "- *.o", "+ x", "- *"}, r.Lines()); diff != "" {
		t.Error(diff)
	}
}

func TestRulesThatMakeNoSense(t *testing.T) {
	for _, line := range []string{"foo", "- ", "+ /", "- [a", "- [[:no:]]", "P foo", "-s foo", "- //"} {
		var r filter.Rules
		if err := r.Parse("+ ok\n" + line); !errors.Is(err, filter.ErrRule) || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%q: %v", line, err)
		}
	}
}

// Whatever the rules are, what is left out is what rsync leaves out.
func TestRsyncLeavesOutTheSame(t *testing.T) {
	dir := t.TempDir()
	for _, p := range []string{"a/b/c", "a/b/cc.o", "a/x.o", "ab/c", "b/a/c.o", "c", "cc", "a.b/c.o", "b/x[1]", "b/x1", "ba/b/a/b/c"} {
		full := filepath.Join(dir, "src", p)
		if err := errors.Join(os.MkdirAll(filepath.Dir(full), 0o755), os.WriteFile(full, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	words := []string{"a", "b", "c", "x", "*", "**", "?", "/", "/", ".o", "[ab]", "[!a]", "/***", "a/", `\*`, "***"}
	for range 300 {
		var list []string
		for range 1 + rng.IntN(4) {
			p := ""
			for range 1 + rng.IntN(5) {
				p += words[rng.IntN(len(words))]
			}
			list = append(list, string("+-"[rng.IntN(2)])+" "+p)
		}
		compare(t, dir, list)
	}
}

func compare(t *testing.T, dir string, list []string) {
	t.Helper()
	var r filter.Rules
	if r.Parse(strings.Join(list, "\n")) != nil {
		return // there are patterns that rsync takes for something
	}
	args := []string{"-r", "--list-only"}
	for _, l := range list {
		args = append(args, "--filter", l)
	}
	out, err := exec.Command("rsync", append(args, dir+"/src")...).CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v: %s", list, err, out)
	}
	var theirs []string
	for _, m := range regexp.MustCompile(`(?m)^\S+ +[\d,]+ \S+ \S+ (.*)$`).FindAllSubmatch(out, -1) {
		theirs = append(theirs, string(m[1]))
	}
	slices.Sort(theirs)
	if ours := walked(t, dir, &r); !slices.Equal(ours, theirs) {
		t.Errorf("%q:\n%s", list, cmp.Diff(theirs, ours))
	}
}

// walked lists what is left below dir/src.
func walked(t *testing.T, dir string, r *filter.Rules) (list []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(dir, "src"), func(path string, d fs.DirEntry, err error) error {
		rel := strings.TrimPrefix(path, dir+"/")
		switch {
		case err != nil:
			return err
		case r.Excluded(rel, d.IsDir()) && d.IsDir():
			return fs.SkipDir
		case r.Excluded(rel, d.IsDir()):
			return nil
		}
		list = append(list, rel)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	return list
}

func FuzzRules(f *testing.F) {
	f.Add("+ a\n- *.o\n- [a-\n", "a/b.o")
	f.Add("- **/***\n", "x")
	f.Fuzz(func(t *testing.T, text, path string) {
		var r filter.Rules
		if r.Parse(text) != nil {
			return
		}
		got := r.Excluded(path, false)
		var again filter.Rules
		if err := again.Parse(strings.Join(r.Lines(), "\n")); err != nil {
			t.Fatalf("%q: %v", r.Lines(), err)
		}
		if again.Excluded(path, false) != got {
			t.Errorf("%q: its own lines mean something else", r.Lines())
		}
	})
}

func BenchmarkExcluded(b *testing.B) {
	var r filter.Rules
	for i := range 20 {
		if err := r.Exclude(fmt.Sprintf("*.%d", i)); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		r.Excluded("some/dir/with/a/file.bin", false)
	}
}
