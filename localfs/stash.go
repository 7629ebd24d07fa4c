package localfs

import (
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// stash is a session's hidden directory of first files of hard-link groups,
// named by the group's number. With it no table of groups is needed, and a
// link always goes to the inode that this session wrote.
type stash struct {
	base int    // descriptor of the base directory, the session's
	fd   int    // of the stash itself
	name string // in the base
	err  error  // why there is none; groups then get their bytes again
}

// stashName ends the name of a stash.
const stashName = "links"

// keep remembers a file just committed as the one of its group to link to.
// Whatever fails here costs only that the group's next file is sent whole.
func (s *Sink) keep(p *Put, link func(stash int, name string) error) {
	if p.Group == 0 || p.GroupLast {
		return
	}
	st := s.openStash()
	if st == nil {
		return
	}
	if link(st.fd, groupName(p)) != unix.EEXIST {
		return
	}
	// The group's file was sent again. On another device it can't be kept, and
	// the one before stays.
	hidden, err := s.makeHidden(func(hidden string) error { return link(st.fd, hidden) })
	if err == nil {
		_ = renameat(st.fd, hidden, st.fd, groupName(p))
	}
}

// drop forgets the file kept for a group.
func (s *Sink) drop(p *Put) {
	s.mu.Lock()
	st := s.stash
	s.mu.Unlock()
	if p.Group != 0 && st != nil && st.err == nil {
		_ = unlinkat(st.fd, groupName(p), 0)
	}
}

func groupName(p *Put) string { return strconv.FormatUint(p.Group, 10) }

// openStash makes the stash when it is needed first; nil if there can't be one.
func (s *Sink) openStash() *stash {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stash == nil && s.base != nil {
		s.stash = s.makeStash()
	}
	if s.stash == nil || s.stash.err != nil {
		return nil
	}
	return s.stash
}

// makeStash is called with s.mu held.
func (s *Sink) makeStash() *stash {
	// The base stays pinned for the whole session.
	base, err := s.h.acquire(s.base.node)
	if err != nil {
		return &stash{err: err}
	}
	s.h.release(s.base.node)
	dropStale(base)
	name := s.hidden + stashName
	if err := mkdirat(base, name, 0o700); err != nil {
		return &stash{err: err}
	}
	fd, err := openat(base, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return &stash{err: errors.Join(err, unlinkat(base, name, unix.AT_REMOVEDIR))}
	}
	// For Clean to see that it is no leftover; what can't be locked it tells by its age.
	_ = tryLock(fd)
	return &stash{base: base, fd: fd, name: name}
}

// remove empties and removes the stash.
func (st *stash) remove() error {
	if st.err != nil {
		return nil
	}
	defer closeQuietly(st.fd)
	buf := make([]byte, direntBuf)
	for {
		n, err := eintrInt(func() (int, error) { return unix.ReadDirent(st.fd, buf) })
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		_, _, names := unix.ParseDirent(buf[:n], -1, nil)
		for _, name := range names {
			if err := unlinkat(st.fd, name, 0); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
		keepPlace(st.fd)
	}
	return unlinkat(st.base, st.name, unix.AT_REMOVEDIR)
}

// Link makes one more name for the first committed file of the group. It
// returns false if there is no such file to link to: its bytes are needed.
func (s *Sink) Link(p Put) (bool, error) {
	s.mu.Lock()
	st := s.stash
	s.mu.Unlock()
	if p.Group == 0 || st == nil || st.err != nil {
		return false, nil //nolint:nilerr // no links here: the bytes are sent instead
	}
	err := s.within(p.Dir, p.Name, func(dir int) error {
		return p.Dir.enter(dir, p.Name, func() error { return s.linkGroup(st, dir, &p) })
	})
	switch {
	case err == unix.ENOENT, err == unix.EXDEV, err == unix.EMLINK, err == unix.EPERM:
		return false, nil
	case err != nil:
		return false, s.failed("link", p.Dir, p.Name, err)
	}
	return true, nil
}

// linkGroup links the group's file to the name, or moves it there if that is
// the last name it gets.
func (s *Sink) linkGroup(st *stash, dir int, p *Put) error {
	group := groupName(p)
	if p.GroupLast {
		if err := s.backUp(dir, p.Name); err != nil {
			return err
		}
		return moveGroup(st, dir, group, p.Name)
	}
	link := func(name string) error { return linkat(st.fd, group, dir, name, 0) }
	err := link(p.Name)
	if err != unix.EEXIST {
		return err
	}
	var mine, there unix.Stat_t
	if fstatat(st.fd, group, &mine, unix.AT_SYMLINK_NOFOLLOW) == nil && fstatat(dir, p.Name, &there, unix.AT_SYMLINK_NOFOLLOW) == nil &&
		fileID(&mine) == fileID(&there) {
		return nil // of an earlier session: it is that file already
	}
	hidden, err := s.makeHidden(link)
	if err != nil {
		return err
	}
	if err := s.renameHidden(dir, hidden, p.Name); err != nil {
		return err
	}
	// rename(2) between two names of one inode does nothing and leaves both.
	if err := unlinkat(dir, hidden, 0); err != nil && err != unix.ENOENT {
		return err
	}
	return nil
}

func moveGroup(st *stash, dir int, group, name string) error {
	err := renameat(st.fd, group, dir, name)
	if err == unix.EISDIR {
		return errDirectory
	}
	return err
}
