package state

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"scp_rdma/keys"
)

const (
	// accountsDir is where the files of accounts are, one for each key that has a quota.
	accountsDir = "accounts"
	// lockFile is held while one is changed.
	lockFile = ".lock"
	// maxTally bounds a file, bytes.
	maxTally = 4 << 10
	// tallyVersion is the form that this version writes and knows.
	tallyVersion = 1
)

// errTally: a file is no account.
var errTally = errors.New("not an account")

// Tally is what the file of an account says.
type Tally struct {
	Version int    `json:"version"`
	Name    string `json:"name"`  // of the key, when it was last used
	Used    int64  `json:"used"`  // bytes, with those that are booked ahead
	Since   string `json:"since"` // RFC 3339: it was begun then
}

func tallyFile(dir string, id keys.ID) string { return filepath.Join(dir, id.String()) }

// Used is what has been stored under a key since its account was begun.
func (s *Store) Used(id keys.ID) (Tally, error) { return s.readTally(id) }

// Forgive begins the account of a key anew, with nothing used.
func (s *Store) Forgive(id keys.ID, name string) error {
	if err := private(s.accounts); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	return s.locked(func() error {
		return s.writeTally(id, Tally{Version: tallyVersion, Name: name, Since: now()})
	})
}

func now() string { return time.Now().UTC().Format(time.RFC3339Nano) }

// tally changes the file of an account, or makes it, while nobody else does. An error of change
// leaves it as it is.
func (s *Store) tally(id keys.ID, change func(*Tally) error) error {
	return s.locked(func() error {
		t, err := s.readTally(id)
		if err != nil {
			return err
		}
		if t.Since == "" {
			t = Tally{Version: tallyVersion, Since: now()}
		}
		was := t
		if err := change(&t); err != nil || t == was {
			return err
		}
		return s.writeTally(id, t)
	})
}

// locked keeps all others of this state, in other processes too, from changing an account.
func (s *Store) locked(do func() error) error {
	f, err := os.OpenFile(filepath.Join(s.accounts, lockFile), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return fmt.Errorf("account: %w", err)
	}
	defer func() { _ = f.Close() }() // which lets go of it
	for {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX); err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("account: lock: %w", err)
	}
	return do()
}

// readTally reads the file of an account; one that is not there has nothing used, and no Since.
func (s *Store) readTally(id keys.ID) (Tally, error) {
	file := tallyFile(s.accounts, id)
	f, err := os.OpenFile(file, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return Tally{}, nil
	}
	if err != nil {
		return Tally{}, fmt.Errorf("account: %w", err)
	}
	defer func() { _ = f.Close() }() // only read from
	text, err := io.ReadAll(io.LimitReader(f, maxTally+1))
	if err != nil {
		return Tally{}, fmt.Errorf("account: %w", err)
	}
	t, err := parseTally(text)
	if err != nil {
		return t, fmt.Errorf("%s: %w (scp_rdma quota --reset NAME begins it anew)", file, err)
	}
	return t, nil
}

func parseTally(text []byte) (Tally, error) {
	var t Tally
	if len(text) > maxTally {
		return t, fmt.Errorf("more than %d bytes: %w", maxTally, errTally)
	}
	if err := json.Unmarshal(text, &t); err != nil {
		return t, fmt.Errorf("%w: %w", errTally, err)
	}
	if _, err := time.Parse(time.RFC3339Nano, t.Since); t.Version != tallyVersion || t.Used < 0 || err != nil {
		return Tally{}, fmt.Errorf("version %d, used %d, since %q: %w", t.Version, t.Used, t.Since, errTally)
	}
	return t, nil
}

// writeTally puts it on the disk in one step.
func (s *Store) writeTally(id keys.ID, t Tally) error {
	text, err := json.Marshal(t)
	if err != nil {
		return err
	}
	draft := filepath.Join(s.accounts, unfinished+rand.Text())
	if err = writeFile(draft, text); err == nil {
		err = os.Rename(draft, tallyFile(s.accounts, id))
	}
	if err != nil {
		_ = os.Remove(draft) // it may not be there
		return fmt.Errorf("account: %w", err)
	}
	return syncDir(s.accounts)
}
