package localfs

import (
	"errors"

	"golang.org/x/sys/unix"
)

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
	if err := h.pending.Hole(off, n); err != nil || !h.used || n == 0 {
		return err
	}
	err := punch(h.fd, off, n)
	if err == unix.ENOTSUP || err == unix.ENOSYS {
		err = writeZeros(h.fd, off, n)
	}
	return h.s.failed("put", h.put.Dir, h.put.Name, err)
}

// writeZeros is for file systems that can't punch holes. Those that are there stay.
func writeZeros(fd int, off, n int64) error {
	zeros := make([]byte, min(n, 1<<20))
	for end := off + n; off < end; {
		from, to, err := nextData(fd, off, end)
		if err != nil {
			return err
		}
		for ; from < to; from += int64(len(zeros)) {
			if err := pwriteFull(fd, zeros[:min(to-from, int64(len(zeros)))], from); err != nil {
				return err
			}
		}
		off = to
	}
	return nil
}

func (h *half) NextData(off int64) (start, end int64, err error) {
	return nextData(h.fd, off, h.put.Size)
}

func (h *half) Commit() error {
	defer h.Discard()
	return h.s.failed("put", h.put.Dir, h.put.Name, h.commitBy(h.nameIt))
}

// nameIt gives the file its name. It stays open, and so locked, until it has it: else
// another transfer could take it for half a file that was left. A network file system
// tells of failed writes at any close(2) of the file, so one is done before.
func (h *half) nameIt(dir int) error {
	again, err := unix.FcntlInt(uintptr(h.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := closeFD(again); err != nil {
		return err
	}
	if !isNamed(h.fd, dir, h.hidden) {
		return errTaken
	}
	h.s.keep(&h.put, func(stash int, name string) error { return linkat(dir, h.hidden, stash, name, 0) })
	if err := h.s.renameHidden(dir, h.hidden, h.put.Name); err != nil {
		h.s.drop(&h.put)
		return err
	}
	h.hidden = ""
	// One that stays belongs to no file: the next to be made finds that out.
	_ = h.forgetJournal(dir)
	return nil
}

// errTaken: somebody who keeps to no locks.
var errTaken = errors.New("its temporary was removed or replaced meanwhile")

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
	if h.hidden != "" { // it has no name
		// If even this fails there is nobody to tell who could do better.
		_ = h.s.within(h.put.Dir, h.put.Name, h.remove)
	}
	h.close()
}

// remove removes the file and its journal while it is locked, and closes it. What has
// its name by now but is another file stays.
func (h *half) remove(dir int) error {
	err := h.forgetJournal(dir)
	if isNamed(h.fd, dir, h.hidden) {
		err = errors.Join(err, removeName(dir, h.hidden))
	}
	h.close()
	return err
}

func (h *half) close() {
	for _, fd := range []*int{&h.journal, &h.fd} {
		if *fd >= 0 {
			closeQuietly(*fd)
			*fd = -1
		}
	}
}
