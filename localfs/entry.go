package localfs

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// sparseFrom: smaller files are never called sparse. Some file systems keep
// tiny files in the inode, with no block at all, and a hole of one block is not
// worth the detour.
const sparseFrom = 4097

// entry makes an entry of what stat says. The caller adds its place in the walk.
func (s *Source) entry(node *dirNode, dir int, name string, st *unix.Stat_t, follow bool) (*Entry, error) {
	kind, err := kindOf(st)
	if err != nil {
		return nil, err
	}
	e := &Entry{Kind: kind, Name: name, Meta: s.meta(st), dir: node}
	switch kind {
	case KindFile:
		err = s.fileEntry(e, dir, name, st)
	case KindSymlink:
		if e.Link, err = readlinkat(dir, name, st.Size); err == nil {
			err = s.judge(node, name, e.Link)
		}
	case KindDir:
		if s.o.Follow {
			err = s.loop(fileID(st))
		}
	case KindDirEnd: // made where the directory ends
	}
	if err != nil {
		return nil, err
	}
	e.Stamp = stampOf(st)
	if s.o.Xattrs {
		s.addXattrs(e, dir, follow)
	}
	if s.o.ACLs {
		s.addACLs(e, dir, follow)
	}
	return e, nil
}

func (s *Source) fileEntry(e *Entry, dir int, name string, st *unix.Stat_t) error {
	e.setFile(st)
	if st.Size == 0 && s.pseudo.has(dir, devOf(st)) {
		return fmt.Errorf("%w: its contents are made up while it is read", ErrSpecial)
	}
	if st.Nlink < 2 {
		return nil
	}
	g, err := s.links.meet(fileID(st), uint64(st.Nlink)) //nolint:unconvert // it has 32 bits on arm64
	if err != nil {
		// The file itself is not in danger, only its being one with others.
		s.o.Logger.Warn("sent as a file of its own", "name", name, "error", err)
		return nil
	}
	e.Group, e.GroupFirst, e.GroupLast = g.number, g.first, g.last
	return nil
}

func (e *Entry) setFile(st *unix.Stat_t) {
	e.Size = st.Size
	e.Sparse = st.Size >= sparseFrom && st.Blocks < (st.Size+511)/512
	e.Stamp = stampOf(st)
}

func stampOf(st *unix.Stat_t) Stamp {
	return Stamp{
		Dev: devOf(st), Ino: st.Ino, Size: st.Size,
		Mtime: time.Unix(st.Mtim.Unix()), Ctime: time.Unix(st.Ctim.Unix()),
	}
}

// is says whether st shows the same state of the same file.
func (a Stamp) is(st *unix.Stat_t) bool {
	b := stampOf(st)
	return a.Dev == b.Dev && a.Ino == b.Ino && a.Size == b.Size && a.Mtime.Equal(b.Mtime) && a.Ctime.Equal(b.Ctime)
}

func (s *Source) meta(st *unix.Stat_t) Meta {
	m := Meta{Mode: modeOf(st) & 0o7777, MtimeSec: st.Mtim.Sec, MtimeNsec: uint32(st.Mtim.Nsec)}
	if kind := st.Mode & unix.S_IFMT; s.o.Chmod != nil && (kind == unix.S_IFREG || kind == unix.S_IFDIR) {
		m.Mode = s.o.Chmod(m.Mode, kind == unix.S_IFDIR)
	}
	if s.o.Owners {
		m.UID, m.GID = st.Uid, st.Gid
		m.User, m.GroupName = s.ids.user(st.Uid), s.ids.group(st.Gid)
	}
	return m
}

// pseudoFS remembers of the device met last whether the kernel makes up its files.
type pseudoFS struct {
	dev uint64
	yes bool
}

// has looks at the file system of an open directory; only for empty files, so
// nobody else pays for it.
func (p *pseudoFS) has(dir int, dev uint64) bool {
	if p.dev == dev {
		return p.yes
	}
	var st unix.Statfs_t
	if err := eintr(func() error { return unix.Fstatfs(dir, &st) }); err != nil {
		return false
	}
	p.dev, p.yes = dev, madeUp(&st)
	return p.yes
}

// judge looks where a symbolic link leads.
func (s *Source) judge(node *dirNode, name, text string) error {
	switch {
	case !leadsOutside(text, max(len(s.stack)-1, 0)):
		return nil
	case s.o.SafeLinks:
		return ErrOutside
	}
	if s.o.Outside != nil {
		s.o.Outside(joinPath(node.Path(), name), text)
	}
	return nil
}
