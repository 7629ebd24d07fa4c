package localfs

import (
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
