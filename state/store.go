package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"scp_rdma/keys"
)

const (
	// secretFile and notesDir are what lies in the directory.
	secretFile = "secret"
	notesDir   = "sessions"
	// defaultEvery is how soon the notes of a server that was killed are seen to.
	defaultEvery = 30 * time.Second
	// defaultRest is the least pause between two writes that sessions' ends ask for.
	defaultRest = time.Second
)

// Store is the state of a server. Its methods may be called by any goroutine.
type Store struct {
	notes    string // directory
	accounts string // directory, made when it is needed
	secret   keys.Key
	boot     string
	self     process
	every    time.Duration
	rest     time.Duration
	syncFS   func(path string) error
	logger   hclog.Logger
	wake     chan struct{} // room for one: a session has ended

	mu           sync.Mutex
	accountsOpen map[keys.ID]*account
	ended        map[string]bool // names of our notes whose session is over
	lost         map[string]bool // notes whose files the file system could not write: they stay
}

// Open opens the state in dir, and makes what is missing of it. A directory that
// others could have changed Is ErrUnsafe. logger may be nil.
func Open(dir string, logger hclog.Logger) (*Store, error) {
	if logger == nil {
		logger = hclog.NewNullLogger()
	}
	s := &Store{
		every: defaultEvery, rest: defaultRest, syncFS: syncFS, logger: logger,
		wake: make(chan struct{}, 1), ended: map[string]bool{}, lost: map[string]bool{}, accountsOpen: map[keys.ID]*account{},
	}
	if err := s.open(dir); err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	return s, nil
}

func (s *Store) open(dir string) error {
	dir, err := filepath.Abs(dir) // what it is relative to may change
	if err != nil {
		return err
	}
	if err := private(dir); err != nil {
		return err
	}
	s.notes, s.accounts = filepath.Join(dir, notesDir), filepath.Join(dir, accountsDir)
	if err := private(s.notes); err != nil {
		return err
	}
	secret, made, err := keys.LoadOrCreate(filepath.Join(dir, secretFile))
	if err == nil && made {
		err = syncDir(dir)
	}
	if err != nil {
		return err
	}
	s.secret = secret
	if s.boot, err = thisBoot(); err != nil {
		return err
	}
	s.self, err = self()
	return err
}

// Secret is known to this directory's servers and to nobody else.
func (s *Store) Secret() keys.Key { return s.secret }

// Begin notes, on the disk before it returns, that a session writes what source names
// below an absolute path, without fsync. end says that the session is over, in whatever
// way; it may be called more than once. The note goes when Run has had the path's
// file system write all it holds.
func (s *Store) Begin(path, source string) (end func(), err error) {
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("note a session: %q is not an absolute path: %w", path, errNote)
	}
	n := note{Version: noteVersion, Boot: s.boot, Process: s.self, Path: pathDir(filepath.Clean(path)), Source: source}
	name, err := writeNote(s.notes, n)
	if err != nil {
		return nil, fmt.Errorf("note a session: %w", err)
	}
	return sync.OnceFunc(func() {
		s.mu.Lock()
		s.ended[name] = true
		s.mu.Unlock()
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}), nil
}

// Suspect says whether the host went down while a session wrote in the directory path,
// above or below it, and nobody has Settled what came of that. If that can't be known,
// it may have.
func (s *Store) Suspect(path string) bool {
	p := pathDir(filepath.Clean(path))
	all, err := s.all()
	if err != nil {
		s.logger.Warn("can't tell whether this host went down while files were written", "path", path, "error", err)
		return true
	}
	for _, n := range all {
		if n.Boot != s.boot && (p.holds(n.Path) || n.Path.holds(p)) {
			return true
		}
	}
	return false
}

// Settled says that whatever source names is right now below path: all of it was
// compared by its contents. What sessions of earlier boots have noted of it goes. A
// source without a name settles nothing: it may be another one.
func (s *Store) Settled(path, source string) {
	p := pathDir(filepath.Clean(path))
	all, err := s.all()
	if err != nil {
		s.logger.Warn("notes of earlier sessions stay", "path", path, "error", err)
		return
	}
	for name, n := range all {
		if n.Boot != s.boot && source != "" && n.Source == source && p.holds(n.Path) {
			s.remove(name)
		}
	}
}

// all reads the notes of all boots, by name.
func (s *Store) all() (map[string]note, error) {
	list, err := os.ReadDir(s.notes)
	if err != nil {
		return nil, err
	}
	found := map[string]note{}
	for _, e := range list {
		if strings.HasPrefix(e.Name(), unfinished) {
			continue
		}
		n, err := readNote(filepath.Join(s.notes, e.Name()))
		switch {
		case err == nil:
			found[e.Name()] = n
		case !errors.Is(err, fs.ErrNotExist): // it may have gone meanwhile
			s.logger.Debug("not a note, left alone", "error", err)
		}
	}
	return found, nil
}

// remove removes a note. One that stays costs time and nothing else.
func (s *Store) remove(name string) {
	err := os.Remove(filepath.Join(s.notes, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.logger.Warn("a note stays", "error", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.ended, name)
	delete(s.lost, name)
}
