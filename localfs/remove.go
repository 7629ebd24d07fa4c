package localfs

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Listed is a name that is there.
type Listed struct {
	Name string
	Dir  bool
}

// List gives what lies in a directory of the session, but for temporaries of ours. Where
// names fall together that differ in case nobody could tell what is whose: that is an error.
func (s *Sink) List(d *Dir) ([]Listed, error) {
	if d.fold.state.Load() == foldYes {
		return nil, s.failed("list", d, "", errFolds)
	}
	dir, err := s.h.acquire(d.node)
	if err != nil {
		return nil, s.failed("list", d, "", err)
	}
	defer s.h.release(d.node)
	list, err := listDir(dir)
	return list, s.failed("list", d, "", err)
}

var errFolds = errors.New("a directory in which case does not matter")

func listDir(dir int) ([]Listed, error) {
	names, err := namesIn(dir)
	if err != nil {
		return nil, err
	}
	var list []Listed
	for _, n := range names {
		var st unix.Stat_t
		if reserved(n) || temporary(n) || fstatat(dir, n, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
			continue // ours, or gone by now
		}
		list = append(list, Listed{n, st.Mode&unix.S_IFMT == unix.S_IFDIR})
	}
	return list, nil
}

// namesIn lists all names in a directory.
func namesIn(dir int) ([]string, error) {
	fd, err := openat(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "directory")
	defer func() { _ = f.Close() }() // only read from
	return f.Readdirnames(-1)
}

// Reopen opens a directory once more that was finished: by its names below base, none of
// which may be a link, and only if it is still the same one.
func (s *Sink) Reopen(base *Dir, names []string, id FileID) (*Dir, error) {
	node := base.node
	for _, name := range names {
		node = newNode(node, name, pathOnly|unix.O_NOFOLLOW)
	}
	d := &Dir{node: node}
	got, err := s.DirID(d)
	if err == nil && got != id {
		err = s.failed("open", d, "", ErrChanged)
	}
	return d, err
}

// Removal is what may go.
type Removal struct {
	// Keep says of a path below the name whether it stays, with all that is above it; nil:
	// nothing does.
	Keep func(path string, dir bool) bool
	Left int64  // how many more entries may go
	Gone uint64 // how many went
	dry  bool   // none goes
}

// ErrEnough: as many entries as may go have gone.
var ErrEnough = errors.New("no more may be deleted")

// maxRemoveDepth bounds what is open at once.
const maxRemoveDepth = 200

// Remove removes an entry of a directory of the session, with all that is in it. Links are
// not followed. Temporaries of ours stay, and so does what is to be kept, and the
// directories they are in: that is no error.
func (s *Sink) Remove(d *Dir, name string, r *Removal) error {
	err := s.within(d, name, func(dir int) error {
		_, err := r.remove(dir, name, name, 0)
		if err == unix.EACCES && !r.dry { // its mode has come by now, and may forbid it to its owner
			if err = chmodPath(dir, 0o700); err == nil {
				_, err = r.remove(dir, name, name, 0)
			}
		}
		return err
	})
	return s.failed("delete", d, name, err)
}

// remove says whether the name has gone.
func (r *Removal) remove(dir int, name, path string, depth int) (gone bool, err error) {
	var st unix.Stat_t
	if err := fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err == unix.ENOENT, unlessGone(err)
	}
	isDir := st.Mode&unix.S_IFMT == unix.S_IFDIR
	if r.Keep != nil && r.Keep(path, isDir) {
		return false, nil
	}
	flags := 0
	if isDir {
		empty, err := r.removeIn(dir, name, path, depth)
		if err != nil || !empty {
			return false, err
		}
		flags = unix.AT_REMOVEDIR
	}
	if r.Left <= 0 {
		return false, ErrEnough
	}
	if !r.dry {
		if err := unlinkat(dir, name, flags); err != nil {
			return err == unix.ENOENT, unlessGone(err)
		}
	}
	r.Left--
	r.Gone++
	return true, nil
}

// removeIn removes what is in a directory, and says whether it is empty then.
func (r *Removal) removeIn(dir int, name, path string, depth int) (empty bool, err error) {
	if depth > maxRemoveDepth {
		return false, fmt.Errorf("more than %d directories deep: %w", maxRemoveDepth, unix.ENAMETOOLONG)
	}
	fd, err := openat(dir, name, pathOnly|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return false, err
	}
	defer closeQuietly(fd)
	list, err := listDir(fd)
	if err == unix.EACCES && !r.dry {
		if err = chmodPath(fd, 0o700); err == nil {
			list, err = listDir(fd)
		}
	}
	if err != nil {
		return false, err
	}
	empty = true
	for _, l := range list {
		gone, err := r.remove(fd, l.Name, path+"/"+l.Name, depth+1)
		if err == unix.EACCES && !r.dry {
			if err = chmodPath(fd, 0o700); err == nil {
				gone, err = r.remove(fd, l.Name, path+"/"+l.Name, depth+1)
			}
		}
		if err != nil {
			return false, err
		}
		empty = empty && gone
	}
	if !empty {
		return false, nil
	}
	left, err := namesIn(fd) // temporaries of ours
	if r.dry {
		return len(left) == len(list), err
	}
	return len(left) == 0, err
}

func unlessGone(err error) error {
	if err == unix.ENOENT {
		return nil
	}
	return err
}
