package localfs

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// foldFS is a file system in memory that keeps the case of names and ignores
// it, as those of other systems do. It has no O_TMPFILE.
type foldFS struct {
	mu   sync.Mutex
	last uint64

	ops []string // Fsync and Rename, in order
}

// foldNode is a file, directory or symbolic link of a foldFS.
type foldNode struct {
	fs.Inode
	fsys *foldFS

	attr     fuse.Attr
	data     []byte
	link     string
	children map[string]foldChild // by name in lower case
}

type foldChild struct {
	name string
	node *foldNode
}

var (
	_ fs.NodeLookuper   = (*foldNode)(nil)
	_ fs.NodeCreater    = (*foldNode)(nil)
	_ fs.NodeMkdirer    = (*foldNode)(nil)
	_ fs.NodeSymlinker  = (*foldNode)(nil)
	_ fs.NodeLinker     = (*foldNode)(nil)
	_ fs.NodeUnlinker   = (*foldNode)(nil)
	_ fs.NodeRmdirer    = (*foldNode)(nil)
	_ fs.NodeRenamer    = (*foldNode)(nil)
	_ fs.NodeReadlinker = (*foldNode)(nil)
	_ fs.NodeReaddirer  = (*foldNode)(nil)
	_ fs.NodeOpener     = (*foldNode)(nil)
	_ fs.NodeReader     = (*foldNode)(nil)
	_ fs.NodeWriter     = (*foldNode)(nil)
	_ fs.NodeGetattrer  = (*foldNode)(nil)
	_ fs.NodeSetattrer  = (*foldNode)(nil)
	_ fs.NodeFsyncer    = (*foldNode)(nil)
)

func (f *foldFS) node(mode uint32) *foldNode {
	f.last++
	n := &foldNode{fsys: f, attr: fuse.Attr{Ino: f.last, Mode: mode, Nlink: 1}}
	if mode&syscall.S_IFDIR != 0 {
		n.children = map[string]foldChild{}
	}
	return n
}

// mountFold mounts a foldFS; it takes root.
func mountFold(t *testing.T) string {
	t.Helper()
	return mountFoldFS(t, &foldFS{})
}

func mountFoldFS(t *testing.T, f *foldFS) string {
	t.Helper()
	return mountFuse(t, f.node(fuse.S_IFDIR|0o755), &fs.Options{RootStableAttr: &fs.StableAttr{Ino: 1}})
}

func mountFuse(t *testing.T, node fs.InodeEmbedder, o *fs.Options) string {
	t.Helper()
	dir := t.TempDir()
	o.DirectMountStrict = true
	server, err := fs.Mount(dir, node, o)
	must(t, err)
	t.Cleanup(func() {
		if err := server.Unmount(); err != nil {
			t.Errorf("unmount: %v", err)
			// A file of ours still open there would keep this process, which
			// would have to answer itself, from ever ending.
			must(t, unix.Unmount(dir, unix.MNT_FORCE|unix.MNT_DETACH))
		}
	})
	return dir
}

// inode is how the library knows a node; f.mu is held.
func (n *foldNode) inode(ctx context.Context, child *foldNode, out *fuse.EntryOut) *fs.Inode {
	out.Attr = child.attrs()
	return n.NewInode(ctx, child, fs.StableAttr{Mode: child.attr.Mode & syscall.S_IFMT, Ino: child.attr.Ino})
}

func (n *foldNode) attrs() fuse.Attr {
	a := n.attr
	a.Size = uint64(len(n.data) + len(n.link))
	return a
}

// add enters a new child unless there is one.
func (n *foldNode) add(ctx context.Context, name string, child func() *foldNode, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	n.fsys.mu.Lock()
	defer n.fsys.mu.Unlock()
	if _, ok := n.children[strings.ToLower(name)]; ok {
		return nil, syscall.EEXIST
	}
	c := child()
	n.children[strings.ToLower(name)] = foldChild{name, c}
	return n.inode(ctx, c, out), 0
}

func (n *foldNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	n.fsys.mu.Lock()
	defer n.fsys.mu.Unlock()
	c, ok := n.children[strings.ToLower(name)]
	if !ok {
		return nil, syscall.ENOENT
	}
	return n.inode(ctx, c.node, out), 0
}

func (n *foldNode) Create(ctx context.Context, name string, _, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	node, errno := n.add(ctx, name, func() *foldNode { return n.fsys.node(fuse.S_IFREG | mode&0o7777) }, out)
	return node, nil, 0, errno
}

func (n *foldNode) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return n.add(ctx, name, func() *foldNode { return n.fsys.node(fuse.S_IFDIR | mode&0o7777) }, out)
}

func (n *foldNode) Symlink(ctx context.Context, target, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return n.add(ctx, name, func() *foldNode {
		c := n.fsys.node(fuse.S_IFLNK | 0o777)
		c.link = target
		return c
	}, out)
}

func (n *foldNode) Link(ctx context.Context, target fs.InodeEmbedder, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return n.add(ctx, name, func() *foldNode {
		c := target.(*foldNode)
		c.attr.Nlink++
		return c
	}, out)
}

func (n *foldNode) remove(name string) syscall.Errno {
	n.fsys.mu.Lock()
	defer n.fsys.mu.Unlock()
	c, ok := n.children[strings.ToLower(name)]
	if !ok {
		return syscall.ENOENT
	}
	if len(c.node.children) > 0 {
		return syscall.ENOTEMPTY
	}
	c.node.attr.Nlink--
	delete(n.children, strings.ToLower(name))
	return 0
}

func (n *foldNode) Unlink(_ context.Context, name string) syscall.Errno { return n.remove(name) }

func (n *foldNode) Rmdir(_ context.Context, name string) syscall.Errno { return n.remove(name) }

func (n *foldNode) Rename(_ context.Context, name string, newParent fs.InodeEmbedder, newName string, _ uint32) syscall.Errno {
	n.fsys.mu.Lock()
	defer n.fsys.mu.Unlock()
	n.fsys.ops = append(n.fsys.ops, "rename to "+newName)
	to := newParent.(*foldNode)
	c, ok := n.children[strings.ToLower(name)]
	if !ok {
		return syscall.ENOENT
	}
	if old, ok := to.children[strings.ToLower(newName)]; ok {
		if old.node == c.node {
			return 0
		}
		old.node.attr.Nlink--
	}
	delete(n.children, strings.ToLower(name))
	to.children[strings.ToLower(newName)] = foldChild{newName, c.node}
	return 0
}

func (n *foldNode) Readlink(context.Context) ([]byte, syscall.Errno) { return []byte(n.link), 0 }

func (n *foldNode) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	n.fsys.mu.Lock()
	defer n.fsys.mu.Unlock()
	var list []fuse.DirEntry
	for _, c := range n.children {
		list = append(list, fuse.DirEntry{Name: c.name, Mode: c.node.attr.Mode, Ino: c.node.attr.Ino})
	}
	return fs.NewListDirStream(list), 0
}

func (n *foldNode) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, 0, 0
}

func (n *foldNode) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	n.fsys.mu.Lock()
	defer n.fsys.mu.Unlock()
	return fuse.ReadResultData(append([]byte{}, n.data[min(off, int64(len(n.data))):min(off+int64(len(dest)), int64(len(n.data)))]...)), 0
}

func (n *foldNode) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	n.fsys.mu.Lock()
	defer n.fsys.mu.Unlock()
	what := "fsync file of " + strconv.Itoa(len(n.data))
	if n.children != nil {
		what = "fsync directory of " + strconv.Itoa(len(n.children))
	}
	n.fsys.ops = append(n.fsys.ops, what)
	return 0
}

func (n *foldNode) Write(_ context.Context, _ fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	n.fsys.mu.Lock()
	defer n.fsys.mu.Unlock()
	if end := off + int64(len(data)); end > int64(len(n.data)) {
		n.data = append(n.data, make([]byte, end-int64(len(n.data)))...)
	}
	return uint32(copy(n.data[off:], data)), 0
}

func (n *foldNode) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	n.fsys.mu.Lock()
	defer n.fsys.mu.Unlock()
	out.Attr = n.attrs()
	return 0
}

func (n *foldNode) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	n.fsys.mu.Lock()
	defer n.fsys.mu.Unlock()
	if mode, ok := in.GetMode(); ok {
		n.attr.Mode = n.attr.Mode&syscall.S_IFMT | mode&0o7777
	}
	if size, ok := in.GetSize(); ok {
		n.data = append(n.data, make([]byte, max(int(size)-len(n.data), 0))...)[:size]
	}
	if mtime, ok := in.GetMTime(); ok {
		n.attr.SetTimes(nil, &mtime, nil)
	}
	out.Attr = n.attrs()
	return 0
}
