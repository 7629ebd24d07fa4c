package localfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// OpenHalf opens the half of a file that an earlier session has left, and gives its
// journal. There is none: Is fs.ErrNotExist. Another transfer is writing it: Is
// ErrInUse. Not as a session leaves it: Is ErrUnsafe; it is removed then, if it can be.
func (s *Sink) OpenHalf(p Put) (HalfFile, []byte, error) {
	var h *half
	var raw []byte
	err := s.within(p.Dir, p.Name, func(dir int) (err error) {
		h, raw, err = s.openHalf(dir, p)
		return err
	})
	if err != nil {
		return nil, nil, s.failed("resume", p.Dir, p.Name, err)
	}
	return h, raw, nil
}

func (s *Sink) openHalf(dir int, p Put) (*half, []byte, error) {
	part := hiddenOf(p.Name, partSuffix)
	fd, err := s.lockPart(dir, part)
	if err != nil {
		return nil, nil, err
	}
	h := s.newHalf(p, fd, part)
	h.used = true
	raw, err := h.openJournal(dir)
	if err != nil {
		h.remove(dir)
		return nil, nil, err
	}
	return h, raw, nil
}

func (s *Sink) newHalf(p Put, fd int, part string) *half {
	h := &half{pending: pending{s: s, put: p, how: methodRename, fd: fd, hidden: part}, journal: -1}
	var st unix.Stat_t
	if fstat(fd, &st) == nil {
		h.id = fileID(&st)
	}
	return h
}

// lockPart opens a half file, sees that it is one, and locks it.
func (s *Sink) lockPart(dir int, part string) (int, error) {
	const flags = unix.O_RDWR | unix.O_NOFOLLOW | unix.O_NONBLOCK
	for range maxRaces {
		fd, err := s.h.room(func() (int, error) { return openat(dir, part, flags, 0) })
		switch err {
		case nil:
		case unix.ENOENT:
			return -1, err
		case unix.ELOOP, unix.ENXIO, unix.EISDIR, unix.EACCES, unix.EPERM, unix.ENODEV:
			return -1, removeUnsafe(dir, part, fmt.Sprintf("it can't be opened (%v)", err))
		default:
			return -1, err
		}
		if why := unsafe(fd); why != "" {
			closeQuietly(fd)
			return -1, removeUnsafe(dir, part, why)
		}
		same, err := lock(fd, dir, part)
		if err == nil && same {
			return fd, nil
		}
		closeQuietly(fd)
		if err != nil {
			return -1, err
		}
	}
	return -1, ErrInUse
}

// lock locks an open file; same says whether it has the name still: who had it locked
// before may have given it another, or removed it.
func lock(fd, dir int, name string) (same bool, err error) {
	err = eintr(func() error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) })
	if err == unix.EWOULDBLOCK {
		return false, ErrInUse
	}
	if err != nil {
		return false, err
	}
	var mine, there unix.Stat_t
	if err := fstat(fd, &mine); err != nil {
		return false, err
	}
	return fstatat(dir, name, &there, unix.AT_SYMLINK_NOFOLLOW) == nil && fileID(&mine) == fileID(&there), nil
}

// unsafe says what about an open file shows that it is none that a session of this
// user has left, "" if nothing does.
func unsafe(fd int) string {
	var st unix.Stat_t
	if err := fstat(fd, &st); err != nil {
		return err.Error()
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return "it is no regular file"
	case int(st.Uid) != os.Geteuid():
		return fmt.Sprintf("it belongs to user %d", st.Uid)
	case st.Mode&0o7777 != 0o600:
		return fmt.Sprintf("its mode is %04o", st.Mode&0o7777)
	case st.Nlink != 1:
		return fmt.Sprintf("it has %d names", st.Nlink)
	}
	return ""
}

// removeUnsafe removes what can't be trusted, and says so.
func removeUnsafe(dir int, name, why string) error {
	if err := unlinkat(dir, name, 0); err != nil && err != unix.ENOENT {
		return fmt.Errorf("%s: %s, and it can't be removed (%w): %w", name, why, err, ErrUnsafe)
	}
	return fmt.Errorf("%s: %s, removed: %w", name, why, ErrUnsafe)
}

// openJournal opens the journal of a half file that is there, and reads it.
func (h *half) openJournal(dir int) ([]byte, error) {
	var st unix.Stat_t
	if err := fstat(h.fd, &st); err != nil {
		return nil, err
	}
	if st.Size != h.put.Size {
		return nil, fmt.Errorf("half a file of %d bytes, the source has %d now: %w", st.Size, h.put.Size, ErrUnsafe)
	}
	name := hiddenOf(h.put.Name, journalSuffix)
	fd, err := h.s.h.room(func() (int, error) {
		return openat(dir, name, unix.O_RDWR|unix.O_APPEND|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	})
	switch {
	case err == unix.ENOENT:
		return nil, err // killed before it was begun
	case err != nil:
		return nil, removeUnsafe(dir, name, fmt.Sprintf("it can't be opened (%v)", err))
	}
	h.journal, h.noted = fd, true
	if why := unsafe(fd); why != "" {
		return nil, fmt.Errorf("%s: %s: %w", name, why, ErrUnsafe)
	}
	if err := fstat(fd, &st); err != nil {
		return nil, err
	}
	if st.Size > maxJournal {
		return nil, fmt.Errorf("%s: a journal of %d bytes: %w", name, st.Size, ErrUnsafe)
	}
	raw := make([]byte, st.Size)
	return raw, preadFull(fd, raw, 0)
}

// CreateHalf begins a file that can outlive its session. One that another transfer is
// writing Is ErrInUse; something in its place that can't be removed Is ErrUnsafe.
func (s *Sink) CreateHalf(p Put) (HalfFile, error) {
	var h *half
	err := s.within(p.Dir, p.Name, func(dir int) (err error) {
		h, err = s.createHalf(dir, p)
		return err
	})
	if err != nil {
		return nil, s.failed("put", p.Dir, p.Name, err)
	}
	return h, nil
}

func (s *Sink) createHalf(dir int, p Put) (*half, error) {
	if p.Size < 0 {
		return nil, fmt.Errorf("size %d: %w", p.Size, unix.EINVAL)
	}
	if err := checkTime(&p.Meta); err != nil {
		return nil, err
	}
	const flags = unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_RDWR
	part := hiddenOf(p.Name, partSuffix)
	last := ErrInUse
	for range maxRaces {
		fd, err := s.h.room(func() (int, error) { return openat(dir, part, flags, 0o600) })
		if err == unix.EEXIST {
			if last, err = s.clearPart(dir, p); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		h := s.newHalf(p, fd, part)
		// Who looks for half a file now may have locked it first, and removes it: it
		// has no journal.
		same, err := lock(fd, dir, part)
		if err != nil || !same {
			closeQuietly(fd)
			continue
		}
		if err := eintr(func() error { return unix.Ftruncate(fd, p.Size) }); err != nil {
			h.remove(dir)
			return nil, err
		}
		return h, nil
	}
	return nil, last
}

// clearPart removes what lies in the way of a half file. An error: it can't be.
// last is what to say if that goes on and on.
func (s *Sink) clearPart(dir int, p Put) (last, err error) {
	h, _, err := s.openHalf(dir, p)
	var errno unix.Errno
	switch {
	case err == nil:
		h.remove(dir) // nobody has asked to go on with it
		return ErrInUse, nil
	case errors.Is(err, fs.ErrNotExist):
		return ErrInUse, nil
	case errors.Is(err, ErrUnsafe) && !errors.As(err, &errno):
		return err, nil // it is removed
	}
	return err, err
}
