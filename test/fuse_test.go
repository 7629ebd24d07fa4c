package e2e

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// stage is a directory of files that do something when they are read: so a
// test decides at which byte a file changes, or a transfer is killed.
type stage struct {
	fs.Inode
	dir string // where it is mounted
}

// actor is one file on a stage.
type actor struct {
	fs.Inode
	// act is called before a read is answered, with the offset and with how many
	// reads there were before. It may change the file through its methods. ctx
	// ends when the reader is killed.
	act func(ctx context.Context, a *actor, off int64, reads int)

	mu    sync.Mutex
	data  []byte
	mtime time.Time
	nlink uint32
	reads int
}

// bytesOf is the same random bytes for every seed and size.
func bytesOf(seed uint64, size int) []byte {
	src := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	p := make([]byte, size)
	_, _ = src.Read(p) // never fails: math/rand/v2
	return p
}

// newStage mounts an empty stage; the test's end takes it down.
func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{dir: folder(t, root())}
	zero := time.Duration(0)
	server, err := fs.Mount(s.dir, s, &fs.Options{
		MountOptions: fuse.MountOptions{DirectMountStrict: true, AllowOther: true, FsName: "stage", Name: "stage"},
		EntryTimeout: &zero, AttrTimeout: &zero, NegativeTimeout: &zero,
	})
	if err != nil {
		t.Fatalf("mount a FUSE file system (is there /dev/fuse?): %v", err)
	}
	closeOnExec(t, "/dev/fuse")
	t.Cleanup(func() {
		if err := unix.Unmount(s.dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
		server.Wait()
	})
	return s
}

// closeOnExec keeps descriptors of a device from the processes that tests start.
func closeOnExec(t *testing.T, device string) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	for _, d := range fds {
		if to, err := os.Readlink("/proc/self/fd/" + d.Name()); err == nil && to == device {
			fd, err := strconv.Atoi(d.Name())
			must(t, err)
			unix.CloseOnExec(fd)
		}
	}
}

// add puts a file on the stage.
func (s *stage) add(name string, data []byte, act func(ctx context.Context, a *actor, off int64, reads int)) *actor {
	a := &actor{act: act, data: data, mtime: time.Unix(1e9, 0), nlink: 1}
	s.AddChild(name, s.NewPersistentInode(context.Background(), a, fs.StableAttr{Mode: syscall.S_IFREG}), true)
	return a
}

// remove takes a file away, as unlink does: who has it open can go on reading.
func (s *stage) remove(name string, a *actor) {
	s.RmChild(name)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.nlink, a.mtime = 0, a.mtime.Add(time.Second)
}

// set gives the file other bytes, a moment later.
func (a *actor) set(data []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.data, a.mtime = data, a.mtime.Add(time.Nanosecond)
}

// bytes is what is in the file now.
func (a *actor) bytes() []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.data
}

// Getattr implements fs.NodeGetattrer.
func (a *actor) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	a.mu.Lock()
	defer a.mu.Unlock()
	out.Mode, out.Nlink = 0o444, a.nlink
	out.Size, out.Blocks = uint64(len(a.data)), uint64(len(a.data)+511)/512
	out.SetTimes(nil, &a.mtime, &a.mtime)
	return 0
}

// Open implements fs.NodeOpener. Every read comes here, none from the page cache.
func (a *actor) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_DIRECT_IO, 0
}

// Read implements fs.NodeReader.
func (a *actor) Read(ctx context.Context, _ fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	a.mu.Lock()
	reads := a.reads
	a.reads++
	a.mu.Unlock()
	if a.act != nil {
		a.act(ctx, a, off, reads)
	}
	if ctx.Err() != nil {
		return nil, syscall.EINTR
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	from := min(off, int64(len(a.data)))
	return fuse.ReadResultData(a.data[from:min(from+int64(len(dest)), int64(len(a.data)))]), 0
}

// gate is an act that lets reads pass up to an offset, then holds them.
type gate struct {
	at      int64
	once    sync.Once
	reached chan struct{} // closed when a read came to the gate

	mu    sync.Mutex
	open  chan struct{} // closed to let those pass that wait now
	never bool          // holds nobody any more
}

// newGate makes a closed gate at an offset; the test's end opens it.
func newGate(t *testing.T, at int64) *gate {
	g := &gate{at: at, reached: make(chan struct{}), open: make(chan struct{})}
	t.Cleanup(g.pass)
	return g
}

// act holds the read until it is let pass or the reader is killed.
func (g *gate) act(ctx context.Context, _ *actor, off int64, _ int) {
	g.mu.Lock()
	open, never := g.open, g.never
	g.mu.Unlock()
	if off < g.at || never {
		return
	}
	g.once.Do(func() { close(g.reached) })
	select {
	case <-open:
	case <-ctx.Done():
	}
}

// pass opens the gate for good.
func (g *gate) pass() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.never {
		g.never = true
		close(g.open)
	}
}

// passSome lets those pass that wait now; later reads wait again.
func (g *gate) passSome() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.never {
		close(g.open)
		g.open = make(chan struct{})
	}
}

// waitReached waits for the first read that is held.
func (g *gate) waitReached(t *testing.T) {
	t.Helper()
	select {
	case <-g.reached:
	case <-time.After(patience):
		t.Fatal("no read came to the gate")
	}
}

func TestAStagePlaysFilesThatChange(t *testing.T) {
	s := newStage(t)
	s.add("file", []byte("before"), func(_ context.Context, a *actor, _ int64, reads int) {
		if reads == 0 {
			a.set([]byte("after!"))
		}
	})
	eachUser(t, func(t *testing.T, w who) {
		r := run(t, w, "cat", filepath.Join(s.dir, "file"))
		r.wants(t, 0)
		if r.out != "after!" {
			t.Errorf("read %q", r.out)
		}
	})
}
