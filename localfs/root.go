package localfs

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Root is the directory below which everything is put.
type Root struct {
	fd    int
	path  string
	host  bool // it is the host's own: links that begin with a slash stay below it
	walks bool // paths are looked up by walkBeneath, though the system has something else
}

// at is a directory below the root, open, as a root of its own.
func (r *Root) at(fd int, path string) *Root {
	return &Root{fd: fd, path: joinPath(r.path, path), walks: r.walks}
}

// OpenRoot opens a directory; with create it and its missing parents are made.
func OpenRoot(dir string, create bool) (*Root, error) {
	if create {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return nil, fmt.Errorf("open root: %w", err)
		}
	}
	fd, err := openat(unix.AT_FDCWD, dir, pathOnly|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, fmt.Errorf("open root: %w", &os.PathError{Op: "open", Path: dir, Err: err})
	}
	return &Root{fd: fd, path: dir}, nil
}

// OpenHost opens the host's own root, for somebody who may go wherever the process may.
func OpenHost() (*Root, error) {
	r, err := OpenRoot("/", false)
	if err == nil {
		r.host = true
	}
	return r, err
}

// Path is the directory as it was named to OpenRoot.
func (r *Root) Path() string { return r.path }

// File is the directory, open once more, for a process that InheritRoot is called in.
func (r *Root) File() (*os.File, error) {
	fd, err := unix.FcntlInt(uintptr(r.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("root %s: %w", r.path, err)
	}
	return os.NewFile(uintptr(fd), r.path), nil
}

// InheritRoot is the root of which File was given by another process, with the path that it
// was named there.
func InheritRoot(f *os.File, path string) (*Root, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("root %s: %w", path, err)
	}
	return &Root{fd: fd, path: path}, nil
}

// Close frees the root, after all its sinks were closed.
func (r *Root) Close() error { return closeFD(r.fd) }

// maxRaces: how often a lookup that raced with a rename is tried again;
// openat2(2) says EAGAIN when it can't be sure not to have left the root.
const maxRaces = 64

var errOutside = errors.New("symbolic link that leads outside the server's directory")

// liesIn says whether a directory is one of dirs or lies inside one, by going
// up to the host's root.
func liesIn(dir int, dirs []FileID) (bool, error) {
	if len(dirs) == 0 {
		return false, nil
	}
	fd, err := openat(dir, ".", pathOnly|unix.O_DIRECTORY, 0)
	if err != nil {
		return false, err
	}
	var last FileID
	for {
		var st unix.Stat_t
		if err := fstat(fd, &st); err != nil {
			closeQuietly(fd)
			return false, err
		}
		id := fileID(&st)
		in := contains(dirs, id)
		if in || id == last { // ".." of / is /
			closeQuietly(fd)
			return in, nil
		}
		last = id
		up, err := openat(fd, "..", pathOnly|unix.O_DIRECTORY, 0)
		closeQuietly(fd)
		if err != nil {
			return false, err
		}
		fd = up
	}
}

func contains(dirs []FileID, id FileID) bool {
	for _, d := range dirs {
		if d == id {
			return true
		}
	}
	return false
}
