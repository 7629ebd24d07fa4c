package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// EnvDir names the directory, where it is set.
const EnvDir = "SCP_RDMA_STATE_DIR"

var (
	// ErrNone: nothing says where the directory is.
	ErrNone = errors.New("no directory for the state")
	// ErrUnsafe: others could have read or changed what is in the directory.
	ErrUnsafe = errors.New("not a safe directory")
)

// DefaultDir is where the state lies if nobody says otherwise: what EnvDir says, else
// scp_rdma in $XDG_STATE_HOME or in $HOME/.local/state (XDG Base Directory
// Specification 0.8: a relative path counts as none).
func DefaultDir(getenv func(string) string) (string, error) {
	if dir := getenv(EnvDir); dir != "" {
		return dir, nil
	}
	dir := getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(dir) {
		home := getenv("HOME")
		if !filepath.IsAbs(home) {
			return "", fmt.Errorf("neither HOME nor XDG_STATE_HOME says where the state lies: name the directory with --state-dir or %s: %w", EnvDir, ErrNone)
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "scp_rdma"), nil
}

// private makes a directory, or says what is wrong with the one that is there.
func private(dir string) error {
	if err := makeDir(dir); err != nil {
		return err
	}
	// What was checked is the directory itself: what leads to it is the user's matter.
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	defer func() { _ = unix.Close(fd) }() // only looked at
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return &fs.PathError{Op: "stat", Path: dir, Err: err}
	}
	switch {
	case int(st.Uid) != os.Geteuid():
		return fmt.Errorf("%s: it belongs to user %d, this is user %d: name another with --state-dir: %w", dir, st.Uid, os.Geteuid(), ErrUnsafe)
	case st.Mode&0o077 != 0:
		return fmt.Errorf("%s: others may use it (mode %04o): chmod 700 it, or name another with --state-dir: %w", dir, st.Mode&0o7777, ErrUnsafe)
	}
	return nil
}

// makeDir makes a directory with its parents, so that each outlives a power cut: a
// note is worth nothing if the directory it lies in is gone.
func makeDir(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrNotExist) && filepath.Dir(dir) != dir {
		if err := makeDir(filepath.Dir(dir)); err != nil {
			return err
		}
		err = os.Mkdir(dir, 0o700)
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil
	case err != nil:
		return err
	}
	return syncDir(filepath.Dir(dir))
}

// syncDir has the names in a directory on the disk.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = f.Sync()
	return errors.Join(err, f.Close())
}
