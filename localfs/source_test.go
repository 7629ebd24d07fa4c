package localfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func walkAll(t *testing.T, s *Source) []*Entry {
	t.Helper()
	var list []*Entry
	for {
		e, err := s.Next()
		if errors.Is(err, io.EOF) {
			return list
		}
		must(t, err)
		list = append(list, e)
	}
}

// problems collects what a source left out, as "path: error".
type problems []string

func (p *problems) add(path string, err error) { *p = append(*p, path+": "+err.Error()) }

// show walks a source and says of each entry its kind, its path, and what
// belongs to its kind; sorted, since directories have no order.
func show(t *testing.T, s *Source) []string {
	t.Helper()
	paths := map[uint64]string{0: ""}
	var list []string
	for _, e := range walkAll(t, s) {
		if e.Kind != KindDirEnd {
			if _, ok := paths[e.Parent]; !ok {
				t.Errorf("%s before its directory", e.Name)
			}
			paths[e.ID] = paths[e.Parent] + "/" + e.Name
		}
		switch e.Kind {
		case KindFile:
			list = append(list, fmt.Sprintf("file %s %d as %s", paths[e.ID], e.Size, s.Path(e)))
		case KindDir:
			list = append(list, fmt.Sprintf("dir %s as %s", paths[e.ID], s.Path(e)))
		case KindSymlink:
			list = append(list, fmt.Sprintf("link %s -> %s", paths[e.ID], e.Link))
		case KindDirEnd:
			list = append(list, fmt.Sprintf("end %s as %s", paths[e.ID], s.Path(e)))
		}
	}
	slices.Sort(list)
	return list
}

func TestWhatArgumentsMean(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, map[string]string{"d/f": "12", "d/sub/": "", "todir": "-> d", "tofile": "-> d/f", "dangling": "-> no"})
	t.Chdir(dir)
	whole := func(name, shown string) []string {
		return []string{
			"dir /" + name + " as " + shown, "dir /" + name + "/sub as " + shown + "/sub", "end /" + name + " as " + shown,
			"end /" + name + "/sub as " + shown + "/sub", "file /" + name + "/f 2 as " + shown + "/f",
		}
	}
	contents := func(shown string) []string {
		return []string{"dir /sub as " + shown + "/sub", "end /sub as " + shown + "/sub", "file /f 2 as " + shown + "/f"}
	}
	for arg, tt := range map[string]struct {
		follow bool
		want   []string
		top    Top
	}{
		"d":             {want: whole("d", "d"), top: Top{Name: "d", Kind: KindDir}},
		"d//":           {want: whole("d", "d"), top: Top{Name: "d", Kind: KindDir}},
		"./d":           {want: whole("d", "./d"), top: Top{Name: "d", Kind: KindDir}},
		dir + "/d":      {want: whole("d", dir+"/d"), top: Top{Name: "d", Kind: KindDir}},
		"d/.":           {want: contents("d/."), top: Top{Kind: KindDir, Contents: true}},
		"d/sub/..":      {want: contents("d/sub/.."), top: Top{Kind: KindDir, Contents: true}},
		"d/sub/../":     {want: contents("d/sub/.."), top: Top{Kind: KindDir, Contents: true}},
		"d/f":           {want: []string{"file /f 2 as d/f"}, top: Top{Name: "f", Kind: KindFile}},
		"todir":         {want: []string{"link /todir -> d"}, top: Top{Name: "todir", Kind: KindSymlink}},
		"todir/":        {want: whole("todir", "todir"), top: Top{Name: "todir", Kind: KindDir}},
		"todir/.":       {want: contents("todir/."), top: Top{Kind: KindDir, Contents: true}},
		"tofile":        {want: []string{"link /tofile -> d/f"}, top: Top{Name: "tofile", Kind: KindSymlink}},
		"dangling":      {want: []string{"link /dangling -> no"}, top: Top{Name: "dangling", Kind: KindSymlink}},
		"./todir":       {follow: true, want: whole("todir", "./todir"), top: Top{Name: "todir", Kind: KindDir}},
		"./tofile":      {follow: true, want: []string{"file /tofile 2 as ./tofile"}, top: Top{Name: "tofile", Kind: KindFile}},
		"./d/../todir/": {want: whole("todir", "./d/../todir"), top: Top{Name: "todir", Kind: KindDir}},
	} {
		t.Run(arg, func(t *testing.T) {
			s, err := OpenSource([]string{arg}, SourceOptions{Follow: tt.follow, Problem: func(p string, err error) { t.Errorf("%s: %v", p, err) }})
			must(t, err)
			defer s.Close()
			tt.top.Arg = arg
			if diff := cmp.Diff([]Top{tt.top}, s.Tops()); diff != "" {
				t.Errorf("tops (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.want, show(t, s)); diff != "" {
				t.Errorf("entries (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheRootsContents(t *testing.T) {
	for _, arg := range []string{"/", "//"} {
		s, err := OpenSource([]string{arg}, SourceOptions{})
		must(t, err)
		if diff := cmp.Diff([]Top{{Kind: KindDir, Contents: true, Arg: arg}}, s.Tops()); diff != "" {
			t.Errorf("tops (-want +got):\n%s", diff)
		}
		e, err := s.Next()
		must(t, err)
		if s.Path(e) != "/"+e.Name || e.Parent != 0 {
			t.Errorf("%s in %d", s.Path(e), e.Parent)
		}
		must(t, s.Close())
	}
}

func TestArgumentsThatCannotBeHad(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, map[string]string{"f": "1"})
	must(t, unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	t.Chdir(dir)
	var p problems
	s, err := OpenSource([]string{"missing", "f", "fifo", "", "f/"}, SourceOptions{Problem: p.add})
	must(t, err)
	defer s.Close()
	want := problems{"missing: no such file or directory", "fifo: skipped: fifo", ": no such file or directory", "f/: not a directory"}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"file /f 1 as f"}, show(t, s)); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	_, err = OpenSource([]string{"missing", "gone"}, SourceOptions{Problem: func(string, error) { t.Error("told twice") }})
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "missing") || !strings.Contains(err.Error(), "gone") {
		t.Errorf("none left: %v", err)
	}
	must(t, os.Remove("f"))
	p = nil
	s2, err := OpenSource([]string{"."}, SourceOptions{Problem: p.add})
	must(t, err)
	defer s2.Close()
	show(t, s2)
	if diff := cmp.Diff(problems{"./fifo: skipped: fifo"}, p); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestAnArgumentThatVanishesIsTold(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, map[string]string{"f": "1", "g": "2"})
	t.Chdir(dir)
	var p problems
	s, err := OpenSource([]string{"f", "g"}, SourceOptions{Problem: p.add})
	must(t, err)
	defer s.Close()
	must(t, os.Remove("f"))
	if got := show(t, s); len(got) != 1 || len(p) != 1 || p[0] != "f: no such file or directory" {
		t.Errorf("entries %q, problems %q", got, p)
	}
}

func TestAnEntryThatVanishesIsNotTold(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, map[string]string{"a": "1", "b": "2", "c": "3"})
	var p problems
	s, err := OpenSource([]string{dir + "/."}, SourceOptions{Problem: p.add})
	must(t, err)
	defer s.Close()
	first, err := s.Next() // the names of the others are read by now
	must(t, err)
	for _, name := range []string{"a", "b", "c"} {
		if name != first.Name {
			must(t, os.Remove(filepath.Join(dir, name)))
		}
	}
	if got := show(t, s); got != nil || p != nil {
		t.Errorf("entries %q, problems %q", got, p)
	}
}

func TestSpecialFilesAreLeftOut(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	must(t, unix.Mkfifo("fifo", 0o600))
	l, err := net.Listen("unix", "sock")
	must(t, err)
	defer l.Close()
	want := problems{"./fifo: skipped: fifo", "./sock: skipped: socket"}
	if root() {
		must(t, unix.Mknod("null", unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))))
		want = append(want, "./null: skipped: character device")
	}
	var p problems
	s, err := OpenSource([]string{"."}, SourceOptions{Problem: p.add})
	must(t, err)
	defer s.Close()
	if got := show(t, s); got != nil {
		t.Errorf("entries %q", got)
	}
	slices.Sort(p)
	slices.Sort(want)
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestFilesMadeUpByTheKernelAreLeftOut(t *testing.T) {
	var p problems
	s, err := OpenSource([]string{"/proc/version", "/dev/null"}, SourceOptions{Problem: p.add})
	must(t, err)
	defer s.Close()
	if got := show(t, s); got != nil {
		t.Errorf("entries %q", got)
	}
	if len(p) != 2 || !strings.Contains(p[1], "made up") {
		t.Errorf("problems %q", p)
	}
}

func TestUnreadableDirectoriesAreEntriesAllTheSame(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, map[string]string{"closed/f": "1", "open/g": "2"})
	must(t, os.Chmod(filepath.Join(dir, "closed"), 0))
	t.Cleanup(func() { os.Chmod(filepath.Join(dir, "closed"), 0o755) })
	t.Chdir(dir)
	var p problems
	s, err := OpenSource([]string{"."}, SourceOptions{Problem: p.add})
	must(t, err)
	defer s.Close()
	want := []string{"dir /closed as ./closed", "dir /open as ./open", "end /closed as ./closed", "end /open as ./open", "file /open/g 1 as ./open/g"}
	wantP := problems{"./closed: read directory: permission denied"}
	if root() {
		want = append(want, "file /closed/f 1 as ./closed/f")
		slices.Sort(want)
		wantP = nil
	}
	if diff := cmp.Diff(want, show(t, s)); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wantP, p); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestFollowing(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, map[string]string{
		"t/f": "123", "t/l": "-> f", "t/d/g": "4", "t/ld": "-> d", "t/d/up": "-> ../../t", "t/self": "-> .", "t/no": "-> nowhere", "t/round": "-> round",
	})
	t.Chdir(dir)
	var p problems
	s, err := OpenSource([]string{"t"}, SourceOptions{Follow: true, Problem: p.add})
	must(t, err)
	defer s.Close()
	want := []string{
		"dir /t as t", "dir /t/d as t/d", "dir /t/ld as t/ld", "end /t as t", "end /t/d as t/d", "end /t/ld as t/ld",
		"file /t/d/g 1 as t/d/g", "file /t/f 3 as t/f", "file /t/l 3 as t/l", "file /t/ld/g 1 as t/ld/g",
	}
	if diff := cmp.Diff(want, show(t, s)); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	slices.Sort(p)
	wantP := problems{
		"t/d/up: directory contains itself: it is t", "t/ld/up: directory contains itself: it is t", "t/no: symbolic link to nothing",
		"t/round: too many levels of symbolic links", "t/self: directory contains itself: it is t",
	}
	if diff := cmp.Diff(wantP, p); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestNamesPassUnchanged(t *testing.T) {
	dir := t.TempDir()
	names := []string{"new\nline", "esc\x1b[31m", "inva\xff\xfelid", strings.Repeat("n", 255), "...", " ", hiddenPrefix + "x"}
	tree := map[string]string{}
	for _, name := range names {
		tree[name] = name
	}
	plant(t, dir, tree)
	s, err := OpenSource([]string{dir + "/."}, SourceOptions{})
	must(t, err)
	defer s.Close()
	got := map[string]string{}
	for _, e := range walkAll(t, s) {
		p := make([]byte, e.Size)
		must(t, s.ReadFile(e, p))
		got[e.Name] = string(p)
	}
	if diff := cmp.Diff(tree, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

// TestAWideTreeWithFewHandles: directories are reopened where reading stopped.
func TestAWideTreeWithFewHandles(t *testing.T) {
	for place, dir := range places(t) {
		t.Run(place, func(t *testing.T) {
			want := 0
			for i := range 20 {
				sub := filepath.Join(dir, fmt.Sprintf("d%d", i), "sub")
				must(t, os.MkdirAll(sub, 0o755))
				want += 2
				for j := range 10 {
					must(t, os.WriteFile(filepath.Join(sub, fmt.Sprintf("%050d", j)), nil, 0o644))
					want++
				}
			}
			for i := range 1000 { // far more than one block of names
				must(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%0100d", i)), nil, 0o644))
				want++
			}
			s, err := openSource([]string{dir + "/."}, SourceOptions{Problem: func(p string, err error) { t.Errorf("%s: %v", p, err) }}, 1, 8)
			must(t, err)
			defer s.Close()
			seen := map[string]bool{}
			for _, e := range walkAll(t, s) {
				if e.Kind != KindDirEnd {
					seen[s.Path(e)] = true
				}
			}
			if len(seen) != want {
				t.Errorf("%d entries, want %d", len(seen), want)
			}
		})
	}
}

func TestEntryOfAFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	must(t, os.WriteFile(path, []byte("12345"), 0o644))
	must(t, unix.Chmod(path, 0o4751))
	must(t, unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{{Sec: 1}, {Sec: -5, Nsec: 123}}, 0))
	for owners, want := range map[bool]Meta{
		false: {Mode: 0o4751, MtimeSec: -5, MtimeNsec: 123},
		true: {Mode: 0o4751, MtimeSec: -5, MtimeNsec: 123, UID: uint32(os.Geteuid()), GID: uint32(os.Getegid()),
			User: newIDNames().user(uint32(os.Geteuid())), GroupName: newIDNames().group(uint32(os.Getegid()))},
	} {
		s, err := OpenSource([]string{path}, SourceOptions{Owners: owners})
		must(t, err)
		e, err := s.Next()
		must(t, err)
		if diff := cmp.Diff(want, e.Meta); diff != "" {
			t.Errorf("meta (-want +got):\n%s", diff)
		}
		if e.Size != 5 || e.Sparse || e.ID != 1 || e.Parent != 0 {
			t.Errorf("entry %+v", e)
		}
		if owners && e.Meta.User == "" {
			t.Error("no user name")
		}
		must(t, s.Close())
	}
}
