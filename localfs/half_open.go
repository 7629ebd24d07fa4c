package localfs

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"golang.org/x/sys/unix"
)

// OpenHalf opens the half of a file that an earlier session has left, and gives its
// journal. There is none: Is fs.ErrNotExist. Another transfer is writing it: Is
// ErrInUse. Not as a session leaves it: Is ErrUnsafe; it is removed then, if it can be.
// A session that was killed early has left no journal: that Is both of them.
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
	fd, why, err := s.lockPart(dir, part)
	switch {
	case err != nil:
		return nil, nil, err
	case why != "":
		err := unsafeError(part, why, removeName(dir, part))
		if fd >= 0 {
			closeQuietly(fd)
		}
		return nil, nil, err
	}
	h := s.newHalf(p, fd, part)
	h.used = true
	raw, err := h.load(dir)
	if err == nil {
		return h, raw, nil
	}
	// What only went wrong now, such as too many open files, may go better later.
	if !errors.Is(err, ErrUnsafe) {
		h.close()
		return nil, nil, err
	}
	if stays := h.remove(dir); stays != nil {
		err = &stuckError{fmt.Errorf("%w; it can't be removed: %w", err, stays)}
	}
	return nil, nil, err
}

func (s *Sink) newHalf(p Put, fd int, part string) *half {
	h := &half{pending: pending{s: s, put: p, how: methodRename, fd: fd, hidden: part}, journal: -1}
	var st unix.Stat_t
	if fstat(fd, &st) == nil {
		h.id = fileID(&st)
	}
	return h
}

// load reads the journal of half a file that is there.
func (h *half) load(dir int) ([]byte, error) {
	raw, err := h.openJournal(dir)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := fstat(h.fd, &st); err != nil {
		return nil, err
	}
	if st.Size == 0 && h.put.Size > 0 { // by somebody who had not got its lock yet
		return nil, fmt.Errorf("half a file that was just begun, removed: %w: %w", fs.ErrNotExist, ErrUnsafe)
	}
	if st.Size != h.put.Size {
		return nil, fmt.Errorf("half a file of %d bytes, the source has %d now: %w", st.Size, h.put.Size, ErrUnsafe)
	}
	return raw, nil
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
	for range maxRaces {
		fd, err := s.h.room(func() (int, error) { return openat(dir, part, flags, 0o600) })
		if err == unix.EEXIST {
			if err := s.clearPart(dir, p); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		h := s.newHalf(p, fd, part)
		same, err := lock(fd, dir, part)
		switch {
		case err == nil && same:
			return h.start(dir)
		case err != nil && !errors.Is(err, ErrInUse):
			return nil, errors.Join(err, h.remove(dir)) // no locks in this file system
		}
		// Who looks for half a file just now has locked it first, and removes it: it
		// has no journal.
		h.close()
	}
	return nil, ErrInUse
}

// clearPart removes what lies in the way of half a file and what nobody asked to go on
// with. An error: it can't be removed, or is in use.
func (s *Sink) clearPart(dir int, p Put) error {
	h, _, err := s.openHalf(dir, p)
	var stuck *stuckError
	switch {
	case err == nil:
		if err = h.remove(dir); err != nil {
			return unsafeError(h.hidden, "a leftover", err)
		}
		return nil
	case errors.As(err, &stuck):
		return err
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, ErrUnsafe):
		return nil
	}
	return err
}

// start makes a file of its size of one that was just created and locked. The journal
// that has its name then belongs to no file any more: who has locked the file owns both
// names.
func (h *half) start(dir int) (*half, error) {
	journal := hiddenOf(h.put.Name, journalSuffix)
	err := removeName(dir, journal)
	if err != nil {
		err = unsafeError(journal, "a leftover", err)
	} else {
		err = eintr(func() error { return unix.Ftruncate(h.fd, h.put.Size) })
	}
	if err != nil {
		return nil, errors.Join(err, h.remove(dir))
	}
	return h, nil
}

// Forget removes what an earlier session has left of a file that is there whole by now:
// half of it, or its journal, which stays if a session is killed just when it has named
// the file. What a transfer is writing stays.
func (s *Sink) Forget(p Put) {
	// It is tidying: whatever goes wrong leaves it to Clean.
	_ = s.within(p.Dir, p.Name, func(dir int) error {
		h, _, err := s.openHalf(dir, p)
		if err == nil {
			return h.remove(dir)
		}
		journal := hiddenOf(p.Name, journalSuffix)
		var st unix.Stat_t
		if !errors.Is(err, fs.ErrNotExist) || fstatat(dir, journal, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
			return nil //nolint:nilerr // in use, or nothing there
		}
		// One that was made after the look before is not older than that.
		if age := time.Since(time.Unix(st.Ctim.Unix())); age < orphanAge {
			return nil
		}
		return removeName(dir, journal)
	})
}

// orphanAge: a journal without its file is left over if nobody has written to it for so
// long; it is made right after its file.
const orphanAge = time.Second
