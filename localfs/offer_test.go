package localfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// offered is a tree below a root, with much around it that is nobody's business.
func offered(t *testing.T, walks bool) *Root {
	t.Helper()
	dir := t.TempDir()
	plant(t, dir, map[string]string{
		"outside/secret": "x", "in/a.bin": "1", "in/b.bin": "22", "in/.hidden.bin": "3", "in/[x].bin": "4", "in/x.bin": "5",
		"in/sub/f": "6", "in/sub/deep/g": "7", "in/sub2/f": "8",
	})
	must(t, os.Symlink("../outside", filepath.Join(dir, "in/out")))
	must(t, os.Symlink("/", filepath.Join(dir, "in/slash")))
	must(t, os.Symlink("sub/deep", filepath.Join(dir, "in/near")))
	r, err := OpenRoot(filepath.Join(dir, "in"), false)
	must(t, err)
	t.Cleanup(func() { must(t, r.Close()) })
	r.walks = walks
	return r
}

func TestWhatAClientAsksForMeans(t *testing.T) { bothWays(t, whatAClientAsksForMeans) }

func whatAClientAsksForMeans(t *testing.T, walks bool) {
	r := offered(t, walks)
	for _, tt := range []struct {
		asked []string
		want  string
	}{
		{[]string{"a.bin"}, "file /a.bin 1 as a.bin"},
		{[]string{"/a.bin", "sub"}, "dir /sub as sub, dir /sub/deep as sub/deep, end /sub as sub, end /sub/deep as sub/deep, file /a.bin 1 as a.bin, file /sub/deep/g 1 as sub/deep/g, file /sub/f 1 as sub/f"},
		{[]string{"sub/deep"}, "dir /deep as sub/deep, end /deep as sub/deep, file /deep/g 1 as sub/deep/g"},
		{[]string{"sub/deep/."}, "file /g 1 as sub/deep/g"},
		{[]string{"near/g"}, "file /g 1 as sub/deep/g"},
		{[]string{"near"}, "link /near -> sub/deep"},
		{[]string{"out"}, "link /out -> ../outside"}, // as it is
		{[]string{"[x].bin"}, "file /[x].bin 1 as [x].bin"},
		{[]string{"[ab].bin"}, "file /a.bin 1 as a.bin, file /b.bin 2 as b.bin"},
		{[]string{"*.bin"}, "file /[x].bin 1 as [x].bin, file /a.bin 1 as a.bin, file /b.bin 2 as b.bin, file /x.bin 1 as x.bin"},
		{[]string{".*.bin"}, "file /.hidden.bin 1 as .hidden.bin"},
		{[]string{"su*/f"}, "file /f 1 as sub/f, file /f 1 as sub2/f"},
		{[]string{"*/deep"}, "dir /deep as sub/deep, end /deep as sub/deep, file /deep/g 1 as sub/deep/g"},
		{[]string{"sub2/."}, "file /f 1 as sub2/f"},
	} {
		s, err := r.SourceAt("", tt.asked, SourceOptions{})
		must(t, err)
		if got := strings.Join(show(t, s), ", "); got != tt.want {
			t.Errorf("%q: %s", tt.asked, cmp.Diff(tt.want, got))
		}
		must(t, s.Close())
	}
	s, err := r.SourceAt("sub", []string{""}, SourceOptions{})
	must(t, err)
	want := "dir /deep as deep, end /deep as deep, file /deep/g 1 as deep/g, file /f 1 as f"
	if got := strings.Join(show(t, s), ", "); got != want {
		t.Error(cmp.Diff(want, got))
	}
	must(t, s.Close())
}

func TestWhatAClientMayNotHave(t *testing.T) { bothWays(t, whatAClientMayNotHave) }

func whatAClientMayNotHave(t *testing.T, walks bool) {
	r := offered(t, walks)
	fds := openFDs()
	for asked, want := range map[string]error{
		"../outside/secret": ErrUsage, "sub/../../outside": ErrUsage, "out/secret": errOutside, "slash/etc": errOutside, "out/.": errOutside,
		"out/sec*": errOutside, "*/secret": fs.ErrNotExist, "no": fs.ErrNotExist, "no*": fs.ErrNotExist, "near/": ErrUsage, "x\x00": ErrUsage,
	} {
		s, err := r.SourceAt("", []string{asked}, SourceOptions{})
		if err == nil {
			t.Errorf("%q is sent: %v", asked, show(t, s))
			continue
		}
		if !errors.Is(err, want) {
			t.Errorf("%q: %v", asked, err)
		}
	}
	if _, err := r.SourceAt("out", []string{"secret"}, SourceOptions{}); !errors.Is(err, errOutside) {
		t.Errorf("below a link that leads out: %v", err)
	}
	if _, err := r.SourceAt("", []string{"a.bin"}, SourceOptions{Follow: true}); !errors.Is(err, ErrUsage) {
		t.Errorf("links to follow: %v", err)
	}
	if n := openFDs(); n != fds {
		t.Errorf("%d descriptors, there were %d: %v", n, fds, openFiles())
	}
}

// A link that comes into the way after it was looked at leads nowhere: every name on the
// way is opened by itself.
func TestALinkThatComesIntoTheWayOfASourceIsNotFollowed(t *testing.T) {
	bothWays(t, linkThatComesIntoTheWay)
}

func linkThatComesIntoTheWay(t *testing.T, walks bool) {
	r := offered(t, walks)
	s, err := r.SourceAt("", []string{"sub/deep/g", "sub"}, SourceOptions{})
	must(t, err)
	defer func() { must(t, s.Close()) }()
	s.h.mu.Lock()
	s.h.evict(0)
	s.h.mu.Unlock()
	in := r.Path()
	must(t, os.Rename(filepath.Join(in, "sub"), filepath.Join(in, "was")))
	must(t, os.Symlink("../outside", filepath.Join(in, "sub")))
	plant(t, filepath.Dir(in), map[string]string{"outside/deep/g": "secret"})
	for _, e := range walkAll(t, s) {
		if e.Kind == KindFile {
			t.Errorf("%s of %d bytes is sent", s.Path(e), e.Size)
		}
	}
}
