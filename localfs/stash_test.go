package localfs

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func groupPut(d *Dir, name, text string, group uint64, last bool) Put {
	p := filePut(d, name, text)
	p.Group, p.GroupLast = group, last
	return p
}

// mustLink links a name into its group.
func (s *session) mustLink(t *testing.T, d *Dir, name string, group uint64, last bool) {
	t.Helper()
	ok, err := s.Link(groupPut(d, name, "", group, last))
	if !ok || err != nil {
		t.Fatalf("link %s: %v, %v", name, ok, err)
	}
}

func TestLinksBecomeOneFile(t *testing.T) {
	everyWay(t, func(t *testing.T, s *session) {
		plant(t, s.dir, map[string]string{"old": "old", "dir/keep": "k"})
		d := s.mustMkdir(t, s.base.Dir, "sub")
		must(t, s.PutFile(groupPut(s.base.Dir, "a", "text", 7, false), []byte("text")))
		for range 2 { // the second time onto themselves
			s.mustLink(t, d, "b", 7, false)
			s.mustLink(t, s.base.Dir, "old", 7, false)
		}
		for _, last := range []bool{false, true} {
			if ok, err := s.Link(groupPut(s.base.Dir, "dir", "", 7, last)); ok || !errors.Is(err, unix.EISDIR) {
				t.Errorf("onto a directory: %v, %v", ok, err)
			}
		}
		s.mustLink(t, s.base.Dir, "z", 7, true)
		if ok, err := s.Link(groupPut(s.base.Dir, "more", "", 7, false)); ok || err != nil {
			t.Errorf("after the last: %v, %v", ok, err)
		}
		st := lstatOf(t, s.dir, "a")
		if st.Nlink != 4 {
			t.Errorf("%d links, want 4", st.Nlink)
		}
		for _, name := range []string{"sub/b", "old", "z"} {
			if got := lstatOf(t, s.dir, name); got.Ino != st.Ino {
				t.Errorf("%s is another file", name)
			}
		}
	})
}

func TestLastLinkOntoItself(t *testing.T) {
	s := begin(t, t.TempDir(), SinkOptions{})
	must(t, s.PutFile(groupPut(s.base.Dir, "a", "x", 1, false), []byte("x")))
	s.mustLink(t, s.base.Dir, "a", 1, true)
	must(t, s.Close()) // begin's cleanup sees that nothing is left
	if st := lstatOf(t, s.dir, "a"); st.Nlink != 1 {
		t.Errorf("%d links", st.Nlink)
	}
}

func TestNoFileToLinkTo(t *testing.T) {
	everyWay(t, func(t *testing.T, s *session) {
		ask := func(group uint64) {
			t.Helper()
			if ok, err := s.Link(groupPut(s.base.Dir, "x", "", group, false)); ok || err != nil {
				t.Errorf("link: %v, %v", ok, err)
			}
		}
		ask(1) // nothing at all yet
		must(t, s.PutFile(groupPut(s.base.Dir, "only", "", 3, true), nil))
		ask(3) // it was said to be the last
		must(t, s.PutFile(groupPut(s.base.Dir, "a", "", 1, false), nil))
		ask(2)
		ask(0)
		if err := s.PutFile(groupPut(s.base.Dir, "only", "1", 4, false), nil); err == nil {
			t.Error("a file of the wrong size was put")
		}
		ask(4) // the first was never committed
		f, err := s.CreateFile(groupPut(s.base.Dir, "b", "", 5, false))
		must(t, err)
		ask(5)
		must(t, f.Commit())
		s.mustLink(t, s.base.Dir, "c", 5, false)
	})
}

func TestAFailedFirstFileIsNotLinkedTo(t *testing.T) {
	everyWay(t, func(t *testing.T, s *session) {
		plant(t, s.dir, map[string]string{"dir/": ""})
		must(t, s.PutFile(groupPut(s.base.Dir, "a", "", 1, false), nil)) // there is a stash
		if err := s.PutFile(groupPut(s.base.Dir, "dir", "", 2, false), nil); !errors.Is(err, unix.EISDIR) {
			t.Errorf("onto a directory: %v", err)
		}
		if ok, err := s.Link(groupPut(s.base.Dir, "b", "", 2, false)); ok || err != nil {
			t.Errorf("link to what was never named: %v, %v", ok, err)
		}
	})
}

func TestTheFileSentAgainIsTheOneToLinkTo(t *testing.T) {
	everyWay(t, func(t *testing.T, s *session) {
		for _, text := range []string{"first", "again"} {
			must(t, s.PutFile(groupPut(s.base.Dir, text, text, 1, false), []byte(text)))
		}
		s.mustLink(t, s.base.Dir, "b", 1, true)
		b, err := os.ReadFile(filepath.Join(s.dir, "b"))
		must(t, err)
		if string(b) != "again" {
			t.Errorf("linked to %q", b)
		}
	})
}

// TestLinksAcrossDevices: the target has another file system mounted in it.
func TestLinksAcrossDevices(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "mnt"), 0o755))
	err := unix.Mount("tmpfs", filepath.Join(dir, "mnt"), "tmpfs", 0, "size=1m")
	if !root() {
		if !errors.Is(err, unix.EPERM) {
			t.Errorf("mount without rights: %v", err)
		}
		return
	}
	must(t, err)
	t.Cleanup(func() { must(t, unix.Unmount(filepath.Join(dir, "mnt"), 0)) })
	s := begin(t, dir, SinkOptions{})
	must(t, s.PutFile(groupPut(s.base.Dir, "a", "x", 1, false), []byte("x")))
	d := s.mustMkdir(t, s.base.Dir, "mnt")
	for _, last := range []bool{false, true} {
		p := groupPut(d, "b", "x", 1, last)
		if ok, err := s.Link(p); ok || err != nil {
			t.Errorf("link: %v, %v", ok, err)
		}
		must(t, s.PutFile(p, []byte("x")))
	}
	s.mustLink(t, s.base.Dir, "c", 1, true)
	if diff := cmp.Diff(map[string]string{"a": "x", "c": "x", "mnt/": "", "mnt/b": "x"}, visible(picture(t, dir))); diff != "" {
		t.Errorf("target (-want +got):\n%s", diff)
	}
}
