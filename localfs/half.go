package localfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// maxJournal is the longest journal that is believed, bytes: 8 TiB in pieces of 1 MiB.
const maxJournal = 256 << 20

// half is a HalfFile.
type half struct {
	pending // fd is -1 once it was committed, discarded or kept
	id      FileID
	used    bool // an earlier session wrote to it
	journal int  // -1: not open
	noted   bool // the journal says something
}

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
		return nil, fmt.Errorf("%s: it can't be opened (%v): %w", name, err, ErrUnsafe)
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

func (h *half) ID() FileID { return h.id }

func (h *half) Hole(off, n int64) error {
	if err := h.pending.Hole(off, n); err != nil || !h.used {
		return err
	}
	err := eintr(func() error {
		return unix.Fallocate(h.fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
	})
	if err == unix.EOPNOTSUPP || err == unix.ENOSYS {
		err = writeZeros(h.fd, off, n)
	}
	return h.s.failed("put", h.put.Dir, h.put.Name, err)
}

// writeZeros is for file systems that can't punch holes.
func writeZeros(fd int, off, n int64) error {
	zeros := make([]byte, min(n, 1<<20))
	for n > 0 {
		p := zeros[:min(n, int64(len(zeros)))]
		if err := pwriteFull(fd, p, off); err != nil {
			return err
		}
		off, n = off+int64(len(p)), n-int64(len(p))
	}
	return nil
}

func (h *half) NextData(off int64) (start, end int64, err error) {
	return nextData(h.fd, off, h.put.Size)
}

func (h *half) Note(b []byte) error {
	return h.s.failed("note", h.put.Dir, h.put.Name, h.note(b))
}

func (h *half) note(b []byte) error {
	if h.fd < 0 {
		return os.ErrClosed
	}
	if h.s.o.Fsync {
		if err := eintr(func() error { return unix.Fdatasync(h.fd) }); err != nil {
			return err
		}
	}
	if h.journal < 0 {
		err := h.s.within(h.put.Dir, h.put.Name, h.makeJournal)
		if err != nil {
			return err
		}
	}
	h.noted = true
	if err := writeFull(h.journal, b); err != nil {
		return err
	}
	if h.s.o.Fsync {
		return fsync(h.journal)
	}
	return nil
}

// makeJournal makes the journal. One that is there belongs to no file any more: who
// has locked the file owns both names.
func (h *half) makeJournal(dir int) (err error) {
	const flags = unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_RDWR | unix.O_APPEND
	name := hiddenOf(h.put.Name, journalSuffix)
	make := func() (int, error) { return openat(dir, name, flags, 0o600) }
	h.journal, err = h.s.h.room(make)
	if err == unix.EEXIST {
		if err = unlinkat(dir, name, 0); err == nil {
			h.journal, err = make()
		}
	}
	if err != nil {
		h.journal = -1
	}
	return err
}

func (h *half) Truncate(n int64) error {
	err := os.ErrClosed
	if h.journal >= 0 {
		err = eintr(func() error { return unix.Ftruncate(h.journal, n) })
	}
	return h.s.failed("note", h.put.Dir, h.put.Name, err)
}

func (h *half) Commit() error {
	defer h.Discard()
	return h.s.failed("put", h.put.Dir, h.put.Name, h.commitBy(h.nameIt))
}

// nameIt gives the file its name. It stays open, and so locked, until it has it: else
// another transfer could take it for half a file that was left. A network file system
// tells of failed writes at any close(2) of the file, so one is done before.
func (h *half) nameIt(dir int) error {
	again, err := unix.Dup(h.fd)
	if err != nil {
		return err
	}
	if err := closeFD(again); err != nil {
		return err
	}
	h.s.keep(&h.put, func(stash int, name string) error { return linkat(dir, h.hidden, stash, name, 0) })
	if err := h.s.renameHidden(dir, h.hidden, h.put.Name); err != nil {
		h.s.drop(&h.put)
		return err
	}
	h.hidden = ""
	h.forgetJournal(dir)
	return nil
}

func (h *half) Keep() {
	if h.fd >= 0 && h.noted {
		h.close()
		return
	}
	h.Discard()
}

func (h *half) Discard() {
	if h.fd < 0 {
		return
	}
	if h.hidden == "" { // it has its name
		h.close()
		return
	}
	// If even this fails there is nobody to tell who could do better.
	_ = h.s.within(h.put.Dir, h.put.Name, func(dir int) error {
		h.remove(dir)
		return nil
	})
	h.close()
}

// remove removes the file and its journal while it is locked, and closes it.
func (h *half) remove(dir int) {
	_ = unlinkat(dir, h.hidden, 0)
	h.forgetJournal(dir)
	h.close()
}

func (h *half) forgetJournal(dir int) {
	_ = unlinkat(dir, hiddenOf(h.put.Name, journalSuffix), 0)
}

func (h *half) close() {
	for _, fd := range []*int{&h.journal, &h.fd} {
		if *fd >= 0 {
			closeQuietly(*fd)
			*fd = -1
		}
	}
}

// writeFull writes all of p where the file goes on.
func writeFull(fd int, p []byte) error {
	for len(p) > 0 {
		n, err := eintrInt(func() (int, error) { return unix.Write(fd, p) })
		if err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}
