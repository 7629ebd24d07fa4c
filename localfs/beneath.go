package localfs

import (
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// maxFollowed is how many symbolic links may be on one way: Linux's number (path_resolution(7)).
	maxFollowed = 40

	// maxSteps bounds what a client can have a server open by one path, with links in it that
	// go up and down: some 100 ms.
	maxSteps = 1 << 14
)

// walkBeneath opens a directory below another as openat2(2) does with RESOLVE_BENEATH, for
// systems without it: name by name, each below an open directory, and none through a link, whose
// text is walked in its place. ".." leaves out the last name and begins again above, so
// that it leads nowhere but back, whatever is moved meanwhile. With host the root is that of
// the host, and nothing leads out of it. names is the path without links.
func walkBeneath(root int, path string, host bool) (fd int, names []string, err error) {
	w := walker{root: root, host: host, fd: -1}
	if err = w.begin(nil); err == nil {
		err = w.walk(path)
	}
	if err != nil {
		w.close()
		return -1, nil, err
	}
	return w.fd, w.names, nil
}

// walker is at one directory below its root.
type walker struct {
	root     int
	host     bool
	fd       int // -1: none
	names    []string
	followed int
	steps    int
}

func (w *walker) close() {
	if w.fd >= 0 {
		closeQuietly(w.fd)
		w.fd = -1
	}
}

func (w *walker) walk(path string) error {
	if path == "" {
		return unix.ENOENT
	}
	if err := w.start(path); err != nil {
		return err
	}
	for left := []string{path}; len(left) > 0; {
		name, rest, more := strings.Cut(left[len(left)-1], "/")
		if left = left[:len(left)-1]; more {
			left = append(left, rest)
		}
		var err error
		switch name {
		case "", ".":
		case "..":
			err = w.up()
		default:
			var text string
			if text, err = w.enter(name); text != "" {
				left = append(left, text)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// enter goes into a directory; text is that of a link which is there in its place.
func (w *walker) enter(name string) (text string, err error) {
	err = w.open(w.fd, name)
	if err == nil {
		w.names = append(w.names, name)
		return "", nil
	}
	if err != unix.ENOTDIR && err != unix.ELOOP {
		return "", err
	}
	text, linkErr := readlinkat(w.fd, name, 0)
	switch {
	case linkErr == unix.EINVAL: // no link
		return "", unix.ENOTDIR
	case linkErr != nil:
		return "", linkErr
	}
	if w.followed++; w.followed > maxFollowed {
		return "", unix.ELOOP
	}
	return text, w.start(text)
}

// start goes where a path begins.
func (w *walker) start(path string) error {
	switch {
	case !strings.HasPrefix(path, "/"):
		return nil
	case w.host:
		return w.begin(nil)
	}
	return errOutside
}

// up goes to the directory above.
func (w *walker) up() error {
	if n := len(w.names); n > 0 {
		return w.begin(w.names[:n-1])
	}
	if w.host {
		return nil // ".." of / is /
	}
	return errOutside
}

// begin goes to the root, and down from there.
func (w *walker) begin(names []string) error {
	if err := w.open(w.root, "."); err != nil {
		return err
	}
	for _, name := range names {
		if err := w.open(w.fd, name); err != nil {
			return err
		}
	}
	w.names = names
	return nil
}

// open makes a directory the one where the walker is.
func (w *walker) open(dir int, name string) error {
	if w.steps++; w.steps > maxSteps {
		return unix.ELOOP
	}
	fd, err := openat(dir, name, pathOnly|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	w.close()
	w.fd = fd
	return nil
}
