package state

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Run has file systems write what ended sessions left them to write, and then removes
// the notes: at once when a session of this Store ends, and now and then for those of
// servers that are gone. It returns when ctx ends; a write that has begun by then is
// waited for. The error is ctx's cause.
func (s *Store) Run(ctx context.Context) error {
	t := time.NewTicker(s.every)
	defer t.Stop()
	for {
		begun := time.Now()
		s.round(ctx)
		// Sessions that end one after the other must not have the disk write for ever.
		if !rest(ctx, max(s.rest, time.Since(begun))) {
			return context.Cause(ctx)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.wake:
		case <-t.C:
		}
	}
}

// rest waits; false: ctx has ended.
func rest(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// round sees to all notes that are due. Nothing is locked while a file system writes,
// which takes as long as the disk does.
func (s *Store) round(ctx context.Context) {
	s.sweep()
	all, err := s.all()
	if err != nil {
		s.logger.Warn("notes of sessions can't be read", "error", err)
		return
	}
	for _, due := range s.due(all) {
		if ctx.Err() != nil {
			return
		}
		s.write(due)
	}
}

// device is one file system with the notes that wait for it.
type device struct {
	path  string // somewhere on it
	notes []string
}

// due finds the notes whose session is over, by file system: one write does for all.
func (s *Store) due(all map[string]note) map[uint64]*device {
	found := map[uint64]*device{}
	for name, n := range all {
		if n.Boot != s.boot || !s.over(name, n) {
			continue
		}
		var st unix.Stat_t
		err := unix.Stat(string(n.Path), &st)
		dev := uint64(st.Dev) // not everywhere as wide
		switch {
		case err == unix.ENOENT || err == unix.ENOTDIR:
			s.remove(name) // what is gone needs no comparing
		case err != nil:
			s.logger.Warn("a session's directory can't be looked at, its note stays", "path", string(n.Path), "error", err)
		case found[dev] == nil:
			found[dev] = &device{path: string(n.Path), notes: []string{name}}
		default:
			found[dev].notes = append(found[dev].notes, name)
		}
	}
	return found
}

// over says whether the session of a note is over and its files can still be seen to.
func (s *Store) over(name string, n note) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.lost[name]:
		return false
	case n.Process == s.self:
		return s.ended[name]
	}
	return n.Process.gone(s.self)
}

// write has a file system write all it holds, and removes the notes that wait for it.
func (s *Store) write(d *device) {
	err := s.syncFS(d.path)
	var open *fs.PathError
	switch {
	case err == nil:
		for _, name := range d.notes {
			s.remove(name)
		}
	case errors.Is(err, fs.ErrPermission): // a confined server (landlock(7)) opens only what is its own
		s.logger.Info("another server's directory is not for this one to open, the note on it stays", "error", err)
	case errors.As(err, &open): // the next round finds it gone, or open
		s.logger.Warn("a session's directory can't be opened, its note stays", "error", err)
	default:
		// A second try would not hear of the error again (syncfs(2)).
		s.logger.Error("a file system could not write all it had: after the next start of this host, what was written there is compared", "path", d.path, "error", err)
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, name := range d.notes {
			s.lost[name] = true
		}
	}
}

// syncBy opens a directory for call to have its file system write.
func syncBy(path string, call func(fd int) error) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer func() { _ = unix.Close(fd) }() // nothing is written through it
	for {
		if err := call(fd); err != unix.EINTR {
			return err
		}
	}
}

// draftAge is much longer than writing a note takes.
const draftAge = time.Hour

// sweep removes what servers left that were killed while they wrote a note.
func (s *Store) sweep() {
	list, err := os.ReadDir(s.notes)
	if err != nil {
		return // round says so
	}
	for _, e := range list {
		if !strings.HasPrefix(e.Name(), unfinished) {
			continue
		}
		if st, err := e.Info(); err == nil && time.Since(st.ModTime()) > draftAge {
			_ = os.Remove(filepath.Join(s.notes, e.Name())) // the next round tries again
		}
	}
}
