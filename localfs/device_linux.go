package localfs

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

func (s *Sink) probeMethod(dir int) (method, error) {
	fd, err := s.h.room(func() (int, error) { return openTmpfile(dir, 0o600) })
	switch err {
	case nil:
	case unix.EOPNOTSUPP, unix.EISDIR, unix.EINVAL, unix.ENOSYS:
		return methodRename, nil
	default:
		return methodUnknown, err
	}
	defer closeQuietly(fd)
	for _, how := range []method{methodLink, methodProcLink} {
		// Some file systems in user space open such files and can't name them,
		// so only a link that was made counts.
		hidden, err := s.makeHidden(func(hidden string) error { return linkOpen(how, fd, dir, hidden) })
		if err == nil {
			return how, unlinkat(dir, hidden, 0)
		}
	}
	return methodRename, nil
}

func openTmpfile(dir int, mode uint32) (int, error) {
	return openat(dir, ".", unix.O_TMPFILE|unix.O_RDWR, mode)
}

// linkOpen gives an open file without a name a name.
func linkOpen(how method, fd, dir int, name string) error {
	switch how {
	case methodLink:
		return linkat(fd, "", dir, name, unix.AT_EMPTY_PATH)
	case methodProcLink:
		return linkat(unix.AT_FDCWD, procFD(fd), dir, name, unix.AT_SYMLINK_FOLLOW)
	default:
		return fmt.Errorf("link of an open file: %w", errors.ErrUnsupported)
	}
}
