package localfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
	"time"
)

// Clean removes what sessions that broke off have left below the root and nobody has
// touched since before. What a transfer is writing stays, and so does the journal of
// half a file that stays. It is no error if nothing is there.
func (r *Root) Clean(before time.Time, removed func(path string), problem func(path string, err error)) error {
	root, err := os.OpenRoot(procFD(r.fd))
	if err != nil {
		return fmt.Errorf("clean: %w", err)
	}
	defer func() { _ = root.Close() }() // a directory handle: nothing is lost with it
	c := cleaner{root: root, before: before, removed: removed, problem: problem}
	return fs.WalkDir(root.FS(), ".", c.visit)
}

// cleaner is one run of Clean. The root of package os keeps it below: a name that
// becomes a symbolic link meanwhile leads nowhere else.
type cleaner struct {
	root    *os.Root
	before  time.Time
	removed func(path string)
	problem func(path string, err error)
}

func (c *cleaner) visit(name string, d fs.DirEntry, err error) error {
	if err != nil {
		c.problem(name, err)
		return nil
	}
	if !temporary(path.Base(name)) {
		return nil
	}
	old, err := c.old(name)
	if err == nil && old {
		if err = c.root.RemoveAll(name); err == nil {
			c.removed(name)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.problem(name, err)
	}
	if d.IsDir() {
		return fs.SkipDir
	}
	return nil
}

// old says whether a temporary is ours and nobody's work any more.
func (c *cleaner) old(name string) (bool, error) {
	st, err := c.root.Lstat(name)
	if err != nil {
		return false, err
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok || int(sys.Uid) != os.Geteuid() || !st.ModTime().Before(c.before) {
		return false, nil
	}
	if part, is := strings.CutSuffix(name, journalSuffix); is {
		_, err := c.root.Lstat(part + partSuffix)
		return errors.Is(err, fs.ErrNotExist), nil
	}
	if !strings.HasSuffix(name, partSuffix) || !st.Mode().IsRegular() {
		return true, nil
	}
	return c.idle(name)
}

// idle says whether nobody has locked half a file. Its journal goes with it.
func (c *cleaner) idle(name string) (bool, error) {
	f, err := c.root.OpenFile(name, os.O_RDWR|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }() // only locked
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		return false, nil
	}
	journal := strings.TrimSuffix(name, partSuffix) + journalSuffix
	if st, err := c.root.Lstat(journal); err == nil {
		if !st.ModTime().Before(c.before) {
			return false, nil
		}
		return true, c.root.Remove(journal)
	}
	return true, nil
}
