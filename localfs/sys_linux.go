package localfs

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

const (
	// pathOnly opens a directory or file to look at it, and for what lies below it: who may not
	// read it may that.
	pathOnly = unix.O_PATH

	// leaveTime is the time that stays (utimensat(2)).
	leaveTime = unix.UTIME_OMIT

	// keepsMore: extended attributes and ACLs are those of Linux.
	keepsMore = true

	// direntBuf is how much of a directory is read at once, bytes: some 250 names
	// of 8 characters. Every directory on the way down keeps a block of names, so
	// a very deep walk should not need many times this.
	direntBuf = 8 << 10
)

func modeOf(st *unix.Stat_t) uint32 { return st.Mode }

func devOf(st *unix.Stat_t) uint64 { return st.Dev }

// procFD is a path to what fd refers to, for system calls that take no descriptor.
func procFD(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// keepPlace keeps a directory that is being read from losing names, now that others were
// removed from it: getdents64(2) loses none.
func keepPlace(int) {}

// pathOf is the path of what fd refers to, as it is now.
func pathOf(fd int) (string, error) { return readlinkat(unix.AT_FDCWD, procFD(fd), unix.PathMax) }

// openAgain opens what fd refers to once more.
func openAgain(fd, flags int) (int, error) { return openat(unix.AT_FDCWD, procFD(fd), flags, 0) }

// Handle is a path of the very directory that is open, whatever became of its name: for as
// long as it is.
func (r *Root) Handle() string { return procFD(r.fd) }

// fsync is fsync(2): what a file holds, or which names a directory has, is on the disk.
func fsync(fd int) error {
	return eintr(func() error { return unix.Fsync(fd) })
}

// fdatasync is fsync of what a file holds, and of no more than is needed to read it.
func fdatasync(fd int) error {
	return eintr(func() error { return unix.Fdatasync(fd) })
}

// syncAll has all on the disk that the file system of fd holds.
func syncAll(fd int) error {
	return eintr(func() error { return unix.Syncfs(fd) })
}

// uncache takes a file out of the page cache. Pages that are dirty or in use stay.
func uncache(fd int) error {
	return eintr(func() error { return unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED) })
}

// punch makes a range read as zeros that takes no room.
func punch(fd int, off, n int64) error {
	return eintr(func() error {
		return unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
	})
}

// chmodPath is fchmod(2) for a descriptor opened with pathOnly. Before Linux 6.6
// only /proc has a way.
func chmodPath(fd int, mode uint32) error {
	err := eintr(func() error { return unix.Fchmodat(fd, "", mode, unix.AT_EMPTY_PATH) })
	if err == unix.ENOSYS || err == unix.EOPNOTSUPP || err == unix.EINVAL {
		err = eintr(func() error { return unix.Fchmodat(unix.AT_FDCWD, procFD(fd), mode, 0) })
	}
	return err
}

// blockSize is the unit in which a file system counts its room, bytes.
func blockSize(st *unix.Statfs_t) uint64 { return uint64(max(st.Frsize, 1)) }

// madeUp says whether the kernel makes up a file system's files while they are read.
func madeUp(st *unix.Statfs_t) bool {
	switch int64(st.Type) {
	case unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.DEBUGFS_MAGIC, unix.TRACEFS_MAGIC,
		unix.SECURITYFS_MAGIC, unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC:
		return true
	}
	return false
}

// BootID tells this boot of this kernel from all others (random(4)); nil if
// the system does not say. Inode numbers compare only where it is equal.
func BootID() []byte {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return nil
	}
	return bytes.TrimSpace(id)
}
