package localfs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A walk that begins anew, wherever it was, is like the first: numbers, groups and all.
func TestRewindBeginsAnew(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, map[string]string{"top/a": "1", "top/sub/b": "2", "top/sub/c/": "", "one": "3", "all/x": "4", "all/y/z": "5"})
	must(t, os.Link(filepath.Join(dir, "top/a"), filepath.Join(dir, "top/sub/a2")))
	args := []string{filepath.Join(dir, "top"), filepath.Join(dir, "one"), filepath.Join(dir, "all") + "/."}
	s, err := openSource(args, SourceOptions{}, 2, 0)
	must(t, err)
	defer s.Close()
	type seen struct {
		ID, Parent, Group uint64
		Kind              Kind
		Path              string
		First, Last       bool
	}
	var list []seen
	walk := func(limit int) (got []seen) {
		for len(got) < limit {
			e, err := s.Next()
			if err != nil {
				break
			}
			got = append(got, seen{e.ID, e.Parent, e.Group, e.Kind, s.Path(e), e.GroupFirst, e.GroupLast})
			if e.Kind == KindFile {
				must(t, s.ReadFile(e, make([]byte, e.Size)))
			}
		}
		return got
	}
	list = walk(1000)
	if len(list) != 14 {
		t.Fatalf("%d entries: %+v", len(list), list)
	}
	for n := range len(list) + 1 {
		must(t, s.Rewind())
		walk(n)
		must(t, s.Rewind())
		if diff := cmp.Diff(list, walk(1000)); diff != "" {
			t.Fatalf("after %d entries (-want +got):\n%s", n, diff)
		}
	}
}

func TestASourceHasTheSameNameEachTime(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, map[string]string{"a/": "", "b/": ""})
	name := func(args ...string) string {
		t.Helper()
		s, err := OpenSource(args, SourceOptions{})
		must(t, err)
		defer s.Close()
		return string(s.Name())
	}
	t.Chdir(dir)
	a := name("a")
	for _, same := range []string{"./a", "b/../a", filepath.Join(dir, "a"), "a/"} {
		if name(same) != a {
			t.Errorf("%s is another source", same)
		}
	}
	for _, other := range [][]string{{"b"}, {"a", "b"}, {"a/."}, {"."}} {
		if name(other...) == a {
			t.Errorf("%q is the same source", other)
		}
	}
}
