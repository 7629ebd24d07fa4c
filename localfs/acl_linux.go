package localfs

import (
	"fmt"

	"golang.org/x/sys/unix"
)

const (
	xattrACL        = "system.posix_acl_access"
	xattrDefaultACL = "system.posix_acl_default"
)

// addACLs reads an entry's ACLs. Trouble is told; the entry goes without.
func (s *Source) addACLs(e *Entry, dir int, follow bool) {
	if e.Kind != KindFile && e.Kind != KindDir {
		return
	}
	get := unix.Lgetxattr
	if follow {
		get = unix.Getxattr
	}
	var err error
	path := joinPath(procFD(dir), e.Name)
	if e.Meta.ACL, err = s.readACL(path, xattrACL, get); err == nil && e.Kind == KindDir {
		e.Meta.DefaultACL, err = s.readACL(path, xattrDefaultACL, get)
	}
	if err != nil {
		e.Meta.ACL, e.Meta.DefaultACL = nil, nil
		s.o.Problem(s.Path(e), fmt.Errorf("ACLs left out: %w", err))
	}
}

func (s *Source) readACL(path, name string, get func(path, name string, dest []byte) (int, error)) ([]ACE, error) {
	if s.xattrs == nil {
		s.xattrs = make([]byte, maxXattrs)
	}
	n, err := eintrInt(func() (int, error) { return get(path, name, s.xattrs) })
	switch {
	case err == unix.ENODATA || err == unix.EOPNOTSUPP:
		return nil, nil
	case err != nil:
		return nil, err
	}
	list, err := parseACL(s.xattrs[:n])
	for i := range list {
		switch a := &list[i]; a.Tag {
		case ACLUser:
			a.Name = s.ids.user(a.ID)
		case ACLGroup:
			a.Name = s.ids.group(a.ID)
		case ACLUserObj, ACLGroupObj, ACLMask, ACLOther:
		}
	}
	return list, err
}

// setACL gives an open file or directory an ACL, or takes it away if there is none. false: the
// file system or the right is missing.
func (s *Sink) setACL(fd int, name string, list []ACE) bool {
	if len(list) > 0 {
		b := formatACL(list)
		return eintr(func() error { return unix.Fsetxattr(fd, name, b, 0) }) == nil
	}
	err := eintr(func() error { return unix.Fremovexattr(fd, name) })
	return err == nil || err == unix.ENODATA || err == unix.EOPNOTSUPP
}

// setACLs gives an open file or directory the ACLs of m, after its mode. false: it does not
// have them.
func (s *Sink) setACLs(fd int, m *Meta, dir bool) bool {
	access, inherited := m.ACL, m.DefaultACL
	if !s.o.ACL {
		return len(access)+len(inherited) == 0
	}
	if len(access) > 0 && checkACL(access) != nil || len(inherited) > 0 && checkACL(inherited) != nil {
		return false
	}
	ok := s.setACL(fd, xattrACL, underMode(s.ownACL(access), m.Mode))
	if dir {
		ok = s.setACL(fd, xattrDefaultACL, s.ownACL(inherited)) && ok
	}
	return ok
}
