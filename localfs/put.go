package localfs

import (
	"fmt"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// pending is a file that has no name yet, or a hidden one.
type pending struct {
	s      *Sink
	put    Put
	how    method
	fd     int    // -1: closed
	moded  bool   // it was made with its mode
	hidden string // methodRename: the name it has meanwhile
}

// PutFile makes a whole file at once.
func (s *Sink) PutFile(p Put, data []byte) error {
	err := s.putFile(p, data)
	return s.failed("put", p.Dir, p.Name, err)
}

func (s *Sink) putFile(p Put, data []byte) error {
	if int64(len(data)) != p.Size {
		return fmt.Errorf("%d bytes for a file of %d: %w", len(data), p.Size, unix.EINVAL)
	}
	f, err := s.begin(p)
	if err != nil {
		return err
	}
	defer f.Discard()
	if err := pwriteFull(f.fd, data, 0); err != nil {
		return err
	}
	return f.commit()
}

// CreateFile begins a file that arrives in pieces; what is never written is a hole.
func (s *Sink) CreateFile(p Put) (PendingFile, error) {
	f, err := s.create(p)
	if err != nil {
		return nil, s.failed("put", p.Dir, p.Name, err)
	}
	return f, nil
}

func (s *Sink) create(p Put) (*pending, error) {
	if p.Size < Unsized {
		return nil, fmt.Errorf("size %d: %w", p.Size, unix.EINVAL)
	}
	f, err := s.begin(p)
	if err != nil {
		return nil, err
	}
	if p.Size == Unsized {
		return f, nil
	}
	if err := eintr(func() error { return unix.Ftruncate(f.fd, p.Size) }); err != nil {
		f.Discard()
		return nil, err
	}
	return f, nil
}

// begin opens a file without a name in the directory where it belongs.
func (s *Sink) begin(p Put) (*pending, error) {
	f := &pending{s: s, put: p, fd: -1}
	err := s.within(p.Dir, p.Name, func(dir int) (err error) {
		if err := checkTime(&p.Meta); err != nil {
			return err
		}
		if f.how, err = s.method(s.deviceOf(p.Dir), dir); err != nil {
			return err
		}
		if f.how == methodRename {
			f.hidden, err = s.makeHidden(func(hidden string) error { return f.open(dir, hidden) })
			return err
		}
		mode := p.Meta.openMode()
		f.fd, err = s.h.room(func() (int, error) { return openTmpfile(dir, mode) })
		f.moded = err == nil && mode == p.Meta.Mode && p.Dir.opensWith(f.fd, mode)
		return err
	})
	return f, err
}

// open creates the file by a hidden name.
func (f *pending) open(dir int, hidden string) (err error) {
	const flags = unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_RDWR
	f.fd, err = f.s.h.room(func() (int, error) { return openat(dir, hidden, flags, 0o600) })
	if err == nil {
		// For Clean to see that it is no leftover; what can't be locked it tells by its age.
		_ = tryLock(f.fd)
	}
	return err
}

func (f *pending) WriteAt(p []byte, off int64) error {
	err := f.writeAt(p, off)
	return f.s.failed("put", f.put.Dir, f.put.Name, err)
}

func (f *pending) writeAt(p []byte, off int64) error {
	if size := f.put.most(); off < 0 || off > size || int64(len(p)) > size-off {
		return fmt.Errorf("%d bytes at %d of a file of %d: %w", len(p), off, f.put.Size, unix.EINVAL)
	}
	return pwriteFull(f.fd, p, off)
}

// most is how long the file may become, bytes.
func (p *Put) most() int64 {
	if p.Size == Unsized {
		return math.MaxInt64
	}
	return p.Size
}

// Hole is a no-op: a file is made as one hole.
func (f *pending) Hole(off, n int64) error {
	if off < 0 || n < 0 || off > f.put.Size || n > f.put.Size-off {
		return f.s.failed("put", f.put.Dir, f.put.Name, fmt.Errorf("hole of %d bytes at %d of a file of %d: %w", n, off, f.put.Size, unix.EINVAL))
	}
	return nil
}

func (f *pending) ReadAt(p []byte, off int64) error {
	return f.s.failed("read back", f.put.Dir, f.put.Name, preadFull(f.fd, p, off))
}

func (f *pending) Reload() error {
	err := fdatasync(f.fd)
	if err == nil {
		err = uncache(f.fd) // none of it is dirty or in use, after the line before
	}
	return f.s.failed("read back", f.put.Dir, f.put.Name, err)
}

func (f *pending) Commit() error {
	defer f.Discard()
	return f.s.failed("put", f.put.Dir, f.put.Name, f.commit())
}

func (f *pending) commit() error {
	return f.commitBy(func(dir int) error {
		if f.how == methodRename {
			return f.renameTo(dir)
		}
		return f.linkTo(dir)
	})
}

// commitBy gives the file its metadata, and then its name, which name does.
func (f *pending) commitBy(name func(dir int) error) error {
	if f.fd < 0 {
		return os.ErrClosed
	}
	if err := f.s.applyMeta(f.fd, &f.put.Meta, applied{moded: f.moded}); err != nil {
		return err
	}
	if f.s.o.Fsync {
		if err := fsync(f.fd); err != nil {
			return err
		}
	}
	return f.s.within(f.put.Dir, f.put.Name, func(dir int) error {
		return f.put.Dir.enter(dir, f.put.Name, func() error { return name(dir) })
	})
}

// linkTo names a file that has no name.
func (f *pending) linkTo(dir int) error {
	link := func(name string) error { return linkOpen(f.how, f.fd, dir, name) }
	err := link(f.put.Name)
	if err == unix.EEXIST {
		err = f.s.replace(dir, f.put.Name, link)
	}
	if err != nil {
		return err
	}
	f.s.keep(&f.put, func(stash int, name string) error { return linkOpen(f.how, f.fd, stash, name) })
	return nil
}

// renameTo names a file that has a hidden name. It is closed before, since
// network file systems tell of failed writes only then.
func (f *pending) renameTo(dir int) error {
	fd := f.fd
	f.fd = -1
	if err := closeFD(fd); err != nil {
		return err
	}
	f.s.keep(&f.put, func(stash int, name string) error { return linkat(dir, f.hidden, stash, name, 0) })
	hidden := f.hidden
	f.hidden = ""
	err := f.s.renameHidden(dir, hidden, f.put.Name)
	if err != nil {
		f.s.drop(&f.put)
	}
	return err
}

// Discard leaves nothing of the file, unless Commit has named it.
func (f *pending) Discard() {
	if f.fd >= 0 {
		closeQuietly(f.fd)
		f.fd = -1
	}
	if f.hidden == "" {
		return
	}
	hidden := f.hidden
	f.hidden = ""
	// If even this fails there is nobody to tell who could do better.
	_ = f.s.within(f.put.Dir, f.put.Name, func(dir int) error { return unlinkat(dir, hidden, 0) })
}
