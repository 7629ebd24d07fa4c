package localfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"golang.org/x/sys/unix"
)

// frame is a directory that is being walked.
type frame struct {
	node  *dirNode
	id    uint64   // of its entry; 0: the contents of an argument
	up    uint64   // its parent's
	stat  FileID   // as the walk met it
	names []string // read and not yet visited
	only  *Only    // what is to be visited; nil: everything
	end   bool     // nothing more to read
}

// Next gives the next entry: a directory before its children, its DirEnd after
// them. io.EOF: the walk is over. What can't be had goes to the Problem callback.
func (s *Source) Next() (*Entry, error) {
	for {
		if e := s.advance(); e != nil {
			return e, nil
		}
		if len(s.stack) == 0 && len(s.left) == 0 {
			return nil, io.EOF
		}
	}
}

// advance makes one step; it may well bring no entry.
func (s *Source) advance() *Entry {
	if n := len(s.stack); n > 0 {
		return s.step(&s.stack[n-1])
	}
	if len(s.left) == 0 {
		return nil
	}
	t := s.left[0]
	s.left = s.left[1:]
	if t.Contents {
		s.dev = t.id.Dev
		s.push(frame{node: t.node, stat: t.id, only: s.only()})
		return nil
	}
	s.dev = t.id.Dev
	e, err := s.visit(t.node, t.Name, 0, t.follow, s.only())
	if err != nil {
		s.o.Problem(t.Arg, err)
	}
	return e
}

// step visits the next name of a directory, or leaves it.
func (s *Source) step(f *frame) *Entry {
	if len(f.names) == 0 && !f.end {
		s.fill(f)
	}
	if len(f.names) == 0 {
		if !f.end {
			return nil
		}
		return s.leave(*f)
	}
	name := f.names[0]
	f.names = f.names[1:]
	node := f.node
	only := f.only
	e, err := s.visit(node, name, f.id, s.o.Follow, only.in(name))
	// Gone between being listed and being looked at: as if never there.
	if err != nil && (only != nil || !errors.Is(err, fs.ErrNotExist)) {
		s.o.Problem(joinPath(node.Path(), name), err)
	}
	return e
}

func (s *Source) push(f frame) {
	s.h.startReading(f.node)
	s.stack = append(s.stack, f)
}

// leave ends the innermost directory.
func (s *Source) leave(f frame) *Entry {
	s.h.stopReading(f.node)
	s.stack[len(s.stack)-1] = frame{}
	s.stack = s.stack[:len(s.stack)-1]
	if f.id == 0 {
		return nil
	}
	return &Entry{ID: f.id, Parent: f.up, Kind: KindDirEnd, Name: f.node.name, dir: f.node.parent}
}

// fill reads the next block of names. A directory that can't be read is at its end.
func (s *Source) fill(f *frame) {
	if f.only != nil {
		f.names, f.end = f.only.names(), true
		return
	}
	n, err := s.readBlock(f.node)
	if err != nil {
		s.o.Problem(f.node.Path(), fmt.Errorf("read directory: %w", err))
	}
	f.end = err != nil || n == 0
	_, _, f.names = unix.ParseDirent(s.buf[:max(n, 0)], -1, nil)
}

func (s *Source) readBlock(n *dirNode) (int, error) {
	fd, err := s.h.acquire(n)
	if err != nil {
		return 0, err
	}
	defer s.h.release(n)
	return eintrInt(func() (int, error) { return unix.ReadDirent(fd, s.buf) })
}

// only is what is walked below an argument.
func (s *Source) only() *Only {
	if s.o.Only == nil || s.o.Only.whole {
		return nil
	}
	return s.o.Only
}

// visit makes the entry of one name, nil if it is left out; a directory's children come next.
func (s *Source) visit(node *dirNode, name string, parent uint64, follow bool, only *Only) (*Entry, error) {
	if reserved(name) {
		return nil, errLeftOver
	}
	dir, err := s.h.acquire(node)
	if err != nil {
		return nil, err
	}
	defer s.h.release(node)
	st, err := statEntry(dir, name, follow)
	if err != nil {
		return nil, err
	}
	if s.o.Exclude != nil && s.o.Exclude(node.below(name), st.Mode&unix.S_IFMT == unix.S_IFDIR) {
		return nil, nil
	}
	e, err := s.entry(node, dir, name, &st, follow)
	if err != nil {
		return nil, err
	}
	s.lastID++
	e.ID, e.Parent = s.lastID, parent
	if e.Kind == KindDir {
		flags := unix.O_RDONLY
		if !follow {
			flags |= unix.O_NOFOLLOW
		}
		mounted := s.o.OneFS && devOf(&st) != s.dev
		s.push(frame{node: newNode(node, name, flags), id: e.ID, up: parent, stat: fileID(&st), only: only, end: mounted})
	}
	return e, nil
}

// errLeftOver: what a transfer to the source's directory has left, or is writing there.
var errLeftOver = fmt.Errorf("%w: leftover of a transfer", ErrSpecial)

// statEntry is fstatat(2), and says of a link that leads nowhere that it does.
func statEntry(dir int, name string, follow bool) (st unix.Stat_t, err error) {
	if !follow {
		return st, fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	}
	err = fstatat(dir, name, &st, 0)
	if errors.Is(err, fs.ErrNotExist) && fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil {
		return st, errDangling
	}
	return st, err
}

// errDangling is not an fs.ErrNotExist: the link exists.
var errDangling = errors.New("symbolic link to nothing")

// loop says whether a directory is its own ancestor.
func (s *Source) loop(id FileID) error {
	for i := range s.stack {
		if s.stack[i].stat == id {
			return fmt.Errorf("%w: it is %s", ErrLoop, s.stack[i].node.Path())
		}
	}
	return nil
}

// startReading lets a node's place in the directory survive its descriptor.
func (h *handles) startReading(n *dirNode) {
	h.mu.Lock()
	n.reading = true
	h.mu.Unlock()
}

func (h *handles) stopReading(n *dirNode) {
	h.mu.Lock()
	n.reading = false
	h.mu.Unlock()
}
