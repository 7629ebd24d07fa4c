package tree

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// change is one way to make a copy differ.
type change struct {
	name string
	do   func(dir string) error
	want Aspect
	path string
}

// changes has one of every kind of difference.
func changes() []change {
	in := func(f func(path string) error, path string) func(string) error {
		return func(dir string) error { return f(filepath.Join(dir, path)) }
	}
	return []change{
		{"a file is missing", in(os.Remove, "plain/0000/00/file00000001.dat"), Missing, "plain/0000/00/file00000001.dat"},
		{"a directory is missing", in(os.RemoveAll, "plain/0000/01"), Missing, "plain/0000/01"},
		{"a file too many", in(touch, "empty/nothing/more"), Extra, "empty/nothing/more"},
		{"the last name too many", in(touch, "plain/zzz"), Extra, "plain/zzz"},
		{"a directory instead of a file", in(func(p string) error { return replace(p, func() error { return os.Mkdir(p, 0o755) }) }, "empty/file"), Kind, "empty/file"},
		{"a file instead of a symlink", in(func(p string) error { return replace(p, func() error { return touch(p) }) }, "symlinks/dangling"), Kind, "symlinks/dangling"},
		{"a fifo instead of a file", in(func(p string) error { return replace(p, func() error { return unix.Mkfifo(p, 0o644) }) }, "plain/0000/00/file00000002.dat"), Kind, "plain/0000/00/file00000002.dat"},
		{"one bit of a mode", in(func(p string) error { return os.Chmod(p, 0o654) }, "modes/file-0755"), Mode, "modes/file-0755"},
		{"a directory's mode", in(func(p string) error { return os.Chmod(p, 0o755) }, "modes/dir-0555"), Mode, "modes/dir-0555"},
		{"a nanosecond of a file", in(later, "times/at0.000000000"), Mtime, "times/at0.000000000"},
		{"a nanosecond of a directory", in(later, "sparse"), Mtime, "sparse"},
		{"a nanosecond of a symlink", in(later, "symlinks/loop-a"), Mtime, "symlinks/loop-a"},
		{"the root's time", in(later, "."), Mtime, "."},
		{"a byte more", in(func(p string) error { return keepTime(p, func() error { return appendByte(p) }) }, "sizes/size4096"), Size, "sizes/size4096"},
		{"a byte less", in(func(p string) error { return keepTime(p, func() error { return os.Truncate(p, 4095) }) }, "sizes/size4097"), Size, "sizes/size4097"},
		{"the first byte", in(flip(0), "sizes/size65536"), Content, "sizes/size65536"},
		{"the last byte", in(flip(2<<20), "sizes/size2097153"), Content, "sizes/size2097153"},
		{"a byte where both may have holes", in(flip(5<<20), "sparse/hole-in-middle"), Content, "sparse/hole-in-middle"},
		{"a byte after the last hole", in(flip(4<<20+99), "sparse/hole-at-start"), Content, "sparse/hole-at-start"},
		{"a symlink's text", in(func(p string) error { return replace(p, func() error { return os.Symlink("elsewhere", p) }) }, "symlinks/to-file"), Link, "symlinks/to-file"},
		{"a hard link became a file", in(unlink, "hardlinks/one-again"), Group, "hardlinks/one-again"},
		{"the first name became a file", in(unlink, "hardlinks/below/large-below"), Group, "hardlinks/large"},
		{"two files became links", func(d string) error {
			return linkOver(filepath.Join(d, "hardlinks/pair05-a"), filepath.Join(d, "hardlinks/pair06-a"))
		}, Group, "hardlinks/pair06-a"},
		{"a hole was filled with zeros", in(fill(0, 8<<20), "sparse/all-hole"), Holes, "sparse/all-hole"},
		{"the end was filled with zeros", in(fill(5<<20, 6<<20), "sparse/hole-at-end"), Holes, "sparse/hole-at-end"},
		{"data far from data", in(fill(40<<30, 40<<30+1), "sparse/huge"), Holes, "sparse/huge"},
	}
}

// TestCompareFindsEveryKindOfDifference makes all changes in one copy: each is
// at a path of its own.
func TestCompareFindsEveryKindOfDifference(t *testing.T) {
	spec := Spec{Seed: 3, Files: 150}
	a, _ := generate(t, spec)
	b, _ := generate(t, spec)
	for _, ch := range changes() {
		if err := ch.do(b); err != nil {
			t.Fatalf("%s: %v", ch.name, err)
		}
	}
	diffs, err := Compare(a, b, Options{Max: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, ch := range changes() {
		if !slices.ContainsFunc(diffs, func(d Diff) bool { return d.Aspect == ch.want && d.Path == ch.path }) {
			t.Errorf("not found: %s: %s of %q", ch.name, ch.want, ch.path)
		}
	}
	if t.Failed() {
		t.Logf("found: %v", diffs)
	}
}

func TestCompareFindsWhatOnlyOptionsAskFor(t *testing.T) {
	spec := Spec{Seed: 3, Files: 10, Xattrs: true, Special: true}
	a, _ := generate(t, spec)
	b, _ := generate(t, spec)
	if err := os.Chmod(filepath.Join(b, "modes/file-4755"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setxattr(filepath.Join(b, "empty/nothing"), "user.scp_rdma.one", []byte("other"), 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(b, 0o700); err != nil {
		t.Fatal(err)
	}
	same(t, a, b, Options{SkipRoot: true})
	for want, o := range map[Aspect]Options{Mode: {Special: true, SkipRoot: true}, Xattrs: {Xattrs: true, SkipRoot: true}} {
		if diffs, err := Compare(a, b, o); err != nil || len(diffs) != 1 || diffs[0].Aspect != want {
			t.Errorf("%s: found %v, error %v", want, diffs, err)
		}
	}
}

func TestCompareAcceptsMoreHolesInTheCopy(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	mtime := time.Unix(1e9, 5)
	for dir, punched := range map[string]bool{a: false, b: true} {
		f := filepath.Join(dir, "zeros")
		if err := os.WriteFile(f, make([]byte, 1<<20), 0o644); err != nil {
			t.Fatal(err)
		}
		if punched {
			if err := os.Truncate(f, 0); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(f, 1<<20); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chtimes(f, mtime, mtime); err != nil {
			t.Fatal(err)
		}
	}
	same(t, a, b, Options{SkipRoot: true})
}

func TestCompareTakesFilesToo(t *testing.T) {
	a, _ := generate(t, Spec{Files: 2, PlainOnly: true})
	f, g := filepath.Join(a, "plain/0000/00/file00000000.dat"), filepath.Join(a, "plain/0000/00/file00000001.dat")
	same(t, f, f, Options{})
	if diffs, err := Compare(f, g, Options{}); err != nil || len(diffs) == 0 || diffs[0].Path != "." {
		t.Errorf("two different files: %v, %v", diffs, err)
	}
	if _, err := Compare(f, f+"x", Options{}); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("a missing file: %v", err)
	}
}

func TestCompareStopsAtTheLimit(t *testing.T) {
	a, _ := generate(t, Spec{Files: 120, PlainOnly: true})
	diffs, err := Compare(a, t.TempDir(), Options{Max: 3, SkipRoot: true})
	if err != nil || len(diffs) != 1 {
		t.Errorf("against an empty directory: %v, %v", diffs, err)
	}
	b, _ := generate(t, Spec{Seed: 9, Files: 120, PlainOnly: true})
	if diffs, err := Compare(a, b, Options{Max: 3}); err != nil || len(diffs) != 3 {
		t.Errorf("found %d differences, want 3 (error %v)", len(diffs), err)
	}
}

func TestADifferenceIsOneLine(t *testing.T) {
	d := Diff{Path: "a\nb\x1b", Aspect: Mode, A: "0644", B: "0600"}
	if got, want := d.String(), `"a\nb\x1b": mode: 0644, 0600`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestCompareLetsModesOrTimesDiffer(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	for _, dir := range []string{a, b} {
		if err := touch(filepath.Join(dir, "file")); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(filepath.Join(dir, "file"), time.Unix(1, 0), time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(b, "file"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := later(filepath.Join(b, "file")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		options Options
		want    []Aspect
	}{
		{Options{}, []Aspect{Mode, Mtime}},
		{Options{AnyModes: true}, []Aspect{Mtime}},
		{Options{AnyTimes: true}, []Aspect{Mode}},
		{Options{AnyModes: true, AnyTimes: true}, nil},
	} {
		c.options.SkipRoot = true
		diffs, err := Compare(a, b, c.options)
		var got []Aspect
		for _, d := range diffs {
			got = append(got, d.Aspect)
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v, %v", c.options, got, err)
		}
	}
}
