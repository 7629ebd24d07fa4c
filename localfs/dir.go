package localfs

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Dir is a directory of a Sink.
type Dir struct {
	node    *dirNode
	device  atomic.Pointer[device] // nil: not looked up yet
	fold    folding
	made    bool          // by this session
	missing bool          // of Dry: it is not there
	opens   atomic.Uint32 // what mode new files get: see opensWith
}

// Made says whether this session has made the directory.
func (d *Dir) Made() bool { return d.made }

// Path is the directory's name for people, below the root.
func (d *Dir) Path() string { return d.node.Path() }

// DirID is the directory's inode.
func (s *Sink) DirID(d *Dir) (FileID, error) {
	if _, err := s.h.acquire(d.node); err != nil {
		return FileID{}, s.failed("open", d, "", err)
	}
	defer s.h.release(d.node)
	return s.h.identity(d.node), nil
}

// Mkdir makes a directory, or takes the one that is there. It has mode 0700
// until FinishDir; one that was there is only made usable for its owner.
func (s *Sink) Mkdir(parent *Dir, name string) (*Dir, error) {
	var d *Dir
	err := s.within(parent, name, func(dir int) (err error) {
		d, err = s.mkdir(parent, dir, name)
		return err
	})
	if err != nil {
		return nil, s.failed("mkdir", parent, name, err)
	}
	return d, nil
}

func (s *Sink) mkdir(parent *Dir, dir int, name string) (*Dir, error) {
	d := &Dir{node: newNode(parent.node, name, pathOnly|unix.O_NOFOLLOW)}
	made := true
	err := parent.enter(dir, name, func() error {
		err := mkdirat(dir, name, 0o700)
		if err == unix.EEXIST {
			made = false
			return s.adopt(d, dir)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	d.made = made
	if made {
		// On the parent's device, and case is treated as there (ext4(5): the
		// casefold attribute is inherited).
		d.device.Store(parent.device.Load())
		d.fold.inherit(&parent.fold)
	}
	return d, nil
}

// adopt takes a directory that is there. The descriptor decides what it is,
// not a look at the name.
func (s *Sink) adopt(d *Dir, parent int) error {
	fd, err := s.h.acquire(d.node)
	if err != nil {
		return whatIsThere(parent, d.node.name, err)
	}
	defer s.h.release(d.node)
	var st unix.Stat_t
	if err := fstat(fd, &st); err != nil {
		return err
	}
	s.mu.Lock()
	same := contains(s.notInside, fileID(&st))
	s.mu.Unlock()
	if same {
		return usagef("source and target are the same directory")
	}
	if st.Mode&0o700 == 0o700 || int(st.Uid) != os.Geteuid() {
		return nil
	}
	return chmodPath(fd, modeOf(&st)&0o7777|0o700)
}

// whatIsThere explains why a name could not be opened as a directory.
func whatIsThere(dir int, name string, err error) error {
	var st unix.Stat_t
	if err != unix.ENOTDIR && err != unix.ELOOP || fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		return fmt.Errorf("symbolic link where a directory belongs: %w", unix.ENOTDIR)
	case unix.S_IFDIR:
		return err
	}
	return fmt.Errorf("file where a directory belongs: %w", unix.ENOTDIR)
}

// FinishDir gives a directory its metadata and closes it: all in it is done.
func (s *Sink) FinishDir(d *Dir, m Meta) error {
	if d == nil {
		return fmt.Errorf("finish: no directory: %w", unix.EINVAL)
	}
	err := s.finish(d, &m)
	s.h.forget(d.node)
	return s.failed("finish", d, "", err)
}

func (s *Sink) finish(d *Dir, m *Meta) error {
	path, err := s.h.acquire(d.node)
	if err != nil {
		return err
	}
	defer s.h.release(d.node)
	// pathOnly is enough for all but this.
	fd, err := s.h.room(func() (int, error) { return openat(path, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0) })
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err = fstat(fd, &st); err == nil {
		// What this host's owner set on the directory, or the parent passed on
		// (setgid), is not a client's to clear.
		err = s.applyMeta(fd, m, applied{host: modeOf(&st) & 0o7000, dir: true})
	}
	if err == nil && s.o.Fsync {
		err = fsync(fd)
	}
	return errors.Join(err, closeFD(fd))
}
