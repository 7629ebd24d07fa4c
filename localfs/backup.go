package localfs

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Peek says what is there under a name, of whatever kind; false: nothing is.
func (s *Sink) Peek(d *Dir, name string) (Found, bool, error) {
	var st unix.Stat_t
	err := s.within(d, name, func(dir int) error { return fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) })
	if err == unix.ENOENT {
		return Found{}, false, nil
	}
	return foundOf(&st), err == nil, s.failed("look", d, name, err)
}

// backUp gives what is about to be replaced one more name, with SinkOptions.Backup behind
// it, in the place of an earlier one. It keeps its own name until the new one takes that.
func (s *Sink) backUp(dir int, name string) error {
	if s.o.Backup == "" {
		return nil
	}
	to := name + s.o.Backup
	if err := checkName(to); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if reserved(to) {
		return fmt.Errorf("backup: %w", errReserved)
	}
	hidden, err := s.makeHidden(func(hidden string) error { return linkat(dir, name, dir, hidden, 0) })
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.EMLINK):
		return s.moveAside(dir, name, to) // a directory, or a file system without hard links
	case err != nil:
		return fmt.Errorf("backup: %w", err)
	}
	if err := renameat(dir, hidden, dir, to); err != nil {
		return errors.Join(fmt.Errorf("backup %s: %w", to, err), unlinkat(dir, hidden, 0))
	}
	// rename(2) between two names of one inode does nothing and leaves both.
	if err := unlinkat(dir, hidden, 0); err != unix.ENOENT {
		return err
	}
	return nil
}

// moveAside is backUp where nothing can have two names; what is a directory is not replaced.
func (s *Sink) moveAside(dir int, name, to string) error {
	var st unix.Stat_t
	if err := fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil || st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return err
	}
	if err := renameat(dir, name, dir, to); err != nil {
		return fmt.Errorf("backup %s: %w", to, err)
	}
	return nil
}
