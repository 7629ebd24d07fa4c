package localfs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// clean runs Clean on a directory of its own.
func clean(t *testing.T, dir string, before time.Time) (removed []string, told problems) {
	t.Helper()
	r, err := OpenRoot(dir, false)
	must(t, err)
	defer r.Close()
	must(t, r.Clean(before, func(path string) { removed = append(removed, path) }, told.add))
	slices.Sort(removed)
	return removed, told
}

// age sets the mtimes of what is below dir to some days ago.
func age(t *testing.T, dir string, days int, names ...string) {
	t.Helper()
	at := time.Now().AddDate(0, 0, -days)
	for _, name := range names {
		ts := []unix.Timespec{{Sec: at.Unix()}, {Sec: at.Unix()}}
		must(t, unix.UtimesNanoAt(unix.AT_FDCWD, filepath.Join(dir, name), ts, unix.AT_SYMLINK_NOFOLLOW))
	}
}

const sessionOf = hiddenPrefix + "0123456789abcdef."

func TestCleanGoesByAge(t *testing.T) {
	aWeekAgo := time.Now().AddDate(0, 0, -7)
	part := func(name string) string { return hiddenOf(name, partSuffix) }
	journal := func(name string) string { return hiddenOf(name, journalSuffix) }
	for place, dir := range places(t) {
		t.Run(place, func(t *testing.T) {
			days := map[string]int{ // their age
				part("old"): 8, journal("old"): 9, part("young"): 1, journal("young"): 30,
				part("noted"): 30, journal("noted"): 1, part("bare"): 8, journal("alone"): 8, journal("newly"): 1,
				hiddenOf("m", markSuffix): 8, hiddenOf("n", markSuffix): 1, "d/e/" + part("deep"): 8, "mine.part": 8,
			}
			want := []string{part("old"), journal("old"), part("bare"), journal("alone"), hiddenOf("m", markSuffix), "d/e/" + part("deep")}
			for name, n := range days {
				plant(t, dir, map[string]string{name: "x"})
				must(t, os.Chmod(filepath.Join(dir, name), 0o600))
				age(t, dir, n, name)
			}
			before := picture(t, dir)
			removed, told := clean(t, dir, aWeekAgo)
			for _, name := range want {
				delete(before, name)
			}
			slices.Sort(want)
			if diff := cmp.Diff(want, removed); diff != "" || told != nil {
				t.Errorf("problems %q, removed (-want +got):\n%s", told, diff)
			}
			if diff := cmp.Diff(before, picture(t, dir)); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}
		})
	}
}

// Their mtimes are the source's, so it is since when nobody changed anything that counts.
func TestCleanRemovesTemporariesOfASession(t *testing.T) {
	dir := t.TempDir()
	tree := map[string]string{
		sessionOf + "1": "x", "d/" + sessionOf + "ff": "-> ../victim", sessionOf + "links/1": "x", sessionOf + "links/2": "x",
		"victim": "v", sessionOf + "2/in": "x", sessionOf + "x": "x", hiddenPrefix + "1": "x", hiddenPrefix: "x", "d/" + sessionOf + "links": "x",
	}
	plant(t, dir, tree)
	must(t, os.Chmod(filepath.Join(dir, sessionOf+"links"), 0o700))
	age(t, dir, 8, sessionOf+"1", "d/"+sessionOf+"ff", sessionOf+"links")
	if removed, told := clean(t, dir, time.Now().AddDate(0, 0, -7)); !slices.Equal(removed, []string{sessionOf + "links"}) || told != nil {
		t.Errorf("old by mtime: removed %q, problems %q", removed, told)
	}
	removed, told := clean(t, dir, time.Now().Add(time.Hour))
	want := []string{sessionOf + "1", "d/" + sessionOf + "ff"}
	if diff := cmp.Diff(want, removed); diff != "" || told != nil {
		t.Errorf("problems %q, removed (-want +got):\n%s", told, diff)
	}
	left := map[string]string{
		"victim": "v", "d/": "", sessionOf + "2/": "", sessionOf + "2/in": "x", sessionOf + "x": "x",
		hiddenPrefix + "1": "x", hiddenPrefix: "x", "d/" + sessionOf + "links": "x",
	}
	if diff := cmp.Diff(left, picture(t, dir)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

func TestCleanLeavesWhatATransferUses(t *testing.T) {
	for place, dir := range places(t) {
		t.Run(place, func(t *testing.T) {
			s := begin(t, dir, SinkOptions{})
			s.use(t, methodRename)
			h := s.mustCreateHalf(t, "half", "text", 4)
			must(t, h.Note([]byte("j")))
			f, err := s.CreateFile(filePut(s.base.Dir, "pieces", "text"))
			must(t, err)
			must(t, f.WriteAt([]byte("text"), 0))
			must(t, s.PutFile(groupPut(s.base.Dir, "a", "x", 1, false), []byte("x")))
			before := picture(t, dir)
			for name := range before {
				age(t, dir, 30, name)
			}
			for range 2 {
				if removed, told := clean(t, dir, time.Now().Add(time.Hour)); removed != nil || told != nil {
					t.Errorf("removed %q, problems %q", removed, told)
				}
			}
			if diff := cmp.Diff(before, picture(t, dir)); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}
			must(t, f.Commit())
			s.mustLink(t, s.base.Dir, "b", 1, false)
			h.Keep()
			removed, _ := clean(t, dir, time.Now().Add(time.Hour))
			want := []string{hiddenOf("half", partSuffix), hiddenOf("half", journalSuffix)}
			slices.Sort(want)
			if diff := cmp.Diff(want, removed); diff != "" {
				t.Errorf("removed afterwards (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCleanLeavesWhatIsNotOurs(t *testing.T) {
	top := t.TempDir()
	part := hiddenOf("f", partSuffix)
	plant(t, top, map[string]string{
		"victim": "v", "out/" + part: "x", "root/link": "-> ../out", "root/" + part: "-> ../victim", "root/d/" + part + "/in": "x",
		"root/e/" + sessionOf + "links/dir/in": "x",
	})
	must(t, os.Chmod(filepath.Join(top, "root/e", sessionOf+"links"), 0o700))
	must(t, unix.Mkfifo(filepath.Join(top, "root", hiddenOf("f", journalSuffix)), 0o600))
	if root() {
		plant(t, top, map[string]string{"root/g/" + part: "x", "root/g/" + sessionOf + "1": "x", "root/h/" + sessionOf + "links/1": "x"})
		for _, name := range []string{"g/" + part, "g/" + sessionOf + "1", "h/" + sessionOf + "links"} {
			must(t, os.Lchown(filepath.Join(top, "root", name), nobody, nobody))
		}
	}
	before := picture(t, top)
	removed, told := clean(t, filepath.Join(top, "root"), time.Now().Add(time.Hour))
	if removed != nil || len(told) != 1 || !strings.HasPrefix(told[0], "e/"+sessionOf+"links: ") {
		t.Errorf("removed %q, problems %q", removed, told)
	}
	if diff := cmp.Diff(before, picture(t, top)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

func TestCleanTellsWhatItCantReadAndGoesOn(t *testing.T) {
	dir := t.TempDir()
	part := hiddenOf("f", partSuffix)
	plant(t, dir, map[string]string{"closed/x": "x", "open/" + part: "x", "a/b/c/d/": ""})
	must(t, os.Chmod(filepath.Join(dir, "open", part), 0)) // killed while it got its mode
	must(t, os.Chmod(filepath.Join(dir, "closed"), 0))
	removed, told := clean(t, dir, time.Now().Add(time.Hour))
	must(t, os.Chmod(filepath.Join(dir, "closed"), 0o700))
	if !slices.Equal(removed, []string{"open/" + part}) || !root() && (len(told) != 1 || !strings.HasPrefix(told[0], "closed: ")) {
		t.Errorf("removed %q, problems %q", removed, told)
	}
	if removed, told := clean(t, t.TempDir(), time.Now()); removed != nil || told != nil {
		t.Errorf("of nothing: %q, %q", removed, told)
	}
}

// Deeper and wider than descriptors and blocks of names are many.
func TestCleanOfADeepAndWideTree(t *testing.T) {
	dir := t.TempDir()
	const deep, wide = maxHandles + 20, 1200
	path := strings.Repeat("d/", deep)
	must(t, os.MkdirAll(filepath.Join(dir, path), 0o755))
	want := deep
	for i, at := 0, dir; i < deep; i++ {
		must(t, os.WriteFile(filepath.Join(at, hiddenOf("f", partSuffix)), nil, 0o600))
		at = filepath.Join(at, "d")
	}
	for i := range wide {
		name := strings.Repeat("n", i%50) + time.Duration(i).String()
		must(t, os.WriteFile(filepath.Join(dir, "d", hiddenOf(name, markSuffix)), nil, 0o600))
		must(t, os.WriteFile(filepath.Join(dir, "d", name), nil, 0o600))
		want++
	}
	removed, told := clean(t, dir, time.Now().Add(time.Hour))
	if len(removed) != want || told != nil {
		t.Errorf("%d removed, want %d; problems %q", len(removed), want, told)
	}
	for name := range picture(t, dir) {
		if temporary(filepath.Base(name)) {
			t.Errorf("left: %s", name)
		}
	}
}
