package tree

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// small is a Spec with all of the zoo and few plain files.
var small = Spec{Seed: 7, Files: 120, Large: 2, LargeSize: 1 << 20, Unreadable: true, Special: true, Xattrs: true}

// generate makes a tree in a directory of its own, which goes away with all its
// read-only directories when the test ends.
func generate(t *testing.T, s Spec) (string, Stats) {
	t.Helper()
	dir := t.TempDir()
	t.Cleanup(func() {
		if err := Remove(dir); err != nil {
			t.Error(err)
		}
	})
	st, err := Generate(filepath.Join(dir, "tree"), s)
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "tree"), st
}

// same fails the test for each difference.
func same(t *testing.T, a, b string, o Options) {
	t.Helper()
	diffs, err := Compare(a, b, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range diffs {
		t.Errorf("%v", d)
	}
}

func TestEqualSpecsGiveEqualTrees(t *testing.T) {
	a, sa := generate(t, small)
	b, sb := generate(t, small)
	if sa != sb {
		t.Errorf("counts differ: %+v, %+v", sa, sb)
	}
	same(t, a, b, Options{Special: true, Owners: true, Xattrs: true})
	other := small
	other.Seed++
	c, _ := generate(t, other)
	if diffs, err := Compare(a, c, Options{}); err != nil || len(diffs) == 0 {
		t.Errorf("another seed gives the same tree: %v, %v", diffs, err)
	}
}

func TestTheCountsAreThoseOfTheTree(t *testing.T) {
	root, st := generate(t, Spec{Seed: 1, Files: 120, PlainOnly: true})
	files, dirs := 0, -1
	err := filepath.WalkDir(root, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs++
		} else if err == nil {
			files++
		}
		return err
	})
	if err != nil || files != st.Files || dirs != st.Dirs || files != 120 {
		t.Errorf("walked %d files and %d directories, error %v; Stats: %+v", files, dirs, err, st)
	}
}

func TestFilesLieInDirectoriesOfAHundred(t *testing.T) {
	root, _ := generate(t, Spec{Files: 201, PlainOnly: true})
	for dir, want := range map[string]int{"plain": 1, "plain/0000": 3, "plain/0000/00": 100, "plain/0000/02": 1} {
		got, err := os.ReadDir(filepath.Join(root, dir))
		if err != nil || len(got) != want {
			t.Errorf("%s has %d entries, want %d (error %v)", dir, len(got), want, err)
		}
	}
}

func TestTheSparseFilesHaveHoles(t *testing.T) {
	root, _ := generate(t, Spec{})
	for _, name := range []string{"all-hole", "hole-at-start", "hole-in-middle", "hole-at-end", "many-holes", "huge"} {
		var st unix.Stat_t
		if err := unix.Stat(filepath.Join(root, "sparse", name), &st); err != nil || st.Blocks*512 >= st.Size {
			t.Errorf("%s: %d blocks for %d bytes (error %v)", name, st.Blocks, st.Size, err)
		}
	}
}

func TestDeepPathsHaveTheLengthAskedFor(t *testing.T) {
	for _, component := range []int{2, 39, 255} {
		dir := t.TempDir()
		if err := Deep(dir, maxPath, component); err != nil {
			t.Fatal(err)
		}
		if got := longest(t, dir, 0); got != maxPath {
			t.Errorf("names of %d bytes: the longest path has %d bytes", component, got)
		}
	}
}

// longest walks down with open directories and gives the longest path's length.
func longest(t *testing.T, dir string, length int) int {
	t.Helper()
	fd, err := openAt(unix.AT_FDCWD, dir, dirFlags, 0)
	if err != nil {
		t.Fatal(err)
	}
	for {
		names, err := list(fd)
		if err != nil || len(names) != 1 {
			t.Fatalf("names %q, error %v", names, err)
		}
		length += len(names[0])
		next, err := openAt(fd, names[0], dirFlags, 0)
		if cerr := unix.Close(fd); cerr != nil {
			t.Fatal(cerr)
		}
		if err != nil {
			return length
		}
		fd, length = next, length+1
	}
}

func TestManyFilesMakesWhatItWasAskedFor(t *testing.T) {
	dir := t.TempDir()
	if err := ManyFiles(dir, Many{Files: 1001, Links: 7, Dirs: 5}); err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if strings.Count(strings.TrimPrefix(path, dir), "/") == 2 {
			count[d.Name()[:4]]++
		}
		return err
	})
	if err != nil || count["file"] != 1001+7 || count["link"] != 7 || count["dir0"] != 5 {
		t.Errorf("counted %v, error %v", count, err)
	}
}

func TestGenerateSaysWhatIsInTheWay(t *testing.T) {
	dir := t.TempDir()
	if _, err := Generate(dir, Spec{Files: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := Generate(dir, Spec{Files: 1}); err == nil || !strings.Contains(err.Error(), "plain") {
		t.Errorf("a second tree in the same place: %v", err)
	}
}
