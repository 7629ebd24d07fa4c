package localfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Clean removes what sessions of this user that broke off have left below the root and
// nobody has touched since before: half files with their journals, marks, temporaries
// and hidden directories of hard links. What a transfer has locked stays. No symbolic
// link is followed. It is no error if nothing is there; what can't be looked at or
// removed goes to problem.
func (r *Root) Clean(before time.Time, removed func(path string), problem func(path string, err error)) error {
	h := newHandles(maxHandles)
	defer h.closeAll()
	c := cleaner{h: h, before: before, removed: removed, problem: problem, buf: make([]byte, direntBuf)}
	root := newRootNode(".", "", unix.O_RDONLY)
	fd, err := openat(r.fd, root.name, root.flags|unix.O_DIRECTORY, 0)
	if err == nil {
		err = h.adopt(root, fd)
	}
	if err != nil {
		return fmt.Errorf("clean: %w", err)
	}
	c.walk(root)
	return nil
}

// cleaner is one run of Clean.
type cleaner struct {
	h       *handles
	before  time.Time
	removed func(path string)
	problem func(path string, err error)
	buf     []byte // getdents(2)
}

// walk cleans a directory and what is below it.
func (c *cleaner) walk(n *dirNode) {
	c.h.startReading(n)
	defer c.h.forget(n)
	for {
		names, err := c.block(n)
		if err != nil {
			c.tell(n, "", fmt.Errorf("read directory: %w", err))
		}
		if len(names) == 0 {
			return
		}
		for _, name := range names {
			if name != "." && name != ".." {
				c.visit(n, name)
			}
		}
	}
}

// block reads some names of a directory; none: that was all.
func (c *cleaner) block(n *dirNode) ([]string, error) {
	dir, err := c.h.acquire(n)
	if err != nil {
		return nil, err
	}
	defer c.h.release(n)
	size, err := eintrInt(func() (int, error) { return unix.ReadDirent(dir, c.buf) })
	if err != nil || size == 0 {
		return nil, err
	}
	// With the names that every directory has, or a block could be an empty one.
	_, _, names := unix.ParseDirent(c.buf[:size], -1, []string{"."})
	return names, nil
}

// tell tells of trouble. What is gone meanwhile is none.
func (c *cleaner) tell(n *dirNode, name string, err error) {
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.problem(joinPath(n.Path(), name), err)
	}
}

// visit looks at one name. The directory is not held open while those below are walked:
// there may be many on the way down.
func (c *cleaner) visit(n *dirNode, name string) {
	dir, err := c.h.acquire(n)
	if err != nil {
		c.tell(n, name, err)
		return
	}
	var st unix.Stat_t
	err = fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err == nil && temporary(name) {
		err = c.clean(n, dir, name, &st)
	}
	c.h.release(n)
	c.tell(n, name, err)
	if err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR && !isStash(name) {
		c.walk(newNode(n, name, unix.O_RDONLY|unix.O_NOFOLLOW))
	}
}

// clean removes one temporary, if it is a leftover.
func (c *cleaner) clean(n *dirNode, dir int, name string, st *unix.Stat_t) error {
	if int(st.Uid) != os.Geteuid() {
		return nil
	}
	kind := st.Mode & unix.S_IFMT
	base, isPart := strings.CutSuffix(name, partSuffix)
	switch {
	case isStash(name):
		if kind == unix.S_IFDIR && st.Mode&0o777 == 0o700 && c.old(st.Mtim) {
			return c.cleanStash(n, dir, name, st)
		}
		return nil
	case !reserved(name):
		if kind == unix.S_IFREG || kind == unix.S_IFLNK {
			// It may have its metadata already, and so an mtime of the source.
			return c.remove(n, dir, name, st, st.Ctim)
		}
		return nil
	case kind != unix.S_IFREG, strings.HasSuffix(name, journalSuffix) && hasPart(dir, name):
		return nil // a journal goes with its file
	case isPart:
		return c.cleanPart(n, dir, base, st)
	}
	return c.remove(n, dir, name, st, st.Mtim)
}

// hasPart says whether a journal's half file is there and is looked after by cleanPart.
func hasPart(dir int, journal string) bool {
	var st unix.Stat_t
	part := strings.TrimSuffix(journal, journalSuffix) + partSuffix
	return fstatat(dir, part, &st, unix.AT_SYMLINK_NOFOLLOW) == nil &&
		st.Mode&unix.S_IFMT == unix.S_IFREG && int(st.Uid) == os.Geteuid()
}

// cleanPart removes half a file and its journal, if both are old.
func (c *cleaner) cleanPart(n *dirNode, dir int, base string, part *unix.Stat_t) error {
	fd, err := c.claim(dir, base+partSuffix, part, part.Mtim)
	if fd >= 0 {
		defer closeQuietly(fd)
	}
	if err != nil {
		return unlessKept(err)
	}
	var journal unix.Stat_t
	err = fstatat(dir, base+journalSuffix, &journal, unix.AT_SYMLINK_NOFOLLOW)
	if err == nil && int(journal.Uid) == os.Geteuid() {
		if !c.old(journal.Mtim) {
			return nil
		}
		// Before the file: without one nobody would ever look at it again.
		if err := c.unlink(n, dir, base+journalSuffix); err != nil {
			return err
		}
	}
	return c.unlink(n, dir, base+partSuffix)
}

// remove removes a file or symbolic link, if it is a leftover.
func (c *cleaner) remove(n *dirNode, dir int, name string, st *unix.Stat_t, since unix.Timespec) error {
	fd, err := c.claim(dir, name, st, since)
	if fd >= 0 {
		defer closeQuietly(fd)
	}
	if err != nil {
		return unlessKept(err)
	}
	return c.unlink(n, dir, name)
}

// errKept: a temporary that is no leftover.
var errKept = errors.New("in use, or too young")

func unlessKept(err error) error {
	if err == errKept {
		return nil
	}
	return err
}

// claim sees that nobody has touched what was seen under a name since before, and locks
// it: until fd is closed nobody begins to use it. fd is -1 for what can't be opened.
func (c *cleaner) claim(dir int, name string, st *unix.Stat_t, since unix.Timespec) (int, error) {
	if !c.old(since) {
		return -1, errKept
	}
	fd, err := openToLock(dir, name)
	if err != nil {
		return -1, err
	}
	if !c.free(fd, st.Ctim) {
		return fd, errKept
	}
	var now unix.Stat_t
	if err := fstatat(dir, name, &now, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fd, err
	}
	if fileID(&now) != fileID(st) || fd >= 0 && !isNamed(fd, dir, name) {
		return fd, errKept // another's by now
	}
	return fd, nil
}

// openToLock opens a file for its lock, which over NFS takes one open for writing. -1:
// its mode denies that, or it is a symbolic link.
func openToLock(dir int, name string) (int, error) {
	for _, how := range []int{unix.O_RDWR, unix.O_RDONLY} {
		fd, err := openat(dir, name, how|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
		switch err {
		case nil:
			return fd, nil
		case unix.EACCES, unix.EPERM, unix.ELOOP, unix.ETXTBSY:
		default:
			return -1, err
		}
	}
	return -1, nil
}

// free says whether nobody has locked an open file or directory. Where no lock tells it
// is free if nobody has changed anything about it since before: who is about to give a
// file its name has just given it its mode and times.
func (c *cleaner) free(fd int, ctime unix.Timespec) bool {
	err := errors.ErrUnsupported
	if fd >= 0 {
		err = tryLock(fd)
	}
	return err == nil || err != ErrInUse && c.old(ctime)
}

func (c *cleaner) unlink(n *dirNode, dir int, name string) error {
	err := unlinkat(dir, name, 0)
	if err == nil {
		c.removed(joinPath(n.Path(), name))
	}
	return err
}

func (c *cleaner) old(t unix.Timespec) bool { return time.Unix(t.Unix()).Before(c.before) }

// isStash says whether a temporary's name is that of a hidden directory of hard links.
func isStash(name string) bool { return temporary(name) && strings.HasSuffix(name, "."+stashName) }

// cleanStash removes such a directory, unless a session holds it.
func (c *cleaner) cleanStash(n *dirNode, dir int, name string, st *unix.Stat_t) error {
	fd, err := openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	if !c.free(fd, st.Ctim) {
		closeQuietly(fd)
		return nil
	}
	left := stash{base: dir, fd: fd, name: name}
	if err := left.remove(); err != nil {
		return err
	}
	c.removed(joinPath(n.Path(), name))
	return nil
}
