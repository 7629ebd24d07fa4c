package keys

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

var (
	// ErrNone: there is no key file.
	ErrNone = errors.New("no key")
	// ErrUnsafe: others could have read or changed the file.
	ErrUnsafe = errors.New("not a safe key file")
)

// maxFile bounds a file of keys, bytes: a list of some thousand keys.
const maxFile = 1 << 20

// EnvFile names the key file, where it is set.
const EnvFile = "SCP_RDMA_KEY_FILE"

// DefaultFile is where the key lies if nobody says otherwise: what EnvFile says,
// else scp_rdma/key in $XDG_CONFIG_HOME or in $HOME/.config (XDG Base Directory
// Specification 0.8: a relative path counts as none).
func DefaultFile(getenv func(string) string) (string, error) {
	if file := getenv(EnvFile); file != "" {
		return file, nil
	}
	dir := getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) {
		home := getenv("HOME")
		if !filepath.IsAbs(home) {
			return "", fmt.Errorf("neither HOME nor XDG_CONFIG_HOME says where the key lies: name the file with --key-file or %s: %w", EnvFile, ErrNone)
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "scp_rdma", "key"), nil
}

// Load reads a key file. One that is not there Is ErrNone, one that others
// could have read or changed ErrUnsafe, one with other contents ErrDamaged.
func Load(file string) (Key, error) {
	text, err := read(file)
	if err != nil {
		return Key{}, err
	}
	k, err := Parse(strings.TrimSpace(text))
	if err != nil {
		return Key{}, fmt.Errorf("key file %s: %w", file, err)
	}
	return k, nil
}

// read reads a regular file of the effective user that nobody else may touch.
// What was checked is what is read: the open file, not its name.
func read(file string) (string, error) {
	// NONBLOCK: the open of a fifo must not wait for a writer.
	fd, err := openNoFollow(file, unix.O_RDONLY|unix.O_NONBLOCK)
	switch {
	case errors.Is(err, unix.ENOENT):
		return "", fmt.Errorf("key file %s: %w: %w", file, ErrNone, err)
	case errors.Is(err, unix.ELOOP):
		return "", fmt.Errorf("key file %s: a symbolic link, name the file itself: %w", file, ErrUnsafe)
	case err != nil:
		return "", fmt.Errorf("key file %s: %w", file, err)
	}
	f := os.NewFile(uintptr(fd), file)
	defer func() { _ = f.Close() }() // only read from
	if err := safe(fd); err != nil {
		return "", fmt.Errorf("key file %s: %w", file, err)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return "", fmt.Errorf("key file: %w", err)
	}
	if len(text) > maxFile {
		return "", fmt.Errorf("key file %s: more than %d bytes: %w", file, maxFile, ErrDamaged)
	}
	return string(text), nil
}

func openNoFollow(file string, flags int) (int, error) {
	for {
		fd, err := unix.Open(file, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// safe says what is wrong with an open file that shall hold a secret.
func safe(fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return fmt.Errorf("not a regular file: %w", ErrUnsafe)
	case int(st.Uid) != os.Geteuid():
		return fmt.Errorf("it belongs to user %d, this is user %d: %w", st.Uid, os.Geteuid(), ErrUnsafe)
	case st.Mode&0o077 != 0:
		return fmt.Errorf("others may use it (mode %04o): chmod 600 it, and make a new key if they did: %w", st.Mode&0o7777, ErrUnsafe)
	}
	return nil
}

// Create makes a key and its file, and the directory for it. A file that is
// there is never touched: the error Is fs.ErrExist. The file appears whole or
// not at all.
func Create(file string) (Key, error) {
	k := New()
	if err := create(file, k.Text()+"\n"); err != nil {
		return Key{}, fmt.Errorf("make key file: %w", err)
	}
	return k, nil
}

func create(file, text string) error {
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".key.") // O_EXCL, mode 0600
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Link(f.Name(), file) // fails where a rename would replace
	}
	return errors.Join(err, os.Remove(f.Name()))
}

// LoadOrCreate loads a key file, or makes it if there is none; made says so.
func LoadOrCreate(file string) (k Key, made bool, err error) {
	k, err = Load(file)
	if !errors.Is(err, ErrNone) {
		return k, false, err
	}
	k, err = Create(file)
	if errors.Is(err, fs.ErrExist) { // somebody was faster
		k, err = Load(file)
		return k, false, err
	}
	return k, err == nil, err
}
