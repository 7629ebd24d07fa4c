package localfs

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hanwen/go-fuse/v2/fs"
)

// onFuse says whether this user may mount, and sees that others may not.
func onFuse(t *testing.T) bool {
	t.Helper()
	if root() {
		return true
	}
	if server, err := fs.Mount(t.TempDir(), &foldNode{fsys: &foldFS{}}, foldDenied()); err == nil {
		server.Unmount()
		t.Error("mounted without rights")
	}
	return false
}

func foldDenied() *fs.Options {
	o := &fs.Options{}
	o.DirectMountStrict = true
	return o
}

func collides(t *testing.T, what string, err error, names ...string) {
	t.Helper()
	if !errors.Is(err, ErrCollision) {
		t.Errorf("%s: %v", what, err)
		return
	}
	for _, name := range names {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v does not name %s", what, err, name)
		}
	}
}

func TestNamesThatFallTogetherAreNotLost(t *testing.T) {
	if !onFuse(t) {
		return
	}
	dir := mountFold(t)
	plant(t, dir, map[string]string{"Old": "old", "OldDir/x": "x"})
	s := begin(t, dir, SinkOptions{})
	s.mustPut(t, s.base.Dir, "old", "new") // not of this session: replaced, as everywhere
	s.mustPut(t, s.base.Dir, "Readme", "first")
	s.mustPut(t, s.base.Dir, "Readme", "again")
	collides(t, "file on file", s.PutFile(filePut(s.base.Dir, "README", "x"), []byte("x")), "README", "Readme")
	d := s.mustMkdir(t, s.base.Dir, "Dir")
	_, err := s.Mkdir(s.base.Dir, "dir")
	collides(t, "directory on directory", err, "dir", "Dir")
	_, err = s.Mkdir(s.base.Dir, "readme")
	collides(t, "directory on file", err, "readme", "Readme")
	collides(t, "link on file", s.Symlink(s.base.Dir, "rEADME", "x", Meta{}), "rEADME", "Readme")
	must(t, s.Symlink(s.base.Dir, "Link", "to", Meta{}))
	collides(t, "file on link", s.PutFile(filePut(s.base.Dir, "LINK", ""), nil), "LINK", "Link")
	collides(t, "file on directory", s.PutFile(filePut(s.base.Dir, "DIR", ""), nil), "DIR", "Dir")

	// A new directory is like the one it is made in, one that was there is looked at.
	for _, d := range []*Dir{d, s.mustMkdir(t, s.base.Dir, "OldDir")} {
		s.mustPut(t, d, "1", "no letters: nothing is learned")
		s.mustPut(t, d, "a", "a")
		collides(t, "in "+d.node.name, s.PutFile(filePut(d, "A", ""), nil), "A", "a")
		must(t, s.FinishDir(d, Meta{Mode: 0o755}))
	}

	must(t, s.PutFile(groupPut(s.base.Dir, "linked", "l", 1, false), []byte("l")))
	_, err = s.Link(groupPut(s.base.Dir, "READme", "", 1, false))
	collides(t, "hard link on file", err, "READme", "Readme")
	want := map[string]string{
		"old": "new", "Readme": "again", "Dir/": "", "Dir/1": "no letters: nothing is learned", "Dir/a": "a", "Link": "-> to", "linked": "l",
		"OldDir/": "", "OldDir/x": "x", "OldDir/1": "no letters: nothing is learned", "OldDir/a": "a",
	}
	got := picture(t, dir)
	for name := range got {
		if strings.HasPrefix(name, s.hidden) { // the stash
			delete(got, name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("target (-want +got):\n%s", diff)
	}
	if how := s.deviceOf(s.base.Dir).how; how != methodRename {
		t.Errorf("method %d where there is no O_TMPFILE", how)
	}
}

// TestTheFirstTwoNamesFallTogether: nothing is known of the directory yet when
// both come, at once.
func TestTheFirstTwoNamesFallTogether(t *testing.T) {
	if !onFuse(t) {
		return
	}
	dir := mountFold(t)
	for i := range 20 {
		sub := fmt.Sprintf("%d", i)
		plant(t, dir, map[string]string{sub + "/": ""})
		s := beginAt(t, dir, SinkOptions{}, Target{Path: sub + "/", Tops: 1})
		var lost atomic.Int32
		var wg sync.WaitGroup
		for _, name := range []string{"a", "A"} {
			wg.Go(func() {
				if err := s.PutFile(filePut(s.base.Dir, name, name), []byte(name)); errors.Is(err, ErrCollision) {
					lost.Add(1)
				}
			})
		}
		wg.Wait()
		if lost.Load() != 1 {
			t.Fatalf("%d collisions", lost.Load())
		}
	}
}

func TestCaseMattersElsewhere(t *testing.T) {
	everyWay(t, func(t *testing.T, s *session) {
		d := s.mustMkdir(t, s.base.Dir, "d")
		if d.fold.state.Load() != foldNo {
			t.Error("a new directory does not know what its parent knows")
		}
		for _, dir := range []*Dir{s.base.Dir, d} {
			s.mustPut(t, dir, "a", "a")
			s.mustPut(t, dir, "A", "A")
		}
		want := map[string]string{"d/": "", "a": "a", "A": "A", "d/a": "a", "d/A": "A"}
		if diff := cmp.Diff(want, picture(t, s.dir)); diff != "" {
			t.Errorf("target (-want +got):\n%s", diff)
		}
		if d.fold.state.Load() != foldNo || d.fold.made != nil {
			t.Error("names are still being watched")
		}
	})
}

// TestOpenFilesThatCannotBeNamed: this file system opens O_TMPFILE and then
// refuses to link it.
func TestOpenFilesThatCannotBeNamed(t *testing.T) {
	if !onFuse(t) {
		return
	}
	second := time.Second
	behind := t.TempDir()
	node, err := fs.NewLoopbackRoot(behind)
	must(t, err)
	// The kernel tells the server of a close some time after it, and an unmount
	// drops what it hasn't told: the server's descriptor would stay for ever.
	dir := mountFuse(t, node, &fs.Options{EntryTimeout: &second, AttrTimeout: &second})
	t.Cleanup(func() {
		eventually(t, "the server to close its files", func() bool {
			return !slices.ContainsFunc(openFiles(), func(f string) bool { return strings.HasPrefix(f, behind) })
		})
	})
	s := begin(t, dir, SinkOptions{})
	s.mustPut(t, s.base.Dir, "f", "text")
	s.mustPut(t, s.base.Dir, "f", "more")
	if how := s.deviceOf(s.base.Dir).how; how != methodRename {
		t.Errorf("method %d", how)
	}
	if diff := cmp.Diff(map[string]string{"f": "more"}, picture(t, dir)); diff != "" {
		t.Errorf("target (-want +got):\n%s", diff)
	}
}
