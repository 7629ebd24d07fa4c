package config

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// ErrUnsafe: others could have changed the file.
var ErrUnsafe = errors.New("not a safe file")

// Load reads a file that nobody but this user and root can have changed, as ssh demands of its
// own. What is not there Is fs.ErrNotExist.
func Load(path string) ([]byte, error) {
	// NONBLOCK: the open of a fifo must not wait for a writer.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read from
	if err := safe(f); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	text, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return nil, err
	}
	return text, nil
}

// safe says what is wrong with an open file whose word counts.
func safe(f *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	switch euid := os.Geteuid(); {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return fmt.Errorf("not a regular file: %w", ErrUnsafe)
	case int(st.Uid) != euid && st.Uid != 0:
		return fmt.Errorf("it belongs to user %d, this is user %d: chown it, or name another file with --config (--config none reads none): %w", st.Uid, euid, ErrUnsafe)
	case st.Mode&0o022 != 0:
		return fmt.Errorf("others may write to it (mode %04o): chmod go-w it: %w", st.Mode&0o7777, ErrUnsafe)
	}
	return nil
}
