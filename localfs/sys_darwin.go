package localfs

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// pathOnly opens a directory for what lies below it. There is no O_PATH: who may not read
	// it may not have it. Not waiting is for what has come in its place.
	pathOnly = unix.O_RDONLY | unix.O_NONBLOCK

	// leaveTime is the time that stays: UTIME_OMIT of <sys/stat.h>, which x/sys lacks.
	leaveTime = -2

	// keepsMore: extended attributes and ACLs are those of Linux.
	keepsMore = false

	// direntBuf is how much of a directory is read at once, bytes. x/sys reads a directory from
	// its beginning each time, so it is large.
	direntBuf = 256 << 10
)

func modeOf(st *unix.Stat_t) uint32 { return uint32(st.Mode) }

func devOf(st *unix.Stat_t) uint64 { return uint64(st.Dev) }

// openAgain opens what fd refers to once more. /dev/fd has what open(2) of Linux's /proc has
// not: the same open file.
func openAgain(int, int) (int, error) { return -1, errors.ErrUnsupported }

// keepPlace keeps a directory that is being read from losing names, now that others were
// removed from it: x/sys counts names, so it begins anew.
func keepPlace(fd int) { _, _ = unix.Seek(fd, 0, unix.SEEK_SET) }

// Handle is a path of the directory, as it was when it was asked for.
func (r *Root) Handle() string {
	path, err := pathOf(r.fd)
	if err != nil {
		return r.path
	}
	return path
}

// fsync has what a file holds, or which names a directory has, on the disk: not only on
// its way to it, as fsync(2) does here. File systems without it have fsync(2).
func fsync(fd int) error {
	_, err := eintrInt(func() (int, error) { return unix.FcntlInt(uintptr(fd), unix.F_FULLFSYNC, 0) })
	if err == unix.ENOTSUP || err == unix.ENOTTY || err == unix.EINVAL {
		err = eintr(func() error { return unix.Fsync(fd) })
	}
	return err
}

func fdatasync(fd int) error { return fsync(fd) }

// syncAll has all that file systems hold on its way to the disk, and the disk of fd write it.
func syncAll(fd int) error { return errors.Join(unix.Sync(), fsync(fd)) }

// uncache has what is read of a file from now on come from the disk, and stay out of the cache
// (F_NOCACHE in fcntl(2)). What is in the cache already may still come from there.
func uncache(fd int) error {
	_, err := eintrInt(func() (int, error) { return unix.FcntlInt(uintptr(fd), unix.F_NOCACHE, 1) })
	return err
}

// punch is not had: F_PUNCHHOLE takes whole blocks only.
func punch(int, int64, int64) error { return unix.ENOTSUP }

func chmodPath(fd int, mode uint32) error {
	return eintr(func() error { return unix.Fchmod(fd, mode) })
}

// blockSize is the unit in which a file system counts its room, bytes.
func blockSize(st *unix.Statfs_t) uint64 { return uint64(max(st.Bsize, 1)) }

// madeUp says whether the kernel makes up a file system's files while they are read.
func madeUp(*unix.Statfs_t) bool { return false }

// BootID tells this boot of this kernel from all others; nil if the system does not say.
// Inode numbers compare only where it is equal.
func BootID() []byte {
	id, err := unix.Sysctl("kern.bootsessionuuid")
	if err != nil || id == "" {
		return nil
	}
	return []byte(strings.ToLower(id))
}

// setACLs is setACLs of Linux, where nothing can be set.
func (s *Sink) setACLs(_ int, m *Meta, _ bool) bool { return len(m.ACL)+len(m.DefaultACL) == 0 }

// setXattrs sets none.
func (s *Sink) setXattrs(_ int, list []Xattr) {
	if len(list) > 0 {
		s.dropped.xattr.Add(1)
	}
}

// addXattrs and addACLs are never called: see keepsMore.
func (s *Source) addXattrs(*Entry, int, bool) {}

func (s *Source) addACLs(*Entry, int, bool) {}
