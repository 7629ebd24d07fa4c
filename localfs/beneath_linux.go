package localfs

import (
	"strings"

	"golang.org/x/sys/unix"
)

// openBeneath opens a directory below the root. Symbolic links in path are
// followed as long as they stay below.
func (r *Root) openBeneath(path string) (fd int, err error) {
	if r.walks {
		fd, _, err := walkBeneath(r.fd, path, r.host)
		return fd, err
	}
	how := unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS,
	}
	if r.host {
		how.Resolve = unix.RESOLVE_IN_ROOT
	}
	for range maxRaces {
		fd, err = eintrInt(func() (int, error) { return unix.Openat2(r.fd, path, &how) })
		if err != unix.EAGAIN {
			break
		}
	}
	switch err {
	case unix.EXDEV:
		return -1, errOutside
	case unix.ENOSYS: // before Linux 5.6, and under user-mode emulation
		fd, _, err = walkBeneath(r.fd, path, r.host)
	}
	return fd, err
}

// realBeneath is the path below the root, without links, of a directory that openBeneath opens.
func (r *Root) realBeneath(path string) ([]string, error) {
	if r.walks {
		fd, names, err := walkBeneath(r.fd, path, r.host)
		if err == nil {
			closeQuietly(fd)
		}
		return names, err
	}
	fd, err := r.openBeneath(path)
	if err != nil {
		return nil, err
	}
	defer closeQuietly(fd)
	base, err := pathOf(r.fd)
	if err != nil {
		return nil, err
	}
	real, err := pathOf(fd)
	if err != nil {
		return nil, err
	}
	rel, ok := strings.CutPrefix(real, strings.TrimSuffix(base, "/"))
	if !ok || rel != "" && rel[0] != '/' {
		return nil, errOutside
	}
	return strings.FieldsFunc(rel, func(c rune) bool { return c == '/' }), nil
}
