package localfs

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"
)

// Resolve finds the place that a client asked for, and makes the directories
// that are missing. "" and "dir/" are directories; "name" is the name of a
// single top entry, unless it is a directory: then that goes into it.
func (s *Sink) Resolve(t Target) (_ Base, err error) {
	if s.to, err = s.o.Chown.look(); err != nil {
		return Base{}, err
	}
	r := resolver{root: s.root, notInside: t.NotInside}
	b, fd, err := r.resolve(t)
	if err != nil {
		return Base{}, err
	}
	if err := s.setBase(&b, fd, t.NotInside); err != nil {
		return Base{}, fmt.Errorf("target %s: %w", b.Path, err)
	}
	return b, nil
}

// setBase makes fd the directory that all the session's entries lie below. It
// is held open: a typed path may lead through links, so its name is not enough.
func (s *Sink) setBase(b *Base, fd int, notInside []FileID) error {
	dir := b.Path
	if b.Name != "" {
		dir = strings.TrimSuffix(strings.TrimSuffix(b.Path, b.Name), "/")
	}
	if dir == "." {
		dir = ""
	}
	node := newRootNode(".", dir, pathOnly)
	if err := s.h.adopt(node, fd); err != nil {
		return err
	}
	b.Dir = &Dir{node: node}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.base, s.notInside = b.Dir, notInside
	return nil
}

// resolver resolves one target.
type resolver struct {
	root      *Root
	notInside []FileID
	dry       bool // nothing is made: errWouldMake
}

func (r *resolver) resolve(t Target) (Base, int, error) {
	names, err := splitTarget(t.Path)
	if err != nil {
		return Base{}, -1, err
	}
	path := targetPath(names)
	switch {
	case t.Exact && !t.Contents:
		return r.exact(t, names)
	case t.Contents || len(names) == 0 || endsAsDir(t.Path):
		fd, err := r.dir(names)
		return Base{Path: path}, fd, err
	case t.Tops > 1:
		return r.existing(t.Path, path)
	}
	fd, err := r.open(path)
	if err == nil {
		if !r.begun(t, names, fd) {
			return Base{Path: path}, fd, nil
		}
		closeQuietly(fd)
		return r.named(names)
	}
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) {
		return Base{}, -1, targetError(path, err)
	}
	return r.named(names)
}

// exact gives the single top entry exactly the name asked for.
func (r *resolver) exact(t Target, names []string) (Base, int, error) {
	switch {
	case len(names) == 0:
		return Base{}, -1, usagef("the target has no name, and exactly that name is wanted")
	case t.Tops > 1:
		return Base{}, -1, usagef("several sources can't all have exactly the name %s", targetPath(names))
	}
	return r.named(names)
}

// named makes the directories before the last name.
func (r *resolver) named(names []string) (Base, int, error) {
	last := len(names) - 1
	fd, err := r.dir(names[:last])
	return Base{Name: names[last], Path: targetPath(names)}, fd, err
}

// existing opens a directory that several entries go into: a name that
// could be a slip of the pen is not made.
func (r *resolver) existing(typed, path string) (Base, int, error) {
	fd, err := r.open(path)
	switch {
	case err == nil:
		return Base{Path: path}, fd, nil
	case errors.Is(err, fs.ErrNotExist):
		return Base{}, -1, usagef("several sources need a directory: write %s/ to make it", typed)
	case errors.Is(err, unix.ENOTDIR):
		return Base{}, -1, usagef("several sources need a directory: %s is none", typed)
	}
	return Base{}, -1, targetError(path, err)
}

// dir opens a directory, and makes what is missing of it.
func (r *resolver) dir(names []string) (int, error) {
	path := targetPath(names)
	fd, err := r.open(path)
	if errors.Is(err, fs.ErrNotExist) && len(names) > 0 {
		return r.makeDirs(names)
	}
	if errors.Is(err, unix.ENOTDIR) {
		return r.makeDirs(names) // which finds out which component it is
	}
	if err != nil {
		return -1, targetError(path, err)
	}
	return fd, nil
}

// makeDirs goes down from the root and makes every directory that is missing.
// Each is looked up from the root, so that links may lead anywhere below it.
func (r *resolver) makeDirs(names []string) (int, error) {
	if r.dry {
		return -1, errWouldMake
	}
	fd, err := r.open(".")
	for i := 1; err == nil && i <= len(names); i++ {
		path := targetPath(names[:i])
		var next int
		next, err = r.open(path)
		if errors.Is(err, fs.ErrNotExist) {
			next, err = r.makeDir(fd, names[i-1], path)
		}
		closeQuietly(fd)
		if err != nil {
			return -1, targetError(path, err)
		}
		fd = next
	}
	return fd, err
}

func (r *resolver) makeDir(parent int, name, path string) (int, error) {
	err := mkdirat(parent, name, 0o777)
	if err != nil && err != unix.EEXIST {
		return -1, err
	}
	fd, openErr := r.open(path)
	if err == unix.EEXIST && errors.Is(openErr, fs.ErrNotExist) {
		return -1, errDangling
	}
	return fd, openErr
}

// open opens a directory that is not in the source's way.
func (r *resolver) open(path string) (int, error) {
	fd, err := r.root.openBeneath(path)
	if err != nil {
		return -1, err
	}
	in, err := liesIn(fd, r.notInside)
	if err == nil && in {
		err = usagef("the target lies inside the source")
	}
	if err != nil {
		closeQuietly(fd)
		return -1, err
	}
	return fd, nil
}

func targetError(path string, err error) error { return fmt.Errorf("target %s: %w", path, err) }

// splitTarget parts a typed path into names. A slash at its begin is the root,
// "." is nothing, ".." is refused.
func splitTarget(path string) ([]string, error) {
	if len(path) >= unix.PathMax {
		return nil, usagef("target path of %d bytes, at most %d allowed", len(path), unix.PathMax-1)
	}
	var names []string
	for name := range strings.SplitSeq(path, "/") {
		if name == "" || name == "." {
			continue
		}
		if name == ".." {
			return nil, usagef("target %s: \"..\" is not allowed", path)
		}
		if err := checkName(name); err != nil {
			return nil, fmt.Errorf("target %s: %w: %w", path, ErrUsage, err)
		}
		if reserved(name) {
			return nil, fmt.Errorf("target %s: %w: %w", path, ErrUsage, errReserved)
		}
		names = append(names, name)
	}
	return names, nil
}

func endsAsDir(path string) bool {
	return strings.HasSuffix(path, "/") || strings.HasSuffix(path, "/.")
}

func targetPath(names []string) string {
	if len(names) == 0 {
		return "."
	}
	return strings.Join(names, "/")
}
