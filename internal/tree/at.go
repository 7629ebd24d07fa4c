package tree

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// dirFlags opens a directory for *at calls and for listing.
const dirFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC

// retry runs f until it is not interrupted by a signal (signal(7), EINTR).
func retry(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}

// openAt is openat(2); the path in errors is for people.
func openAt(dirfd int, name string, flags int, mode uint32) (int, error) {
	fd := -1
	err := retry(func() (err error) {
		fd, err = unix.Openat(dirfd, name, flags|unix.O_CLOEXEC, mode)
		return err
	})
	if err != nil {
		return -1, fmt.Errorf("open %q: %w", name, err)
	}
	return fd, nil
}

// lstatAt is fstatat(2) without following symlinks.
func lstatAt(dirfd int, name string) (unix.Stat_t, error) {
	var st unix.Stat_t
	err := retry(func() error { return unix.Fstatat(dirfd, name, &st, unix.AT_SYMLINK_NOFOLLOW) })
	if err != nil {
		return st, fmt.Errorf("lstat %q: %w", name, err)
	}
	return st, nil
}

// readlinkAt is readlinkat(2); a link's text is shorter than PATH_MAX.
func readlinkAt(dirfd int, name string) (string, error) {
	buf := make([]byte, unix.PathMax)
	n := 0
	err := retry(func() (err error) {
		n, err = unix.Readlinkat(dirfd, name, buf)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("readlink %q: %w", name, err)
	}
	return string(buf[:n]), nil
}

// touchAt sets the times of name itself, never of what it points to (utimensat(2)).
func touchAt(dirfd int, name string, mtime time.Time) error {
	ts := unix.Timespec{Sec: mtime.Unix(), Nsec: int64(mtime.Nanosecond())}
	times := []unix.Timespec{{Nsec: leaveTime}, ts}
	if err := retry(func() error { return unix.UtimesNanoAt(dirfd, name, times, unix.AT_SYMLINK_NOFOLLOW) }); err != nil {
		return fmt.Errorf("utimensat %q: %w", name, err)
	}
	return nil
}

// list reads all names of an open directory, in the order the file system gives.
func list(fd int) ([]string, error) {
	dup, err := openAt(fd, ".", dirFlags, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(dup), "directory")
	names, err := f.Readdirnames(-1)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return names, err
}
