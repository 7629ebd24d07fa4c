package localfs

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

// Dry is a Sink that only looks: it says what a session would find, and changes nothing.
// Directories that are missing are as if they were there and empty.
type Dry struct{ *Sink }

// errWouldMake: a directory that a session would make.
var errWouldMake = errors.New("not there yet")

// missing is a directory that is not there.
func missing(path string) *Dir {
	return &Dir{node: newRootNode("", path, 0), made: true, missing: true}
}

// Resolve implements what Sink does.
func (s Dry) Resolve(t Target) (Base, error) {
	if _, err := s.o.Chown.look(); err != nil {
		return Base{}, err
	}
	r := resolver{root: s.root, notInside: t.NotInside, dry: true}
	b, fd, err := r.resolve(t)
	if errors.Is(err, errWouldMake) {
		b.Dir = missing(b.Path)
		return b, nil
	}
	if err == nil {
		err = s.setBase(&b, fd, t.NotInside)
	}
	if err != nil {
		return Base{}, fmt.Errorf("target %s: %w", b.Path, err)
	}
	return b, nil
}

// Mkdir gives the directory that is there, or one that is missing.
func (s Dry) Mkdir(parent *Dir, name string) (*Dir, error) {
	path := joinPath(parent.Path(), name)
	if parent.missing {
		return missing(path), nil
	}
	_, there, err := s.Sink.Peek(parent, name)
	if err != nil || !there {
		return missing(path), err
	}
	d := &Dir{node: newNode(parent.node, name, pathOnly|unix.O_NOFOLLOW)}
	err = s.within(parent, name, func(dir int) error {
		if _, err := s.h.acquire(d.node); err != nil {
			return whatIsThere(dir, name, err)
		}
		s.h.release(d.node)
		return nil
	})
	return d, s.failed("mkdir", parent, name, err)
}

// FinishDir only closes.
func (s Dry) FinishDir(d *Dir, _ Meta) error {
	if !d.missing {
		s.h.forget(d.node)
	}
	return nil
}

// Peek finds nothing where nothing can be.
func (s Dry) Peek(d *Dir, name string) (Found, bool, error) {
	if d.missing {
		return Found{}, false, nil
	}
	return s.Sink.Peek(d, name)
}

// Look is Peek for regular files.
func (s Dry) Look(p Put) (Found, bool, error) {
	if p.Dir.missing {
		return Found{}, false, nil
	}
	return s.Sink.Look(p)
}

// Settle changes nothing, nor do those below.
func (Dry) Settle(Put, Found) error { return nil }

// Symlink makes none.
func (Dry) Symlink(*Dir, string, string, Meta) error { return nil }

// Link makes none, and says that it has: the group's first file would be there by then.
func (Dry) Link(Put) (bool, error) { return true, nil }

// OpenHalf finds none: what a half file is worth is only known once it is gone on from.
func (Dry) OpenHalf(Put) (HalfFile, []byte, error) { return nil, nil, fs.ErrNotExist }

// Forget removes nothing.
func (Dry) Forget(Put) {}

// Mark marks nothing.
func (Dry) Mark(*Dir, string, []byte) error { return nil }

// Unmark removes nothing.
func (Dry) Unmark(*Dir, string) {}

// List is empty where nothing can be.
func (s Dry) List(d *Dir) ([]Listed, error) {
	if d.missing {
		return nil, nil
	}
	return s.Sink.List(d)
}

// Remove counts what would go.
func (s Dry) Remove(d *Dir, name string, r *Removal) error {
	r.dry = true
	return s.Sink.Remove(d, name, r)
}

// Sync has nothing to do.
func (Dry) Sync() error { return nil }

// Path is not said: nobody is to remember anything about it.
func (Dry) Path() string { return "" }

// DirID is the directory's inode.
func (s Dry) DirID(d *Dir) (FileID, error) {
	if d.missing {
		return FileID{}, nil
	}
	return s.Sink.DirID(d)
}

// Free is how many bytes there is room for, where that can be said.
func (s Dry) Free() (uint64, error) {
	if s.baseDir() == nil {
		return 0, nil
	}
	return s.Sink.Free()
}
