package localfs

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// eintr repeats a system call for as long as a signal interrupts it.
func eintr(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

func eintrInt(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); err != unix.EINTR {
			return n, err
		}
	}
}

func privileged() bool { return os.Geteuid() == 0 }

func openat(dir int, name string, flags int, mode uint32) (int, error) {
	return eintrInt(func() (int, error) { return unix.Openat(dir, name, flags|unix.O_CLOEXEC, mode) })
}

// closeFD closes fd. It is not repeated on EINTR: Linux has freed the number by then.
func closeFD(fd int) error {
	if err := unix.Close(fd); err != unix.EINTR {
		return err
	}
	return nil
}

// closeQuietly is for descriptors whose close(2) has nothing left to tell.
func closeQuietly(fd int) { _ = closeFD(fd) }

func fstat(fd int, st *unix.Stat_t) error {
	return eintr(func() error { return unix.Fstat(fd, st) })
}

func fstatat(dir int, name string, st *unix.Stat_t, flags int) error {
	return eintr(func() error { return unix.Fstatat(dir, name, st, flags) })
}

func linkat(olddir int, oldname string, newdir int, newname string, flags int) error {
	return eintr(func() error { return unix.Linkat(olddir, oldname, newdir, newname, flags) })
}

func renameat(olddir int, oldname string, newdir int, newname string) error {
	return eintr(func() error { return unix.Renameat(olddir, oldname, newdir, newname) })
}

func unlinkat(dir int, name string, flags int) error {
	return eintr(func() error { return unix.Unlinkat(dir, name, flags) })
}

func mkdirat(dir int, name string, mode uint32) error {
	return eintr(func() error { return unix.Mkdirat(dir, name, mode) })
}

func symlinkat(text string, dir int, name string) error {
	return eintr(func() error { return unix.Symlinkat(text, dir, name) })
}

// readlinkat reads a link's text, which may have grown since size was seen.
func readlinkat(dir int, name string, size int64) (string, error) {
	for n := min(max(size, 0), unix.PathMax) + 1; ; n *= 2 {
		buf := make([]byte, n)
		got, err := eintrInt(func() (int, error) { return unix.Readlinkat(dir, name, buf) })
		if err != nil {
			return "", err
		}
		if got < len(buf) || n > unix.PathMax {
			return string(buf[:got]), nil
		}
	}
}

// setMtime sets the mtime of name in dir, without following a link; the atime
// stays. nsec must be below 1e9: larger numbers mean other things.
func setMtime(dir int, name string, sec int64, nsec uint32) error {
	ts := mtimeOnly(sec, nsec)
	return eintr(func() error { return unix.UtimesNanoAt(dir, name, ts[:], unix.AT_SYMLINK_NOFOLLOW) })
}

func mtimeOnly(sec int64, nsec uint32) [2]unix.Timespec {
	return [2]unix.Timespec{{Nsec: leaveTime}, {Sec: sec, Nsec: int64(nsec)}}
}

// preadFull fills p from off; a file that ends early is io.ErrUnexpectedEOF.
func preadFull(fd int, p []byte, off int64) error {
	for len(p) > 0 {
		n, err := eintrInt(func() (int, error) { return unix.Pread(fd, p, off) })
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrUnexpectedEOF
		}
		p, off = p[n:], off+int64(n)
	}
	return nil
}

// pwriteFull writes all of p at off.
func pwriteFull(fd int, p []byte, off int64) error {
	for len(p) > 0 {
		n, err := eintrInt(func() (int, error) { return unix.Pwrite(fd, p, off) })
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrShortWrite
		}
		p, off = p[n:], off+int64(n)
	}
	return nil
}
