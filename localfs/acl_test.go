package localfs

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// anACL lets the user 4711 read and write, and the group nothing, under a mask of rwx.
func anACL() []ACE {
	return []ACE{{Tag: ACLUserObj, Perm: 6}, {Tag: ACLUser, Perm: 6, ID: 4711}, {Tag: ACLGroupObj}, {Tag: ACLGroup, Perm: 4, ID: 4712}, {Tag: ACLMask, Perm: 7}, {Tag: ACLOther}}
}

// aclsOf reads what a source would tell of a path.
func aclsOf(t *testing.T, path string) (access, inherited []ACE) {
	t.Helper()
	s, err := OpenSource([]string{path}, SourceOptions{ACLs: true, Problem: func(p string, err error) { t.Errorf("%s: %v", p, err) }})
	must(t, err)
	defer s.Close()
	e, err := s.Next()
	must(t, err)
	return e.Meta.ACL, e.Meta.DefaultACL
}

func TestACLs(t *testing.T) {
	m := Meta{Mode: 0o660, ACL: anACL()}
	dm := Meta{Mode: 0o770, ACL: anACL(), DefaultACL: anACL()}
	for name, tt := range map[string]struct {
		o       SinkOptions
		access  []ACE // of the file
		mode    uint32
		dropped uint64
	}{
		"granted":     {SinkOptions{ACL: true}, underMode(anACL(), 0o660), 0o660, 0},
		"not granted": {SinkOptions{}, nil, 0o600, 2}, // the mask is not the group's
	} {
		t.Run(name, func(t *testing.T) {
			everyWayWith(t, tt.o, func(t *testing.T, s *session) {
				must(t, s.PutFile(Put{Dir: s.base.Dir, Name: "f", Meta: m, Size: 1}, []byte("x")))
				d := s.mustMkdir(t, s.base.Dir, "d")
				must(t, s.FinishDir(d, dm))
				access, _ := aclsOf(t, filepath.Join(s.dir, "f"))
				if diff := cmp.Diff(tt.access, access); diff != "" {
					t.Errorf("file (-want +got):\n%s", diff)
				}
				if got := lstatOf(t, s.dir, "f").Mode & 0o7777; got != tt.mode {
					t.Errorf("mode %o, want %o", got, tt.mode)
				}
				access, inherited := aclsOf(t, filepath.Join(s.dir, "d"))
				if tt.access == nil && (access != nil || inherited != nil) {
					t.Errorf("directory: %v, %v", access, inherited)
				} else if tt.access != nil && (!slices.Equal(access, underMode(anACL(), 0o770)) || !slices.Equal(inherited, anACL())) {
					t.Errorf("directory: %v, %v", access, inherited)
				}
				if got := s.Dropped().ACL; got != tt.dropped {
					t.Errorf("dropped %d, want %d", got, tt.dropped)
				}
			})
		})
	}
}

// What the source has none of goes: what was inherited, what is there already.
func TestNoACLIsAnACLToo(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{xattrACL, xattrDefaultACL} {
		must(t, unix.Setxattr(dir, name, formatACL(underMode(anACL(), 0o770)), 0))
	}
	s := begin(t, dir, SinkOptions{ACL: true})
	must(t, s.PutFile(Put{Dir: s.base.Dir, Name: "f", Meta: Meta{Mode: 0o640}, Size: 1}, []byte("x")))
	must(t, s.FinishDir(s.mustMkdir(t, s.base.Dir, "d"), Meta{Mode: 0o750}))
	for _, name := range []string{"f", "d"} {
		if access, inherited := aclsOf(t, filepath.Join(dir, name)); access != nil || inherited != nil {
			t.Errorf("%s: %v, %v", name, access, inherited)
		}
	}
	must(t, unix.Setxattr(filepath.Join(dir, "f"), xattrACL, formatACL(anACL()), 0))
	p := Put{Dir: s.base.Dir, Name: "f", Meta: Meta{Mode: 0o640}, Size: 1}
	found, ok, err := s.Look(p)
	must(t, err)
	if !ok {
		t.Fatal("the file is not there")
	}
	must(t, s.Settle(p, found))
	if access, _ := aclsOf(t, filepath.Join(dir, "f")); access != nil {
		t.Errorf("settled: %v", access)
	}
	if got := lstatOf(t, dir, "f").Mode & 0o777; got != 0o640 {
		t.Errorf("mode %o", got)
	}
}

func TestACLsNameUsersOfThisHost(t *testing.T) {
	s := begin(t, t.TempDir(), SinkOptions{ACL: true})
	daemon := uint32(newIDNames().uid("daemon", 0))
	list := []ACE{{Tag: ACLUserObj, Perm: 7}, {Tag: ACLUser, Perm: 5, ID: 9, Name: "no such user"}, {Tag: ACLUser, Perm: 6, ID: 4711, Name: "daemon"}, {Tag: ACLUser, Perm: 3, ID: daemon}, {Tag: ACLGroupObj}, {Tag: ACLMask, Perm: 7}, {Tag: ACLOther}}
	want := slices.Clone(list)
	want = slices.Delete(want, 3, 4) // one here
	want[1].ID, want[2].ID, want[2].Perm = 9, daemon, 2
	slices.SortFunc(want[1:3], func(a, b ACE) int { return int(a.ID) - int(b.ID) })
	if diff := cmp.Diff(want, s.ownACL(list)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s = begin(t, t.TempDir(), SinkOptions{ACL: true, NumericIDs: true})
	if got := s.ownACL(list); len(got) != len(list) || got[len(got)-4].ID != 4711 {
		t.Errorf("by number: %v", got)
	}
}

func TestListsThatAreNoACL(t *testing.T) {
	for name, change := range map[string]func([]ACE) []ACE{
		"none":              func([]ACE) []ACE { return nil },
		"no owner":          func(l []ACE) []ACE { return l[1:] },
		"no mask":           func(l []ACE) []ACE { return slices.Delete(l, 4, 5) },
		"two masks":         func(l []ACE) []ACE { return slices.Insert(l, 4, l[4]) },
		"out of order":      func(l []ACE) []ACE { l[1], l[2] = l[2], l[1]; return l },
		"an unknown tag":    func(l []ACE) []ACE { l[1].Tag = 3; return l },
		"tag 0":             func(l []ACE) []ACE { l[0].Tag = 0; return l },
		"permission 8":      func(l []ACE) []ACE { l[1].Perm = 8; return l },
		"nobody by name":    func(l []ACE) []ACE { l[1].ID = aclNoID; return l },
		"two for the group": func(l []ACE) []ACE { return slices.Insert(l, 2, l[2]) },
	} {
		list := change(anACL())
		if err := checkACL(list); !errors.Is(err, errACL) {
			t.Errorf("%s: %v", name, err)
		}
		s := begin(t, t.TempDir(), SinkOptions{ACL: true})
		if len(list) == 0 {
			continue
		}
		must(t, s.PutFile(Put{Dir: s.base.Dir, Name: "f", Meta: Meta{Mode: 0o670, ACL: list}}, nil))
		if access, _ := aclsOf(t, filepath.Join(s.dir, "f")); access != nil || s.Dropped().ACL != 1 {
			t.Errorf("%s: %v, %d dropped", name, access, s.Dropped().ACL)
		}
	}
	for name, b := range map[string][]byte{
		"nothing": nil, "half an entry": append(formatACL(anACL()), 0), "another version": append([]byte{3, 0, 0, 0}, formatACL(anACL())[4:]...),
		"too many": formatACL(make([]ACE, maxACEs+1)),
	} {
		if _, err := parseACL(b); !errors.Is(err, errACL) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseACL(f *testing.F) {
	f.Add(formatACL(anACL()))
	f.Add(formatACL([]ACE{{Tag: ACLUserObj, Perm: 7}, {Tag: ACLGroupObj, Perm: 5}, {Tag: ACLOther}}))
	f.Add([]byte{2, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := parseACL(b)
		if err != nil {
			return
		}
		again, err := parseACL(formatACL(list))
		if err != nil || !slices.Equal(list, again) {
			t.Errorf("%v comes back as %v, %v", list, again, err)
		}
		for _, a := range list {
			if !a.named() {
				return // its id means nothing, and is not kept
			}
		}
		if !bytes.Equal(b, formatACL(list)) {
			t.Errorf("%x comes back as %x", b, formatACL(list))
		}
	})
}

func TestChown(t *testing.T) {
	daemon := newIDNames().uid("daemon", 0)
	me, mine := os.Geteuid(), os.Getegid()
	for name, tt := range map[string]struct {
		o        SinkOptions
		m        Meta
		uid, gid int // as root
		dropped  uint64
	}{
		"both":          {SinkOptions{Chown: Chown{"daemon", "54321", true}}, Meta{}, daemon, 54321, 0},
		"the user":      {SinkOptions{Chown: Chown{User: "daemon", Granted: true}}, Meta{}, daemon, mine, 0},
		"the group":     {SinkOptions{Chown: Chown{Group: "54321", Granted: true}}, Meta{}, me, 54321, 0},
		"beside owners": {SinkOptions{Owner: true, NumericIDs: true, Chown: Chown{Group: "54321", Granted: true}}, Meta{UID: 5, GID: 6}, 5, 54321, 0},
		"not granted":   {SinkOptions{Chown: Chown{User: "daemon"}}, Meta{}, me, mine, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(t, t.TempDir(), tt.o)
			tt.m.Mode = 0o644
			must(t, s.PutFile(Put{Dir: s.base.Dir, Name: "f", Meta: tt.m}, nil))
			must(t, s.Symlink(s.base.Dir, "l", "x", tt.m))
			uid, gid, dropped := tt.uid, tt.gid, tt.dropped
			if !root() {
				uid, gid, dropped = me, mine, 2
			}
			for _, name := range []string{"f", "l"} {
				if st := lstatOf(t, s.dir, name); int(st.Uid) != uid || int(st.Gid) != gid {
					t.Errorf("%s: owner %d:%d, want %d:%d", name, st.Uid, st.Gid, uid, gid)
				}
			}
			if got := s.Dropped().Owner; got != dropped {
				t.Errorf("dropped %d, want %d", got, dropped)
			}
		})
	}
	for _, c := range []Chown{{User: "no such user", Granted: true}, {Group: "no such group", Granted: true}, {User: "4294967295", Granted: true}, {Group: "4294967296", Granted: true}} {
		r, err := OpenRoot(t.TempDir(), false)
		must(t, err)
		defer r.Close()
		s := r.Sink(SinkOptions{Chown: c})
		defer s.Close()
		for _, look := range []func(Target) (Base, error){s.Resolve, Dry{s}.Resolve} {
			if _, err := look(Target{Contents: true}); !errors.Is(err, ErrUsage) {
				t.Errorf("%+v: %v", c, err)
			}
		}
	}
}

func TestChmodOfASource(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "d"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "d", "f"), nil, 0o600))
	must(t, os.Symlink("f", filepath.Join(dir, "d", "l")))
	s, err := OpenSource([]string{filepath.Join(dir, "d")}, SourceOptions{Chmod: func(mode uint32, dir bool) uint32 {
		if dir {
			return mode | 0o055
		}
		return mode | 0o044
	}})
	must(t, err)
	defer s.Close()
	want := map[string]uint32{"d": 0o755, "f": 0o644, "l": 0o777}
	for {
		e, err := s.Next()
		if err != nil {
			return
		}
		if e.Kind == KindDirEnd {
			continue
		}
		if e.Meta.Mode != want[e.Name] {
			t.Errorf("%s: mode %o", e.Name, e.Meta.Mode)
		}
		if e.Kind == KindFile {
			if e, err = s.Restat(e); err != nil || e.Meta.Mode != want[e.Name] {
				t.Errorf("again: %+v, %v", e, err)
			}
		}
	}
}
