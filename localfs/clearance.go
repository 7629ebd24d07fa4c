package localfs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Clearance removes entries of a Source once every target has them, and only as they were
// met: what was changed since stays, and so does what has several names. It keeps note of
// them in a file without a name, so that memory does not grow with the tree.
type Clearance struct {
	s       *Source
	targets int

	mu    sync.Mutex
	some  map[uint64]int // entries that some targets have, and how many
	notes *os.File
	w     *bufio.Writer
	roots []*dirNode
	err   error // of the notes: nothing is removed then
}

// ErrStays: an entry is not removed.
var ErrStays = errors.New("not removed")

// Clearance begins one for so many targets. Close it before the source.
func (s *Source) Clearance(targets int) (*Clearance, error) {
	if s.o.Follow {
		return nil, usagef("what symbolic links point to is not removed")
	}
	f, err := os.CreateTemp("", ".scp_rdma.*.clear")
	if err != nil {
		return nil, err
	}
	// The name goes at once; the space goes with the descriptor.
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Clearance{s: s, targets: targets, some: map[uint64]int{}, notes: f, w: bufio.NewWriter(f)}, nil
}

// Close forgets what was noted.
func (c *Clearance) Close() error { return c.notes.Close() }

// Reset forgets what was noted: entries are walked again, and may have other numbers.
func (c *Clearance) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.some)
	c.roots = nil
	c.w.Reset(c.notes)
	_, err := c.notes.Seek(0, io.SeekStart)
	c.err = errors.Join(err, c.notes.Truncate(0))
}

// Have says that one more target has an entry: its contents were compared with, or are, what
// was read. Directories are never removed. What is not removed for what is known now, is
// told by an error that Is ErrStays.
func (c *Clearance) Have(e *Entry) error {
	switch {
	case e.Kind != KindFile && e.Kind != KindSymlink:
		return nil
	case e.dir == nil:
		return fmt.Errorf("%w: entry %d is not of this source", ErrStays, e.ID)
	case e.Group != 0:
		return fmt.Errorf("%w: it has several names (hard links)", ErrStays)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.some[e.ID]++; c.some[e.ID] < c.targets {
		return nil
	}
	delete(c.some, e.ID)
	if c.err == nil {
		c.err = c.note(e)
	}
	return nil
}

// note writes an entry down. c.mu is held.
func (c *Clearance) note(e *Entry) error {
	root := e.dir
	for root.parent != nil {
		root = root.parent
	}
	n := len(c.roots)
	for i, r := range c.roots {
		if r == root {
			n = i
		}
	}
	if n == len(c.roots) {
		c.roots = append(c.roots, root)
	}
	var names []string
	for d := e.dir; d.parent != nil; d = d.parent {
		names = append(names, d.name)
	}
	dir, st := c.s.h.identity(e.dir), &e.Stamp
	_, err := fmt.Fprintf(c.w, "%d %q %d %d %q %d %d %d %d %d %d %d %d\n", n, strings.Join(names, "/"), dir.Dev, dir.Ino, e.Name, e.Kind,
		st.Dev, st.Ino, st.Size, st.Mtime.Unix(), st.Mtime.Nanosecond(), st.Ctime.Unix(), st.Ctime.Nanosecond())
	return err
}

// cleared is an entry as it was noted.
type cleared struct {
	root  int
	above string // the directory's names, the innermost first
	dir   FileID
	name  string
	kind  Kind
	stamp Stamp
}

func readCleared(line string) (n cleared, err error) {
	var ms, mn, cs, cn int64
	_, err = fmt.Sscanf(line, "%d %q %d %d %q %d %d %d %d %d %d %d %d", &n.root, &n.above, &n.dir.Dev, &n.dir.Ino, &n.name, &n.kind,
		&n.stamp.Dev, &n.stamp.Ino, &n.stamp.Size, &ms, &mn, &cs, &cn)
	n.stamp.Mtime, n.stamp.Ctime = time.Unix(ms, mn), time.Unix(cs, cn)
	return n, err
}

// Remove removes what every target has, and says how many entries went. told hears of those
// that stay, by their paths as a person would type them. An error, or the end of ctx: it
// stopped, and all that is left is as it was.
func (c *Clearance) Remove(ctx context.Context, told func(path string, err error)) (gone uint64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := errors.Join(c.err, c.w.Flush()); err != nil {
		return 0, fmt.Errorf("nothing was removed: notes of it: %w", err)
	}
	if _, err := c.notes.Seek(0, io.SeekStart); err != nil {
		return 0, fmt.Errorf("nothing was removed: notes of it: %w", err)
	}
	var at cleared // of the directory that is at hand
	var node *dirNode
	defer func() { c.leave(node) }()
	for r := bufio.NewReader(c.notes); ; {
		line, err := r.ReadString('\n')
		if errors.Is(err, io.EOF) && line == "" {
			return gone, nil
		}
		var n cleared
		if err == nil {
			n, err = readCleared(line)
		}
		if err == nil && (n.root < 0 || n.root >= len(c.roots)) {
			err = os.ErrInvalid
		}
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return gone, fmt.Errorf("remove what was sent: %w", err)
		}
		if node == nil || n.root != at.root || n.above != at.above {
			c.leave(node)
			node, at = c.enter(&n), n
		}
		if err := c.remove(node, &n); err != nil {
			told(joinPath(node.Path(), n.name), err)
			continue
		}
		gone++
	}
}

// enter is the node of the directory that holds an entry.
func (c *Clearance) enter(n *cleared) *dirNode {
	node := c.roots[n.root]
	if n.above == "" {
		return node
	}
	names := strings.Split(n.above, "/")
	for i := len(names) - 1; i >= 0; i-- {
		flags := pathOnly | unix.O_NOFOLLOW
		if node.parent == nil { // an argument that ends with a slash may be a link
			flags = pathOnly
		}
		node = newNode(node, names[i], flags)
	}
	return node
}

// leave closes what enter has opened.
func (c *Clearance) leave(n *dirNode) {
	for ; n != nil && n.parent != nil; n = n.parent {
		c.s.h.forget(n)
	}
}

// remove removes an entry, if it is what it was, from the directory that it was in.
func (c *Clearance) remove(node *dirNode, n *cleared) error {
	dir, err := c.s.h.acquire(node)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStays, err)
	}
	defer c.s.h.release(node)
	if c.s.h.identity(node) != n.dir {
		return fmt.Errorf("%w: another directory took its place", ErrStays)
	}
	if n.kind == KindFile {
		err = c.same(dir, n)
	}
	var st unix.Stat_t
	if err == nil {
		err = fstatat(dir, n.name, &st, unix.AT_SYMLINK_NOFOLLOW)
	}
	if err == nil && !(n.stamp.is(&st) && st.Nlink == 1) {
		err = errSinceSent
	}
	if err == nil {
		err = unlinkat(dir, n.name, 0)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStays, err)
	}
	return nil
}

var errSinceSent = errors.New("it was changed since it was sent")

// same opens the file: network file systems answer only that with what is true now.
func (c *Clearance) same(dir int, n *cleared) error {
	fd, err := c.s.h.room(func() (int, error) { return openat(dir, n.name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0) })
	if err != nil {
		return err
	}
	defer closeQuietly(fd)
	var st unix.Stat_t
	if err := fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || !n.stamp.is(&st) {
		return errSinceSent
	}
	return nil
}
