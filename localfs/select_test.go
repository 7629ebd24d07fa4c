package localfs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// kept shows what of a tree is walked.
func kept(t *testing.T, o SourceOptions, args ...string) string {
	t.Helper()
	s, err := OpenSource(args, o)
	must(t, err)
	defer func() { must(t, s.Close()) }()
	var list []string
	for _, line := range show(t, s) {
		if f := strings.Fields(line); f[0] != "end" {
			list = append(list, f[1])
		}
	}
	return strings.Join(list, " ")
}

func TestWhatIsExcludedIsNotWalked(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, map[string]string{"d/a": "", "d/sub/b": "", "d/sub/no/c": "", "d/no/x": "", "d/e": ""})
	must(t, unix.Mkfifo(filepath.Join(dir, "d/fifo"), 0o600))
	var asked []string
	o := SourceOptions{
		Exclude: func(path string, dir bool) bool {
			asked = append(asked, path)
			base := path[strings.LastIndexByte(path, '/')+1:]
			return base == "fifo" || base == "no" && dir
		},
		Problem: func(path string, err error) { t.Errorf("%s: %v", path, err) },
	}
	if got := kept(t, o, dir+"/d"); got != "/d /d/sub /d/a /d/e /d/sub/b" {
		t.Error(got)
	}
	for _, p := range asked {
		if p != "d" && !strings.HasPrefix(p, "d/") || strings.Contains(p, "no/") {
			t.Errorf("asked about %s", p)
		}
	}
	asked = nil
	if got := kept(t, o, dir+"/d/."); got != "/sub /a /e /sub/b" {
		t.Error(got)
	}
	for _, p := range asked {
		if strings.HasPrefix(p, "d/") {
			t.Errorf("asked about %s", p)
		}
	}
}

func TestOnlyWhatIsListedIsWalked(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, map[string]string{"a/b/c": "", "a/b/d": "", "a/x/y": "", "a/x/z": "", "w/1": "", "w/2/3": "", "n": ""})
	only, err := NewOnly([]string{"a/b/c", "/w", "./n", "gone", "a/x/no", "w/2"})
	must(t, err)
	var p problems
	got := kept(t, SourceOptions{Only: only, Problem: p.add}, dir+"/.")
	if got != "/a /a/b /a/x /w /w/2 /a/b/c /n /w/1 /w/2/3" {
		t.Error(got)
	}
	if len(p) != 2 || !strings.Contains(p[0]+p[1], "/gone: ") || !strings.Contains(p[0]+p[1], "/a/x/no: ") {
		t.Errorf("%q", p)
	}
	all, err := NewOnly([]string{"."})
	must(t, err)
	if got := kept(t, SourceOptions{Only: all}, dir+"/w"); got != "/w /w/2 /w/1 /w/2/3" {
		t.Error(got)
	}
	if _, err := NewOnly([]string{"a/../b"}); !errors.Is(err, ErrUsage) {
		t.Error(err)
	}
}

func TestAnotherFileSystemIsNotEntered(t *testing.T) {
	if !root() {
		return // the same test runs as root too
	}
	dir := t.TempDir()
	plant(t, dir, map[string]string{"d/mnt/": "", "d/a": ""})
	must(t, unix.Mount("none", filepath.Join(dir, "d/mnt"), "tmpfs", 0, ""))
	defer func() { must(t, unix.Unmount(filepath.Join(dir, "d/mnt"), 0)) }()
	must(t, os.WriteFile(filepath.Join(dir, "d/mnt/x"), nil, 0o600))
	for _, arg := range []string{"/d", "/d/."} {
		if got := kept(t, SourceOptions{OneFS: true}, dir+arg); strings.HasSuffix(got, "/x") || !strings.Contains(got, "/mnt") {
			t.Error(got)
		}
		if got := kept(t, SourceOptions{}, dir+arg); !strings.Contains(got, "/mnt/x") {
			t.Error(got)
		}
	}
}
