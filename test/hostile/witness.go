package hostile

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Witness remembers all that is in a directory, to the nanosecond.
type Witness struct {
	dir  string
	seen string
}

// NewWitness makes a directory named outside, with what an attack would like to change:
// all of it is the user's, who could.
func NewWitness(parent string, uid int) (*Witness, error) {
	w := &Witness{dir: filepath.Join(parent, "outside")}
	if err := os.MkdirAll(filepath.Join(w.dir, "sub"), 0o755); err != nil {
		return nil, err
	}
	for _, name := range []string{"file", "x", "sub/file"} {
		if err := os.WriteFile(filepath.Join(w.dir, name), []byte("untouched"), 0o640); err != nil {
			return nil, err
		}
	}
	err := filepath.WalkDir(w.dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, uid, uid)
	})
	if err != nil {
		return nil, err
	}
	w.seen, err = w.look()
	return w, err
}

// look is everything about the directory, in words.
func (w *Witness) look() (string, error) {
	var b strings.Builder
	err := filepath.WalkDir(w.dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st syscall.Stat_t
		if err := syscall.Lstat(path, &st); err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s: inode %d, mode %o, owner %d:%d, %d links, %d bytes, changed %v %v\n",
			path, st.Ino, st.Mode, st.Uid, st.Gid, st.Nlink, st.Size, st.Mtim, st.Ctim)
		return nil
	})
	return b.String(), err
}

// Changed says what is otherwise than it was, "" if nothing.
func (w *Witness) Changed() (string, error) {
	now, err := w.look()
	if err != nil || now == w.seen {
		return "", err
	}
	return fmt.Sprintf("it was:\n%sand is:\n%s", w.seen, now), nil
}
