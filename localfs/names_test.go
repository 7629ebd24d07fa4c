package localfs

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCheckName holds what every way into a directory relies on.
func TestCheckName(t *testing.T) {
	for _, name := range []string{"a", "...", "..a", ".a", "-", "~", "\n", "\xff", strings.Repeat("n", 255)} {
		if err := checkName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", ".", "..", "/", "/a", "a/", "a/b", "../a", "\x00", "a\x00", strings.Repeat("n", 256)} {
		if checkName(name) == nil {
			t.Errorf("%q is taken for a name", name)
		}
	}
}

// FuzzHiddenNames: what is made of any name is a name of fixed length, reserved, and
// each name's own.
func FuzzHiddenNames(f *testing.F) {
	f.Add("a", "b")
	f.Add(strings.Repeat("n", 255), "")
	f.Add(hiddenOf("a", partSuffix), hiddenOf("b", journalSuffix))
	f.Fuzz(func(t *testing.T, a, b string) {
		seen := map[string]string{}
		for _, suffix := range []string{partSuffix, journalSuffix, markSuffix} {
			for _, name := range []string{a, b} {
				h := hiddenOf(name, suffix)
				if err := checkName(h); err != nil || !reserved(h) || !temporary(h) || len(h) > 64 {
					t.Errorf("%q of %q: %v", h, name, err)
				}
				if other, ok := seen[h]; ok && other != name {
					t.Errorf("%q and %q are both %s", name, other, h)
				}
				seen[h] = name
			}
		}
		for _, name := range []string{a, b} {
			if reserved(name) && (!temporary(name) || !strings.HasPrefix(name, hiddenPrefix)) {
				t.Errorf("%q is reserved", name)
			}
		}
	})
}

func TestReserved(t *testing.T) {
	const digits = "0123456789abcdef"
	for name, want := range map[string]bool{
		hiddenPrefix + digits + digits + partSuffix: true, hiddenPrefix + digits + digits + journalSuffix: true,
		hiddenPrefix + digits + digits + markSuffix: true,
		"": false, ".part": false, hiddenPrefix: false, hiddenPrefix + ".part": false, hiddenPrefix + digits + partSuffix: false,
		hiddenPrefix + digits + digits: false, hiddenPrefix + digits + digits + ".Part": false, hiddenPrefix + digits + digits + "0.part": false,
		"x" + hiddenPrefix + digits + digits + partSuffix: false, hiddenPrefix + digits + "0123456789ABCDEF" + partSuffix: false,
		hiddenPrefix + digits + ".1": false, hiddenPrefix + digits + ".links": false,
	} {
		if reserved(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}

func TestReservedNamesAreNoEntrys(t *testing.T) {
	s := begin(t, t.TempDir(), SinkOptions{})
	must(t, s.PutFile(groupPut(s.base.Dir, "first", "", 1, false), nil))
	d := s.mustMkdir(t, s.base.Dir, "made")
	for _, name := range []string{hiddenOf("a", partSuffix), hiddenOf("a", journalSuffix), hiddenOf("a", markSuffix)} {
		p := groupPut(s.base.Dir, name, "", 1, false)
		_, createErr := s.CreateFile(p)
		_, halfErr := s.CreateHalf(p)
		_, _, openErr := s.OpenHalf(p)
		_, mkdirErr := s.Mkdir(s.base.Dir, name)
		_, linkErr := s.Link(p)
		_, _, lookErr := s.Look(p)
		_, _, madeErr := s.Look(groupPut(d, name, "", 1, false))
		for what, err := range map[string]error{
			"PutFile": s.PutFile(p, nil), "CreateFile": createErr, "CreateHalf": halfErr, "OpenHalf": openErr, "Mkdir": mkdirErr,
			"Symlink": s.Symlink(s.base.Dir, name, "x", Meta{}), "Link": linkErr, "Look": lookErr, "Look in a new directory": madeErr,
		} {
			if !errors.Is(err, ErrName) || !strings.Contains(err.Error(), "reserved for temporaries") {
				t.Errorf("%s: %v", what, err)
			}
		}
		for _, path := range []string{name, name + "/", "a/" + name + "/b"} {
			if _, err := s.Resolve(Target{Path: path, Tops: 1}); !errors.Is(err, ErrUsage) {
				t.Errorf("target %s: %v", path, err)
			}
			if sink, err := s.root.SinkAt(path, SinkOptions{}); !errors.Is(err, ErrUsage) {
				t.Errorf("sink at %s: %v, %v", path, sink, err)
			}
		}
	}
	if diff := cmp.Diff(map[string]string{"first": "", "made/": ""}, visibleAnd(t, s)); diff != "" {
		t.Errorf("target (-want +got):\n%s", diff)
	}
}

func TestReservedNamesAreNotRead(t *testing.T) {
	dir := t.TempDir()
	part, mark := hiddenOf("a", partSuffix), hiddenOf("b", markSuffix)
	plant(t, dir, map[string]string{"a": "x", part: "x", "sub/" + mark + "/in": "x", "sub/" + hiddenPrefix + "0": "x"})
	var told problems
	s, err := OpenSource([]string{dir + "/.", filepath.Join(dir, part)}, SourceOptions{Problem: told.add})
	must(t, err)
	defer s.Close()
	var names []string
	for _, e := range walkAll(t, s) {
		if e.Kind != KindDirEnd {
			names = append(names, e.Name)
		}
	}
	slices.Sort(names)
	if diff := cmp.Diff([]string{hiddenPrefix + "0", "a", "sub"}, names); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	const why = ": skipped: leftover of a transfer"
	want := problems{filepath.Join(dir, part) + why, dir + "/./" + part + why, dir + "/./sub/" + mark + why}
	slices.Sort(want)
	slices.Sort(told)
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	if _, err := OpenSource([]string{filepath.Join(dir, part)}, SourceOptions{}); !errors.Is(err, ErrSpecial) {
		t.Errorf("as the only source: %v", err)
	}
}
