package state

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"scp_rdma/keys"
)

func TestWhereTheStateLies(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{"HOME": "/h"}, "/h/.local/state/scp_rdma"},
		{map[string]string{"HOME": "/h", "XDG_STATE_HOME": "/x"}, "/x/scp_rdma"},
		{map[string]string{"XDG_STATE_HOME": "/x"}, "/x/scp_rdma"},
		{map[string]string{"HOME": "/h", "XDG_STATE_HOME": "x"}, "/h/.local/state/scp_rdma"},
		{map[string]string{"HOME": "/h", EnvDir: "rel/state"}, "rel/state"},
		{map[string]string{}, ""},
		{map[string]string{"HOME": "h", "XDG_STATE_HOME": "x"}, ""},
	} {
		got, err := DefaultDir(func(name string) string { return c.env[name] })
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%v: %q, %v", c.env, got, err)
		}
		if err != nil && (!errors.Is(err, ErrNone) || !strings.Contains(err.Error(), "--state-dir")) {
			t.Errorf("%v: %v", c.env, err)
		}
	}
}

func TestTheDirectoryIsMadePrivateAndKeepsItsSecret(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b", "state")
	s := open(t, dir)
	for _, d := range []string{dir, filepath.Dir(dir), s.notes} {
		st, err := os.Stat(d)
		must(t, err)
		if st.Mode().Perm() != 0o700 {
			t.Errorf("%s has mode %v", d, st.Mode())
		}
	}
	if s.Secret() == (keys.Key{}) || open(t, dir).Secret() != s.Secret() {
		t.Error("the secret does not stay")
	}
	if open(t, t.TempDir()+"/other").Secret() == s.Secret() {
		t.Error("two directories have one secret")
	}
}

func TestADirectoryThatOthersMayUseIsRefusedWithTheCure(t *testing.T) {
	top := t.TempDir()
	for name, c := range map[string]struct {
		prepare func(dir string) error
		says    string
	}{
		"group":       {func(dir string) error { return os.Chmod(dir, 0o750) }, "chmod 700"},
		"others":      {func(dir string) error { return os.Chmod(dir, 0o701) }, "chmod 700"},
		"its notes":   {func(dir string) error { return os.Chmod(filepath.Join(dir, notesDir), 0o770) }, "chmod 700"},
		"another's":   {func(dir string) error { return os.Chown(dir, 65534, 65534) }, "--state-dir"},
		"open secret": {func(dir string) error { return os.Chmod(filepath.Join(dir, secretFile), 0o640) }, "chmod 600"},
	} {
		if name == "another's" && os.Geteuid() != 0 {
			continue // only root can give it away
		}
		dir := filepath.Join(top, name)
		open(t, dir)
		must(t, c.prepare(dir))
		_, err := Open(dir, nil)
		if !errors.Is(err, ErrUnsafe) && !errors.Is(err, keys.ErrUnsafe) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	file := filepath.Join(top, "file")
	must(t, os.WriteFile(file, nil, 0o600))
	if _, err := Open(file, nil); !errors.Is(err, unix.ENOTDIR) || !strings.Contains(err.Error(), file) {
		t.Errorf("a file: %v", err)
	}
}

func TestAfterAnotherBootWhatOverlapsASessionIsSuspect(t *testing.T) {
	dir := t.TempDir() + "/state"
	s := open(t, dir)
	begin(t, s, "/a/b\xff", "s")
	next := reboot(t, dir)
	for path, want := range map[string]bool{
		"/a/b\xff": true, "/a": true, "/": true, "/a/b\xff/c/d": true, "/a/b\xff/": true,
		"/a/b\xffc": false, "/a/b": false, "/a/c": false, "/b": false, "/a/b\xfe": false,
	} {
		if got := next.Suspect(path); got != want {
			t.Errorf("%q: %v", path, got)
		}
		if s.Suspect(path) {
			t.Errorf("%q is suspect under the same boot", path)
		}
	}
}

func TestASessionAtTheRootMakesAllSuspect(t *testing.T) {
	dir := t.TempDir() + "/state"
	begin(t, open(t, dir), "/", "s")
	if next := reboot(t, dir); !next.Suspect("/a") || !next.Suspect("/") {
		t.Error("not suspect")
	}
}

func TestASessionThatEndedIsRememberedUntilItsFilesAreWritten(t *testing.T) {
	dir := t.TempDir() + "/state"
	end := begin(t, open(t, dir), "/a", "s")
	end()
	end()
	if !reboot(t, dir).Suspect("/a") {
		t.Error("not suspect: it was forgotten at once")
	}
}

func TestWhatWasComparedIsSettled(t *testing.T) {
	for name, c := range map[string]struct {
		path, source string
		settles      bool
	}{
		"the same": {"/a/b", "s", true}, "all above it": {"/a", "s", true}, "a part of it": {"/a/b/c", "s", false},
		"beside it": {"/a/bc", "s", false}, "another source": {"/a/b", "other", false},
	} {
		dir := t.TempDir() + "/state"
		begin(t, open(t, dir), "/a/b", "s")
		next := reboot(t, dir)
		begin(t, next, "/a/b", "s") // of the boot that compares
		next.Settled(c.path, c.source)
		if next.Suspect("/a/b") == c.settles {
			t.Errorf("%s: suspect %v", name, !c.settles)
		}
		if n := len(noted(t, next)); n != 2 && !c.settles || n != 1 && c.settles {
			t.Errorf("%s: %d notes", name, n)
		}
	}
}

func TestASourceWithoutANameSettlesNothing(t *testing.T) {
	dir := t.TempDir() + "/state"
	begin(t, open(t, dir), "/a", "")
	next := reboot(t, dir)
	next.Settled("/a", "")
	if !next.Suspect("/a") {
		t.Error("settled")
	}
}

func TestWhatIsNoNoteIsIgnoredAndLeftAlone(t *testing.T) {
	dir := t.TempDir() + "/state"
	s := open(t, dir)
	at := func(name string) string { return filepath.Join(s.notes, name) }
	const good = `{"version":1,"boot":"b","process":{},"path":"\"/a\"","source":""`
	for name, text := range map[string]string{
		"empty": "", "no json": "x", "cut": good, "list": "[]", "null": "null",
		"later version": strings.Replace(good, ":1", ":2", 1) + "}", "no boot": strings.Replace(good, `"b"`, `""`, 1) + "}",
		"relative": strings.Replace(good, "/a", "a", 1) + "}", "unclean": strings.Replace(good, "/a", "/b/../a", 1) + "}",
		"not quoted": strings.Replace(good, `\"/a\"`, "/a", 1) + "}", "no path": `{"version":1,"boot":"b"}`,
		"large": good + "}" + strings.Repeat(" ", maxNote), unfinished + "draft": good + "}",
	} {
		must(t, os.WriteFile(at(name), []byte(text), 0o600))
	}
	must(t, os.Mkdir(at("directory"), 0o700))
	must(t, unix.Mkfifo(at("fifo"), 0o600))
	must(t, os.Symlink("x", at("symlink")))
	before := noted(t, s)
	if s.Suspect("/") {
		t.Error("one of them is taken for a note")
	}
	s.round(t.Context())
	if after := noted(t, s); !slices.Equal(before, after) {
		t.Errorf("before %q, after %q", before, after)
	}
	must(t, os.WriteFile(at("good"), []byte(good+"}"), 0o600))
	if !s.Suspect("/") {
		t.Error("the one that they were made of is not a note either")
	}
}

func TestWhenNotesCantBeReadAllIsSuspect(t *testing.T) {
	s := open(t, t.TempDir()+"/state")
	must(t, os.Remove(s.notes))
	if !s.Suspect("/a") {
		t.Error("not suspect")
	}
	if _, err := s.Begin("/a", "s"); err == nil {
		t.Error("a session was noted nowhere")
	}
}

func TestBeginRefusesWhatItCouldNotReadBack(t *testing.T) {
	s := open(t, t.TempDir()+"/state")
	for _, path := range []string{"", "a", "/" + strings.Repeat("a", maxNote)} {
		if _, err := s.Begin(path, "s"); !errors.Is(err, errNote) {
			t.Errorf("%d bytes: %v", len(path), err)
		}
	}
	if n := noted(t, s); len(n) != 0 {
		t.Errorf("left behind: %v", n)
	}
}

func FuzzParseNote(f *testing.F) {
	f.Add([]byte(`{"version":1,"boot":"b","process":{"pid":1,"started":2,"space":"pid:[3]"},"path":"\"/a\\xff\"","source":"s"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		n, err := parseNote(text)
		if err != nil {
			return
		}
		if p := string(n.Path); !filepath.IsAbs(p) || filepath.Clean(p) != p || n.Boot == "" {
			t.Errorf("%+v", n)
		}
	})
}
