package localfs

import (
	"container/list"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// maxHandles: directories held open by one Source or Sink. A walk uses its
// newest ones, so a few hundred already make reopening rare; two of these and a
// window of open files stay far below the usual limit of 1024 descriptors.
const maxHandles = 256

// dirNode is a directory, named by one component below its parent. Its
// descriptor is opened on demand and may be closed whenever it is not pinned.
type dirNode struct {
	parent *dirNode
	name   string // without parent: the path to open
	shown  string // without parent: what Path begins with
	holds  bool   // an argument of a source: what is above it is none of its tree
	flags  int    // of open(2), beside O_DIRECTORY

	// Of handles.mu:
	fd      int // -1: not open
	id      FileID
	pins    int
	place   *list.Element
	reading bool  // getdents is under way: pos counts
	pos     int64 // where to go on reading after reopening
	dead    bool  // closed for good
}

func newNode(parent *dirNode, name string, flags int) *dirNode {
	return &dirNode{parent: parent, name: name, flags: flags, fd: -1}
}

func newRootNode(path, shown string, flags int) *dirNode {
	return &dirNode{name: path, shown: shown, flags: flags, fd: -1}
}

// Path is the node's name for people.
func (n *dirNode) Path() string {
	var names []string
	for ; n.parent != nil; n = n.parent {
		names = append(names, n.name)
	}
	slices.Reverse(names)
	return joinPath(n.shown, strings.Join(names, "/"))
}

// below is the path of an entry in the node, from what holds the argument on.
func (n *dirNode) below(name string) string {
	for ; n.parent != nil && !n.holds; n = n.parent {
		name = n.name + "/" + name
	}
	return name
}

func joinPath(dir, name string) string {
	if dir == "" || name == "" || strings.HasSuffix(dir, "/") {
		return dir + name
	}
	return dir + "/" + name
}

// handles keeps the descriptors of a tree's nodes, at most max of them, the
// least recently used goes first.
type handles struct {
	max int

	mu     sync.Mutex
	open   list.List // of *dirNode, most recently used first
	closed bool
}

func newHandles(limit int) *handles { return &handles{max: limit} }

// acquire gives the node's descriptor and keeps it open until release.
func (h *handles) acquire(n *dirNode) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.openChain(n); err != nil {
		return -1, err
	}
	n.pins++
	h.open.MoveToFront(n.place)
	return n.fd, nil
}

func (h *handles) release(n *dirNode) {
	h.mu.Lock()
	n.pins--
	h.mu.Unlock()
}

// adopt makes fd the node's descriptor, pinned until closeAll.
func (h *handles) adopt(n *dirNode, fd int) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.enter(n, fd); err != nil {
		return err
	}
	n.pins++
	return nil
}

// openChain opens n, and before it those of its ancestors that are closed.
func (h *handles) openChain(n *dirNode) error {
	var closed []*dirNode
	for m := n; m != nil && m.fd < 0; m = m.parent {
		closed = append(closed, m)
	}
	for _, m := range slices.Backward(closed) {
		if err := h.openOne(m); err != nil {
			return err
		}
	}
	return nil
}

func (h *handles) openOne(n *dirNode) error {
	if h.closed || n.dead {
		return os.ErrClosed
	}
	at := unix.AT_FDCWD
	if n.parent != nil {
		n.parent.pins++
		defer func() { n.parent.pins-- }()
		at = n.parent.fd
	}
	h.evict(h.max - 1)
	call := func() (int, error) { return openat(at, n.name, n.flags|unix.O_DIRECTORY, 0) }
	fd, err := call()
	if outOfDescriptors(err) && h.evict(0) {
		fd, err = call()
	}
	if err != nil {
		return err
	}
	return h.enter(n, fd)
}

// enter takes an open descriptor into the table, which must be of the same
// directory as before, if there was one.
func (h *handles) enter(n *dirNode, fd int) error {
	var st unix.Stat_t
	err := fstat(fd, &st)
	id := fileID(&st)
	if err == nil && n.id != (FileID{}) && n.id != id {
		err = fmt.Errorf("another directory took its place: %w", ErrChanged)
	}
	if err == nil && n.reading && n.pos != 0 {
		_, err = unix.Seek(fd, n.pos, unix.SEEK_SET)
	}
	if err != nil {
		closeQuietly(fd)
		return err
	}
	n.fd, n.id = fd, id
	n.place = h.open.PushFront(n)
	return nil
}

// evict closes idle directories until keep are left open, and says whether it
// closed any.
func (h *handles) evict(keep int) bool {
	any := false
	for el := h.open.Back(); el != nil && h.open.Len() > keep; {
		n := el.Value.(*dirNode)
		el = el.Prev()
		if n.pins == 0 {
			h.shut(n)
			any = true
		}
	}
	return any
}

func (h *handles) shut(n *dirNode) {
	if n.reading {
		// An error would mean a closed descriptor: reading again from the start
		// then shows names twice, which the receiver survives.
		n.pos, _ = unix.Seek(n.fd, 0, unix.SEEK_CUR)
	}
	h.open.Remove(n.place)
	n.place = nil
	closeQuietly(n.fd)
	n.fd = -1
}

// room runs an open(2). When descriptors have run out it closes idle
// directories and tries once more.
func (h *handles) room(call func() (int, error)) (int, error) {
	fd, err := call()
	if !outOfDescriptors(err) {
		return fd, err
	}
	h.mu.Lock()
	freed := h.evict(0)
	h.mu.Unlock()
	if !freed {
		return fd, err
	}
	return call()
}

func outOfDescriptors(err error) bool { return err == unix.EMFILE || err == unix.ENFILE }

// identity is the node's inode, known once it was open.
func (h *handles) identity(n *dirNode) FileID {
	h.mu.Lock()
	defer h.mu.Unlock()
	return n.id
}

// forget closes a node for good.
func (h *handles) forget(n *dirNode) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n.dead = true
	if n.fd >= 0 {
		h.shut(n)
	}
}

// closeAll closes everything, pinned or not.
func (h *handles) closeAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for el := h.open.Front(); el != nil; el = h.open.Front() {
		h.shut(el.Value.(*dirNode))
	}
}
