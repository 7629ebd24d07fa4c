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

// forgeries change what a session left. victim is a file outside.
func forgeries() map[string]struct {
	forge func(part, journal, victim string) error
	want  string // in the error
} {
	other := func(what func(part, journal string) string, make func(path, victim string) error) func(part, journal, victim string) error {
		return func(part, journal, victim string) error {
			path := what(part, journal)
			return errors.Join(os.Remove(path), make(path, victim))
		}
	}
	part := func(part, _ string) string { return part }
	journal := func(_, journal string) string { return journal }
	link := func(path, victim string) error { return os.Symlink(victim, path) }
	hard := func(path, victim string) error { return os.Link(victim, path) }
	fifo := func(path, _ string) error { return unix.Mkfifo(path, 0o600) }
	list := map[string]struct {
		forge func(part, journal, victim string) error
		want  string
	}{
		"a symbolic link":                {other(part, link), "no regular file"},
		"a fifo":                         {other(part, fifo), "no regular file"},
		"a hard link":                    {other(part, hard), "it has 2 names"},
		"another mode":                   {func(part, _, _ string) error { return os.Chmod(part, 0o620) }, "its mode is 0620"},
		"a mode that denies it":          {func(part, _, _ string) error { return os.Chmod(part, 0) }, ""},
		"a mode that denies writing":     {func(part, _, _ string) error { return os.Chmod(part, 0o400) }, ""},
		"longer":                         {func(part, _, _ string) error { return os.Truncate(part, 5) }, "half a file of 5 bytes, the source has 4 now"},
		"shorter":                        {func(part, _, _ string) error { return os.Truncate(part, 3) }, "half a file of 3 bytes, the source has 4 now"},
		"no journal":                     {func(_, journal, _ string) error { return os.Remove(journal) }, "without a journal"},
		"a symbolic link as journal":     {other(journal, link), "no regular file"},
		"a dangling one":                 {other(journal, func(path, victim string) error { return os.Symlink(victim+"x", path) }), "no regular file"},
		"a fifo as journal":              {other(journal, fifo), "no regular file"},
		"a hard link as journal":         {other(journal, hard), "it has 2 names"},
		"a journal of another mode":      {func(_, journal, _ string) error { return os.Chmod(journal, 0o644) }, "its mode is 0644"},
		"a journal that nobody believes": {func(_, journal, _ string) error { return os.Truncate(journal, maxJournal+1) }, "a journal of 268435457 bytes"},
	}
	if root() {
		list["of another user"] = struct {
			forge func(part, journal, victim string) error
			want  string
		}{func(part, _, _ string) error { return os.Chown(part, nobody, nobody) }, "it belongs to user 65534"}
		list["a journal of another user"] = struct {
			forge func(part, journal, victim string) error
			want  string
		}{func(_, journal, _ string) error { return os.Chown(journal, nobody, 0) }, "it belongs to user 65534"}
	}
	return list
}

func TestForgeriesAreNotBelieved(t *testing.T) {
	for name, tt := range forgeries() {
		for _, ask := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				top := t.TempDir()
				plant(t, top, map[string]string{"root/": "", "victim": "untouched"})
				must(t, os.Chmod(filepath.Join(top, "victim"), 0o600))
				s := begin(t, filepath.Join(top, "root"), SinkOptions{})
				s.leaveHalf(t, "f", "text", 4, "journal")
				must(t, tt.forge(partOf(s, "f"), journalOf(s, "f"), filepath.Join(top, "victim")))
				if ask {
					h, journal, err := s.OpenHalf(filePut(s.base.Dir, "f", "text"))
					if !errors.Is(err, ErrUnsafe) || !strings.Contains(err.Error(), tt.want) || errors.Is(err, fs.ErrNotExist) != (name == "no journal") {
						t.Errorf("opened %v with %q, %v", h, journal, err)
					}
					if _, err := os.Lstat(partOf(s, "f")); !errors.Is(err, fs.ErrNotExist) {
						t.Errorf("not removed: %v", err)
					}
				}
				h := s.mustCreateHalf(t, "f", "next", 4)
				must(t, h.Note([]byte("new")))
				must(t, h.Commit())
				if diff := cmp.Diff(map[string]string{"root/": "", "root/f": "next", "victim": "untouched"}, picture(t, top)); diff != "" {
					t.Errorf("after all (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestWhatCantBeRemovedIsNotUsed(t *testing.T) {
	for _, suffix := range []string{partSuffix, journalSuffix} {
		s := begin(t, t.TempDir(), SinkOptions{})
		s.leaveHalf(t, "f", "text", 4, "journal")
		path := filepath.Join(s.dir, hiddenOf("f", suffix))
		must(t, os.Remove(path))
		must(t, os.Mkdir(path, 0o700))
		refused(t, s.Sink, filePut(s.base.Dir, "f", "text"))
		must(t, os.Remove(path))
		s.mustCreateHalf(t, "f", "text", 0).Discard()
		if tree := picture(t, s.dir); len(tree) != 0 {
			t.Errorf("left: %v", tree)
		}
	}
}

// refused sees that neither way takes what lies there, if anything is taken for a half.
func refused(t *testing.T, s *Sink, p Put) {
	t.Helper()
	for range 2 {
		h, err := s.CreateHalf(p)
		if !errors.Is(err, ErrUnsafe) || errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "can't be removed") {
			t.Errorf("created %v, %v", h, err)
		}
		if h, _, err := s.OpenHalf(p); !errors.Is(err, ErrUnsafe) && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("opened %v, %v", h, err)
		}
	}
}

// In a sticky directory nobody can remove what is another's.
func TestASharedDirectoryWithForgeries(t *testing.T) {
	dir := filepath.Join(filepath.Dir(os.TempDir()), stickyDir)
	if _, err := os.Stat(dir); root() || err != nil {
		return // TestEverythingAsNobody runs this, with a directory of root's
	}
	s := begin(t, dir, SinkOptions{})
	before := picture(t, dir)
	for _, name := range []string{"closed", "open", "journal"} {
		p := filePut(s.base.Dir, name, "text")
		refused(t, s.Sink, p)
		f, err := s.CreateFile(p)
		must(t, err)
		must(t, f.WriteAt([]byte("text"), 0))
		must(t, f.Commit())
		before[name] = "text"
	}
	if diff := cmp.Diff(before, picture(t, dir)); diff != "" {
		t.Errorf("target (-want +got):\n%s", diff)
	}
}

// Somebody who keeps to no locks puts another file in the place of one that is written.
func TestWhatTookTheNameIsLeftAlone(t *testing.T) {
	for _, end := range []string{"commit", "discard"} {
		s := begin(t, t.TempDir(), SinkOptions{})
		h := s.mustCreateHalf(t, "f", "text", 4)
		must(t, h.Note([]byte("journal")))
		for _, path := range []string{partOf(s, "f"), journalOf(s, "f")} {
			must(t, os.Remove(path))
			must(t, os.WriteFile(path, []byte("theirs"), 0o600))
		}
		if end == "commit" {
			if err := h.Commit(); err == nil || !strings.Contains(err.Error(), "replaced meanwhile") {
				t.Errorf("commit: %v", err)
			}
		}
		h.Discard()
		want := map[string]string{hiddenOf("f", partSuffix): "theirs", hiddenOf("f", journalSuffix): "theirs"}
		if diff := cmp.Diff(want, picture(t, s.dir)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", end, diff)
		}
	}
}

// What only fails for the moment costs no half file.
func TestWithoutDescriptorsHalfAFileStays(t *testing.T) {
	s := begin(t, t.TempDir(), SinkOptions{})
	s.leaveHalf(t, "f", "text", 4, "journal")
	p := filePut(s.base.Dir, "f", "text")
	var limit unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	room, err := os.Open("/dev/null")
	must(t, err)
	low := limit
	low.Cur = uint64(room.Fd()) + 1 // one more, for the file
	must(t, room.Close())
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &low))
	_, _, openErr := s.OpenHalf(p)
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
	if !errors.Is(openErr, unix.EMFILE) {
		t.Errorf("opened with no room for the journal: %v", openErr)
	}
	h, journal, err := s.OpenHalf(p)
	must(t, err)
	if string(journal) != "journal" {
		t.Errorf("journal %q", journal)
	}
	h.Discard()
}
