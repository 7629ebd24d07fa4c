package localfs

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Sink puts one session's entries below a Root. Its methods are for any
// goroutine; Close comes last.
type Sink struct {
	root     *Root
	ownsRoot bool // the root is closed with the sink
	o        SinkOptions
	h        *handles
	ids      *idNames
	to       owners // that all gets; from Resolve on

	hidden string // begin of this session's hidden names, not to be guessed
	serial atomic.Uint64

	dropped struct{ owner, special, xattr, acl atomic.Uint64 }

	mu        sync.Mutex
	devices   map[uint64]*device
	base      *Dir
	notInside []FileID
	stash     *stash
}

// Sink makes the sink of one session.
func (r *Root) Sink(o SinkOptions) *Sink { return newSink(r, o, maxHandles) }

// SinkAt is Sink for the directory at path below the root, "" being the root
// itself. It and its parents are made if they are missing; symbolic links in
// path are followed as long as they stay below. The error of a path that leads
// outside Is ErrUsage.
func (r *Root) SinkAt(path string, o SinkOptions) (*Sink, error) {
	if path == "" {
		return r.Sink(o), nil
	}
	names, err := splitTarget(path)
	if err != nil {
		return nil, err
	}
	in := resolver{root: r}
	fd, err := in.dir(names)
	if err != nil {
		return nil, err
	}
	s := newSink(r.at(fd, path), o, maxHandles)
	s.ownsRoot = true
	return s, nil
}

func newSink(r *Root, o SinkOptions, handleLimit int) *Sink {
	var b [sessionDigits / 2]byte
	// It never fails: crypto/rand ends the process rather than return an error.
	_, _ = rand.Read(b[:])
	return &Sink{
		root: r, o: o, h: newHandles(handleLimit), ids: newIDNames(), to: owners{-1, -1},
		hidden: hiddenPrefix + hex.EncodeToString(b[:]) + ".", devices: map[uint64]*device{},
	}
}

// sessionDigits is how many random digits a session's hidden names have.
const sessionDigits = 16

// hiddenName is a new name for a temporary. Its length does not depend on the
// final name, which may have 255 bytes already.
func (s *Sink) hiddenName() string { return s.hidden + strconv.FormatUint(s.serial.Add(1), 16) }

// Dropped says how many entries lost metadata so far.
func (s *Sink) Dropped() Dropped {
	return Dropped{
		Owner: s.dropped.owner.Load(), Special: s.dropped.special.Load(), Xattr: s.dropped.xattr.Load(), ACL: s.dropped.acl.Load(),
	}
}

// Close removes what the session kept hidden and frees its directories. Files
// that were neither committed nor discarded must not be left.
func (s *Sink) Close() error {
	s.mu.Lock()
	st := s.stash
	s.stash = nil
	s.mu.Unlock()
	var err error
	if st != nil {
		err = st.remove()
	}
	s.h.closeAll()
	if s.ownsRoot {
		err = errors.Join(err, s.root.Close())
	}
	return err
}

// Sync has everything on the disk that the session made, if SinkOptions.Fsync asks for
// it: also what no directory of its own is synced for, such as names in the target and
// directories above it (syncfs(2)).
func (s *Sink) Sync() error {
	if !s.o.Fsync {
		return nil
	}
	s.mu.Lock()
	base := s.base
	s.mu.Unlock()
	if base == nil {
		return nil
	}
	err := s.within(base, ".fsync", func(dir int) error {
		fd, err := s.h.room(func() (int, error) { return openat(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0) })
		if err != nil {
			return err
		}
		return errors.Join(fsync(fd), syncAll(fd), closeFD(fd))
	})
	return s.failed("sync", base, "", err)
}

// within runs work with the descriptor of a directory.
func (s *Sink) within(d *Dir, name string, work func(dir int) error) error {
	if err := checkEntry(d, name); err != nil {
		return err
	}
	dir, err := s.h.acquire(d.node)
	if err != nil {
		return err
	}
	defer s.h.release(d.node)
	return work(dir)
}

// checkEntry says whether a directory may have an entry of that name.
func checkEntry(d *Dir, name string) error {
	if d == nil {
		return fmt.Errorf("no directory: %w", unix.EINVAL)
	}
	if err := checkName(name); err != nil {
		return err
	}
	if reserved(name) {
		return errReserved
	}
	return nil
}

// failed says what could not be done, and to which entry.
func (s *Sink) failed(op string, d *Dir, name string, err error) error {
	if err == nil {
		return nil
	}
	path := name
	if d != nil {
		path = joinPath(d.node.Path(), name)
	}
	return fmt.Errorf("%s %s: %w", op, path, err)
}

// replace puts a hidden name in the place of name, whatever is there. make
// makes the hidden entry; it is called again if its name is taken.
func (s *Sink) replace(dir int, name string, make func(hidden string) error) error {
	hidden, err := s.makeHidden(make)
	if err != nil {
		return err
	}
	return s.renameHidden(dir, hidden, name)
}

func (s *Sink) makeHidden(make func(hidden string) error) (string, error) {
	for range maxRaces {
		hidden := s.hiddenName()
		switch err := make(hidden); err {
		case nil:
			return hidden, nil
		case unix.EEXIST:
		default:
			return "", err
		}
	}
	return "", unix.EEXIST
}

// renameHidden gives a hidden entry its name, or removes it.
func (s *Sink) renameHidden(dir int, hidden, name string) error {
	err := s.backUp(dir, name)
	if err == nil {
		err = renameat(dir, hidden, dir, name)
	}
	if err == nil {
		return nil
	}
	if err == unix.EISDIR {
		err = errDirectory
	}
	return errors.Join(err, unlinkat(dir, hidden, 0))
}

// Symlink makes a symbolic link, or puts it in the place of what is there.
func (s *Sink) Symlink(d *Dir, name, text string, m Meta) error {
	err := s.within(d, name, func(dir int) error { return s.symlink(d, dir, name, text, &m) })
	return s.failed("link", d, name, err)
}

func (s *Sink) symlink(d *Dir, dir int, name, text string, m *Meta) error {
	if err := checkTime(m); err != nil {
		return err
	}
	if text == "" || len(text) >= unix.PathMax {
		return fmt.Errorf("text of %d bytes: %w", len(text), unix.EINVAL)
	}
	if s.o.SafeLinks && leadsOutside(text, d.node.depth()) {
		return ErrOutside
	}
	return d.enter(dir, name, func() error {
		err := symlinkat(text, dir, name)
		if err == unix.EEXIST {
			err = s.replace(dir, name, func(hidden string) error { return symlinkat(text, dir, hidden) })
		}
		if err != nil {
			return err
		}
		s.ownLink(dir, name, m)
		return setMtime(dir, name, m.MtimeSec, m.MtimeNsec)
	})
}
