package localfs

import (
	"fmt"
	"math"
	"math/bits"

	"golang.org/x/sys/unix"
)

// maxMark is the longest mark that is read, bytes.
const maxMark = 4096

// Mark leaves a few bytes beside a directory that this session made, for a later one to
// know that it is not done (Target.Continues).
func (s *Sink) Mark(parent *Dir, name string, b []byte) error {
	err := s.within(parent, name, func(dir int) error {
		hidden := hiddenOf(name, markSuffix)
		if err := unlinkat(dir, hidden, 0); err != nil && err != unix.ENOENT {
			return err
		}
		const flags = unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_WRONLY
		fd, err := s.h.room(func() (int, error) { return openat(dir, hidden, flags, 0o600) })
		if err != nil {
			return err
		}
		defer closeQuietly(fd)
		return pwriteFull(fd, b, 0)
	})
	return s.failed("mark", parent, name, err)
}

// Unmark removes the mark of a directory, if it has one.
func (s *Sink) Unmark(parent *Dir, name string) {
	// If it stays it is of no more use: who made it is told nothing.
	_ = s.within(parent, name, func(dir int) error { return unlinkat(dir, hiddenOf(name, markSuffix), 0) })
}

// begun says whether a directory that is there is the top entry that an earlier session
// began.
func (r *resolver) begun(t Target, names []string, fd int) bool {
	if t.Continues == nil {
		return false
	}
	var st unix.Stat_t
	if fstat(fd, &st) != nil {
		return false
	}
	last := len(names) - 1
	parent, err := r.open(targetPath(names[:last]))
	if err != nil {
		return false
	}
	defer closeQuietly(parent)
	// A symbolic link to a directory is no entry that was begun.
	if !isNamed(fd, parent, names[last]) {
		return false
	}
	mark, err := readMark(parent, hiddenOf(names[last], markSuffix))
	return err == nil && t.Continues(fileID(&st), mark)
}

func readMark(dir int, name string) ([]byte, error) {
	var st unix.Stat_t
	// A look before, for opening a device may do something.
	if err := fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, fmt.Errorf("%s: %s: %w", name, notRegular, ErrUnsafe)
	}
	fd, err := openat(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer closeQuietly(fd)
	if why := fault(fd); why != "" {
		return nil, fmt.Errorf("%s: %s: %w", name, why, ErrUnsafe)
	}
	if err := fstat(fd, &st); err != nil {
		return nil, err
	}
	if st.Size > maxMark {
		return nil, fmt.Errorf("%s: a mark of %d bytes: %w", name, st.Size, ErrUnsafe)
	}
	b := make([]byte, st.Size)
	return b, preadFull(fd, b, 0)
}

// Free is how many bytes this user may still write where the target lies.
func (s *Sink) Free() (uint64, error) {
	var st unix.Statfs_t
	base := s.baseDir()
	err := s.within(base, "free", func(dir int) error { return eintr(func() error { return unix.Fstatfs(dir, &st) }) })
	if err != nil {
		return 0, s.failed("free", base, "", err)
	}
	over, free := bits.Mul64(st.Bavail, blockSize(&st))
	if over != 0 { // file systems without an end say such things
		return math.MaxUint64, nil
	}
	return free, nil
}

// Path is the target's directory as this host knows it, "" if it can't be said.
func (s *Sink) Path() string {
	path := ""
	_ = s.within(s.baseDir(), "path", func(dir int) (err error) {
		path, err = pathOf(dir)
		return err
	})
	return path
}

func (s *Sink) baseDir() *Dir {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.base
}
