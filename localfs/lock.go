package localfs

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// openPart opens what has the name of half a file, but never waits for it or follows
// it. why says what already shows that it is none; then fd is there for its lock only,
// or -1.
func (s *Sink) openPart(dir int, part string) (fd int, why string, err error) {
	var st unix.Stat_t
	// A look before, for opening a device may do something.
	if err := fstatat(dir, part, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return -1, "", err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return -1, notRegular, nil
	}
	// A transfer that is just giving it its name has given it its mode before.
	for _, how := range []int{unix.O_RDWR, unix.O_RDONLY, unix.O_WRONLY} {
		fd, err = s.h.room(func() (int, error) {
			return openat(dir, part, how|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
		})
		switch err {
		case nil:
			return fd, why, nil
		case unix.EACCES, unix.EPERM, unix.ETXTBSY, unix.ELOOP, unix.ENXIO, unix.EISDIR, unix.ENODEV:
			if why == "" {
				why = fmt.Sprintf("it can't be opened (%v)", err)
			}
		default:
			return -1, "", err
		}
	}
	return -1, why, nil
}

// lockPart opens and locks half a file. why says what shows that it is none, as
// openPart does. Locked by another: Is ErrInUse, whatever it is, for its mode and owner
// are another's to change then.
func (s *Sink) lockPart(dir int, part string) (fd int, why string, err error) {
	for range maxRaces {
		fd, why, err = s.openPart(dir, part)
		if err != nil || fd < 0 {
			return -1, why, err
		}
		same, err := lock(fd, dir, part)
		if err == nil && same {
			if why == "" {
				why = fault(fd)
			}
			return fd, why, nil
		}
		closeQuietly(fd)
		if err != nil {
			return -1, "", err
		}
	}
	return -1, "", ErrInUse
}

// lock locks an open file; same says whether it has the name still: who had it locked
// before may have given it another, or removed it.
func lock(fd, dir int, name string) (same bool, err error) {
	err = tryLock(fd)
	if err != nil {
		return false, err
	}
	return isNamed(fd, dir, name), nil
}

// tryLock locks an open file or directory for as long as it is open. Locked by
// another: Is ErrInUse.
func tryLock(fd int) error {
	err := eintr(func() error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) })
	if err == unix.EWOULDBLOCK {
		return ErrInUse
	}
	return err
}

// isNamed says whether a name is that of an open file.
func isNamed(fd, dir int, name string) bool {
	var mine, there unix.Stat_t
	return fstat(fd, &mine) == nil && fstatat(dir, name, &there, unix.AT_SYMLINK_NOFOLLOW) == nil &&
		fileID(&mine) == fileID(&there)
}

const notRegular = "it is no regular file"

// fault says what about an open file shows that it is none that a session of this user
// has left, "" if nothing does.
func fault(fd int) string {
	var st unix.Stat_t
	if err := fstat(fd, &st); err != nil {
		return err.Error()
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return notRegular
	case int(st.Uid) != os.Geteuid():
		return fmt.Sprintf("it belongs to user %d", st.Uid)
	case st.Mode&0o7777 != 0o600:
		return fmt.Sprintf("its mode is %04o", st.Mode&0o7777)
	case st.Nlink != 1:
		return fmt.Sprintf("it has %d names", st.Nlink)
	}
	return ""
}

// unsafeError says what can't be trusted, and why. stays is why it could not be removed.
func unsafeError(name, why string, stays error) error {
	if stays != nil {
		return &stuckError{fmt.Errorf("%s: %s, and it can't be removed (%w): %w", name, why, stays, ErrUnsafe)}
	}
	return fmt.Errorf("%s: %s, removed: %w", name, why, ErrUnsafe)
}

// stuckError is an ErrUnsafe about what is still there.
type stuckError struct{ error }

func (e *stuckError) Unwrap() error { return e.error }

// removeName removes a name that may be gone already.
func removeName(dir int, name string) error {
	if err := unlinkat(dir, name, 0); err != unix.ENOENT {
		return err
	}
	return nil
}
