package localfs

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// maxJournal is the longest journal that is believed, bytes: 8 TiB in pieces of 1 MiB.
const maxJournal = 256 << 20

// openJournal opens the journal of half a file that is there, and reads it.
func (h *half) openJournal(dir int) ([]byte, error) {
	name := hiddenOf(h.put.Name, journalSuffix)
	fd, why, err := h.s.openPart(dir, name)
	// Who has just given an earlier one its name removes its journal only then, and may
	// hit this one.
	if fd >= 0 && unlinked(fd) {
		closeQuietly(fd)
		err = unix.ENOENT
	}
	switch {
	case err == unix.ENOENT: // killed before it was begun
		return nil, fmt.Errorf("half a file without a journal, removed: %w: %w", err, ErrUnsafe)
	case err != nil:
		return nil, err
	case fd >= 0 && why == "":
		why = fault(fd)
	}
	if why != "" {
		if fd >= 0 {
			closeQuietly(fd)
		}
		return nil, unsafeError(name, why, removeName(dir, name))
	}
	h.journal, h.noted = fd, true
	var st unix.Stat_t
	if err := fstat(fd, &st); err != nil {
		return nil, err
	}
	if st.Size > maxJournal {
		return nil, fmt.Errorf("%s: a journal of %d bytes: %w", name, st.Size, ErrUnsafe)
	}
	raw := make([]byte, st.Size)
	return raw, preadFull(fd, raw, 0)
}

// unlinked says whether an open file has no name any more.
func unlinked(fd int) bool {
	var st unix.Stat_t
	return fstat(fd, &st) == nil && st.Nlink == 0
}

func (h *half) Note(b []byte) error {
	return h.s.failed("note", h.put.Dir, h.put.Name, h.note(b))
}

func (h *half) note(b []byte) error {
	if h.fd < 0 {
		return os.ErrClosed
	}
	if h.s.o.Fsync {
		if err := fdatasync(h.fd); err != nil {
			return err
		}
	}
	if h.journal < 0 {
		if err := h.s.within(h.put.Dir, h.put.Name, h.makeJournal); err != nil {
			return err
		}
	}
	if err := h.append(b); err != nil {
		return err
	}
	h.noted = true
	if h.s.o.Fsync {
		return fsync(h.journal)
	}
	return nil
}

// makeJournal makes the journal.
func (h *half) makeJournal(dir int) error {
	const flags = unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_RDWR
	name := hiddenOf(h.put.Name, journalSuffix)
	if err := removeName(dir, name); err != nil {
		return unsafeError(name, "a leftover", err)
	}
	fd, err := h.s.h.room(func() (int, error) { return openat(dir, name, flags, 0o600) })
	if err == nil {
		h.journal = fd
	}
	return err
}

// append writes all of b behind what the journal holds.
func (h *half) append(b []byte) error {
	var st unix.Stat_t
	if err := fstat(h.journal, &st); err != nil {
		return err
	}
	return pwriteFull(h.journal, b, st.Size)
}

func (h *half) Truncate(n int64) error {
	err := os.ErrClosed
	if h.journal >= 0 {
		err = eintr(func() error { return unix.Ftruncate(h.journal, n) })
	}
	return h.s.failed("note", h.put.Dir, h.put.Name, err)
}

// forgetJournal removes the journal, unless it is not the one that is open: the file may
// have its name by now, and another transfer begun anew.
func (h *half) forgetJournal(dir int) error {
	name := hiddenOf(h.put.Name, journalSuffix)
	if h.journal < 0 || !isNamed(h.journal, dir, name) {
		return nil
	}
	return removeName(dir, name)
}
