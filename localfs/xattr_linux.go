package localfs

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// maxXattrs bounds the attributes of one entry, names and values together,
// bytes: what one inode of most file systems holds, and what a message carries.
const maxXattrs = 64 << 10

// mayKeep says whether an attribute is one that is copied. ACLs are not: they
// speak of users of one host. security.selinux is the target's own policy.
func mayKeep(name string, privileged bool) bool {
	switch {
	case strings.HasPrefix(name, "user."):
		return true
	case strings.HasPrefix(name, "trusted."), strings.HasPrefix(name, "security."):
		return privileged && name != "security.selinux"
	}
	return false
}

// addXattrs reads an entry's attributes. Trouble is told; the entry goes without.
func (s *Source) addXattrs(e *Entry, dir int, follow bool) {
	if s.xattrs == nil {
		s.xattrs = make([]byte, maxXattrs)
	}
	r := xattrReader{path: joinPath(procFD(dir), e.Name), buf: s.xattrs, list: unix.Llistxattr, get: unix.Lgetxattr}
	if follow {
		r.list, r.get = unix.Listxattr, unix.Getxattr
	}
	list, err := r.all()
	if err != nil {
		s.o.Problem(s.Path(e), fmt.Errorf("extended attributes left out: %w", err))
		return
	}
	e.Meta.Xattrs = list
}

// xattrReader reads the attributes of a path; the last component is followed
// or not as its calls do.
type xattrReader struct {
	path string
	buf  []byte // maxXattrs
	list func(path string, dest []byte) (int, error)
	get  func(path, name string, dest []byte) (int, error)
}

var errXattrs = errors.New("more than 64 KiB of them")

func (r *xattrReader) all() ([]Xattr, error) {
	n, err := eintrInt(func() (int, error) { return r.list(r.path, r.buf) })
	switch {
	case err == unix.EOPNOTSUPP || err == nil && n == 0:
		return nil, nil
	case err == unix.ERANGE || err == unix.E2BIG:
		return nil, errXattrs
	case err != nil:
		return nil, err
	}
	names := strings.Split(strings.TrimSuffix(string(r.buf[:n]), "\x00"), "\x00")
	var list []Xattr
	total := 0
	for _, name := range names {
		if !mayKeep(name, privileged()) {
			continue
		}
		n, err := eintrInt(func() (int, error) { return r.get(r.path, name, r.buf) })
		switch {
		case err == unix.ENODATA: // removed since the list was made
			continue
		case err == unix.ERANGE:
			return nil, errXattrs
		case err != nil:
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if total += len(name) + n; total > maxXattrs {
			return nil, errXattrs
		}
		list = append(list, Xattr{Name: name, Value: append([]byte{}, r.buf[:n]...)})
	}
	return list, nil
}

// setXattrs sets the attributes that were granted.
func (s *Sink) setXattrs(fd int, list []Xattr) {
	lost := false
	for _, x := range list {
		if !s.o.Xattr || !mayKeep(x.Name, s.o.AllXattr && privileged()) {
			lost = true
			continue
		}
		if eintr(func() error { return unix.Fsetxattr(fd, x.Name, x.Value, 0) }) != nil {
			lost = true
		}
	}
	if lost {
		s.dropped.xattr.Add(1)
	}
}
