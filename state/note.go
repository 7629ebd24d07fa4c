package state

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxNote bounds a note, bytes. A path that the kernel gives has 4096 at most.
const maxNote = 64 << 10

// note is what is remembered of one session.
type note struct {
	Version int     `json:"version"`
	Boot    string  `json:"boot"`
	Process process `json:"process"`
	Path    pathDir `json:"path"`
	Source  string  `json:"source"`
}

// noteVersion is the form of the notes that this version writes and knows.
const noteVersion = 1

// errNote: a file is no note.
var errNote = errors.New("not a note")

// pathDir is a clean absolute path. Its text is quoted: names need not be UTF-8, which
// JSON is.
type pathDir string

// MarshalText implements encoding.TextMarshaler.
func (p pathDir) MarshalText() ([]byte, error) { return strconv.AppendQuote(nil, string(p)), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *pathDir) UnmarshalText(text []byte) error {
	s, err := strconv.Unquote(string(text))
	if err == nil && (!filepath.IsAbs(s) || filepath.Clean(s) != s) {
		err = errors.New("not a clean absolute path")
	}
	*p = pathDir(s)
	return err
}

// holds says whether other is p or lies below it.
func (p pathDir) holds(other pathDir) bool {
	return p == other || strings.HasPrefix(string(other), strings.TrimSuffix(string(p), "/")+"/")
}

// readNote reads a note. One that is not there Is fs.ErrNotExist.
func readNote(file string) (note, error) {
	// NONBLOCK: the open of a fifo must not wait for a writer.
	f, err := os.OpenFile(file, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return note{}, err
	}
	defer func() { _ = f.Close() }() // only read from
	st, err := f.Stat()
	if err != nil {
		return note{}, err
	}
	if !st.Mode().IsRegular() {
		return note{}, fmt.Errorf("%s: not a regular file: %w", file, errNote)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxNote+1))
	if err != nil {
		return note{}, err
	}
	n, err := parseNote(text)
	if err != nil {
		return note{}, fmt.Errorf("%s: %w", file, err)
	}
	return n, nil
}

func parseNote(text []byte) (note, error) {
	var n note
	if len(text) > maxNote {
		return n, fmt.Errorf("more than %d bytes: %w", maxNote, errNote)
	}
	if err := json.Unmarshal(text, &n); err != nil {
		return n, fmt.Errorf("%w: %w", errNote, err)
	}
	if n.Version != noteVersion || n.Boot == "" || n.Path == "" {
		return n, fmt.Errorf("version %d, boot %q, path %q: %w", n.Version, n.Boot, n.Path, errNote)
	}
	return n, nil
}

// unfinished begins the names of notes that are being written.
const unfinished = ".new."

// writeNote puts a note on the disk, under a name that nobody has, and gives the name.
func writeNote(dir string, n note) (name string, err error) {
	text, err := json.Marshal(n)
	if err != nil {
		return "", err
	}
	if len(text) > maxNote {
		return "", fmt.Errorf("the path is too long: %w", errNote)
	}
	name = rand.Text()
	draft, file := filepath.Join(dir, unfinished+name), filepath.Join(dir, name)
	if err = writeFile(draft, text); err == nil {
		err = os.Rename(draft, file)
	}
	if err != nil {
		_ = os.Remove(draft) // it may not be there
		return "", err
	}
	if err = syncDir(dir); err != nil {
		_ = os.Remove(file) // at worst it stays, and costs time
		return "", err
	}
	return name, nil
}

// writeFile makes a file that is on the disk.
func writeFile(file string, text []byte) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
