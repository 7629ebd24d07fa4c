package localfs

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func lstatOf(t *testing.T, path ...string) unix.Stat_t {
	t.Helper()
	var st unix.Stat_t
	must(t, unix.Lstat(filepath.Join(path...), &st))
	return st
}

func TestModesDoNotDependOnUmask(t *testing.T) {
	everyWay(t, func(t *testing.T, s *session) {
		defer unix.Umask(unix.Umask(0o077))
		for name, mode := range map[string]uint32{"a": 0o777, "b": 0, "c": 0o444, "d": 0o640} {
			must(t, s.PutFile(Put{Dir: s.base.Dir, Name: name, Meta: Meta{Mode: mode}}, nil))
			d := s.mustMkdir(t, s.base.Dir, name+"dir")
			must(t, s.FinishDir(d, Meta{Mode: mode | 0o500}))
			if got := lstatOf(t, s.dir, name).Mode & 0o7777; got != mode {
				t.Errorf("file: mode %o, want %o", got, mode)
			}
			if got := lstatOf(t, s.dir, name+"dir").Mode & 0o7777; got != mode|0o500 {
				t.Errorf("directory: mode %o, want %o", got, mode|0o500)
			}
		}
	})
}

func TestTimesToTheNanosecond(t *testing.T) {
	s := begin(t, t.TempDir(), SinkOptions{})
	m := Meta{Mode: 0o755, MtimeSec: -1234567, MtimeNsec: 123456789}
	must(t, s.PutFile(Put{Dir: s.base.Dir, Name: "f", Meta: m, Size: 1}, []byte("x")))
	d := s.mustMkdir(t, s.base.Dir, "d")
	s.mustPut(t, d, "in", "x")
	must(t, s.FinishDir(d, m))
	must(t, s.Symlink(s.base.Dir, "l", "nowhere", m))
	for _, name := range []string{"f", "d", "l"} {
		if st := lstatOf(t, s.dir, name); st.Mtim.Sec != m.MtimeSec || st.Mtim.Nsec != int64(m.MtimeNsec) {
			t.Errorf("%s: mtime %+v", name, st.Mtim)
		}
	}
}

func TestTimesThatMeanSomethingElseAreRefused(t *testing.T) {
	s := begin(t, t.TempDir(), SinkOptions{})
	for _, nsec := range []uint32{1e9, unix.UTIME_NOW, unix.UTIME_OMIT, math.MaxUint32} {
		m := Meta{MtimeNsec: nsec}
		d := s.mustMkdir(t, s.base.Dir, "d")
		for what, err := range map[string]error{
			"file": s.PutFile(Put{Dir: s.base.Dir, Name: "f", Meta: m}, nil),
			"link": s.Symlink(s.base.Dir, "l", "x", m),
			"dir":  s.FinishDir(d, m),
		} {
			if !errors.Is(err, unix.EINVAL) {
				t.Errorf("%s with %d ns: %v", what, nsec, err)
			}
		}
	}
	if diff := cmp.Diff(map[string]string{"d/": ""}, picture(t, s.dir)); diff != "" {
		t.Errorf("target (-want +got):\n%s", diff)
	}
}

func TestSpecialBitsOnlyWhereGranted(t *testing.T) {
	for name, grant := range map[string]bool{"granted": true, "not granted": false} {
		t.Run(name, func(t *testing.T) {
			s := begin(t, t.TempDir(), SinkOptions{Special: grant})
			must(t, s.PutFile(Put{Dir: s.base.Dir, Name: "f", Size: 1, Meta: Meta{Mode: 0o6755}}, []byte("x")))
			must(t, s.PutFile(Put{Dir: s.base.Dir, Name: "plain", Meta: Meta{Mode: 0o755}}, nil))
			must(t, s.FinishDir(s.mustMkdir(t, s.base.Dir, "d"), Meta{Mode: 0o1777}))
			want := []uint32{0o6755, 0o755, 0o1777}
			dropped := Dropped{}
			if !grant {
				want = []uint32{0o755, 0o755, 0o777}
				dropped.Special = 2
			}
			for i, name := range []string{"f", "plain", "d"} {
				if got := lstatOf(t, s.dir, name).Mode & 0o7777; got != want[i] {
					t.Errorf("%s: mode %o, want %o", name, got, want[i])
				}
			}
			if diff := cmp.Diff(dropped, s.Dropped()); diff != "" {
				t.Errorf("dropped (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSpecialBitsOfTheHostStay(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "there"), 0o700))
	must(t, unix.Chmod(filepath.Join(dir, "there"), 0o3775))
	s := begin(t, dir, SinkOptions{})
	d := s.mustMkdir(t, s.base.Dir, "there")
	must(t, s.FinishDir(s.mustMkdir(t, d, "new"), Meta{Mode: 0o750}))
	must(t, s.FinishDir(d, Meta{Mode: 0o755}))
	if got := lstatOf(t, dir, "there").Mode & 0o7777; got != 0o3755 {
		t.Errorf("mode %o, want 3755: the host's bits are not the client's to clear", got)
	}
	if got := lstatOf(t, dir, "there", "new").Mode & 0o7777; got != 0o2750 {
		t.Errorf("mode %o, want 2750: setgid is inherited", got)
	}
	if d := s.Dropped(); d != (Dropped{}) {
		t.Errorf("dropped %+v", d)
	}
}

func TestOwners(t *testing.T) {
	m := Meta{Mode: 0o4755, UID: 12345, GID: 54321, User: "daemon", GroupName: "no such group here"}
	daemon := newIDNames().uid("daemon", 0)
	if daemon == 0 {
		t.Fatal("this host has no user daemon")
	}
	for name, tt := range map[string]struct {
		o        SinkOptions
		uid, gid int // as root
		dropped  Dropped
	}{
		"by name where there is one": {SinkOptions{Owner: true, Special: true}, daemon, 54321, Dropped{}},
		"by number when asked":       {SinkOptions{Owner: true, NumericIDs: true, Special: true}, 12345, 54321, Dropped{}},
		"not granted":                {SinkOptions{Special: true}, os.Geteuid(), os.Getegid(), Dropped{Owner: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(t, t.TempDir(), tt.o)
			must(t, s.PutFile(Put{Dir: s.base.Dir, Name: "f", Meta: m}, nil))
			must(t, s.Symlink(s.base.Dir, "l", "x", m))
			dm := m
			dm.Mode = 0o700
			must(t, s.FinishDir(s.mustMkdir(t, s.base.Dir, "d"), dm))
			uid, gid, dropped, mode := tt.uid, tt.gid, tt.dropped, uint32(0o4755)
			if !root() && tt.o.Owner {
				// Denied, and setuid would now mean somebody else.
				uid, gid, dropped, mode = os.Geteuid(), os.Getegid(), Dropped{Owner: 3, Special: 1}, 0o755
			}
			for _, name := range []string{"f", "l", "d"} {
				if st := lstatOf(t, s.dir, name); int(st.Uid) != uid || int(st.Gid) != gid {
					t.Errorf("%s: owner %d:%d, want %d:%d", name, st.Uid, st.Gid, uid, gid)
				}
			}
			if got := lstatOf(t, s.dir, "f").Mode & 0o7777; got != mode {
				t.Errorf("mode %o, want %o", got, mode)
			}
			if diff := cmp.Diff(dropped, s.Dropped()); diff != "" {
				t.Errorf("dropped (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNobodysOwnersAreNotMissed(t *testing.T) {
	s := begin(t, t.TempDir(), SinkOptions{})
	s.mustPut(t, s.base.Dir, "f", "x")
	if d := s.Dropped(); d != (Dropped{}) {
		t.Errorf("dropped %+v", d)
	}
}

func TestXattrs(t *testing.T) {
	m := Meta{Mode: 0o444, Xattrs: []Xattr{
		{"user.one", []byte("1")}, {"user.bytes", []byte{0, 255}}, {"user.empty", []byte{}}, {"trusted.t", []byte("t")},
	}}
	onlyUser := m.Xattrs[:3]
	for name, tt := range map[string]struct {
		o       SinkOptions
		want    []Xattr // as root
		dropped uint64
	}{
		"user only":   {SinkOptions{Xattr: true}, onlyUser, 1},
		"all":         {SinkOptions{Xattr: true, AllXattr: true}, m.Xattrs, 0},
		"not granted": {SinkOptions{}, nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(t, t.TempDir(), tt.o)
			must(t, s.PutFile(Put{Dir: s.base.Dir, Name: "f", Meta: m}, nil))
			if !root() && tt.o.AllXattr {
				tt.want, tt.dropped = onlyUser, 1
			}
			if diff := cmp.Diff(tt.want, xattrsOf(t, filepath.Join(s.dir, "f"))); diff != "" {
				t.Errorf("attributes (-want +got):\n%s", diff)
			}
			if got := s.Dropped().Xattr; got != tt.dropped {
				t.Errorf("dropped %d, want %d", got, tt.dropped)
			}
		})
	}
}

// xattrsOf reads a file's attributes as a source would.
func xattrsOf(t *testing.T, path string) []Xattr {
	t.Helper()
	s, err := OpenSource([]string{path}, SourceOptions{Xattrs: true, Problem: func(p string, err error) { t.Errorf("%s: %v", p, err) }})
	must(t, err)
	defer s.Close()
	e, err := s.Next()
	must(t, err)
	return sortXattrs(e.Meta.Xattrs)
}

// sortXattrs puts attributes into the order the tests name them in.
func sortXattrs(list []Xattr) []Xattr {
	var sorted []Xattr
	for _, name := range []string{"user.one", "user.bytes", "user.empty", "trusted.t"} {
		for _, x := range list {
			if x.Name == name {
				sorted = append(sorted, x)
			}
		}
	}
	return sorted
}

func TestAttributesThatAreNeverSet(t *testing.T) {
	for _, name := range []string{"system.posix_acl_access", "security.selinux", "user", "", "os2.x", "trustedx"} {
		if mayKeep(name, true) {
			t.Errorf("%q would be set", name)
		}
	}
	if mayKeep("security.capability", false) || !mayKeep("security.capability", true) {
		t.Error("security.capability is for root alone")
	}
}
