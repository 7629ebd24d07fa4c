package tree

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"golang.org/x/sys/unix"
)

// maker makes entries relative to open directories. Its first error ends all
// further work and is kept.
type maker struct {
	spec  Spec
	stats Stats
	rng   *rand.Rand
	bytes *rand.ChaCha8
	buf   []byte
	err   error
}

// fail keeps the first error.
func (g *maker) fail(err error) bool {
	if g.err == nil && err != nil {
		g.err = err
	}
	return g.err != nil
}

// dir makes a directory, lets fill make what is in it, and gives it its mode
// and times last: a 0555 directory could not be filled later.
func (g *maker) dir(parent int, name string, mode uint32, fill func(fd int)) {
	if g.err != nil {
		return
	}
	if err := unix.Mkdirat(parent, name, 0o700); err != nil {
		g.fail(fmt.Errorf("mkdir %q: %w", name, err))
		return
	}
	fd, err := openAt(parent, name, dirFlags, 0)
	if g.fail(err) {
		return
	}
	g.stats.Dirs++
	if fill != nil {
		fill(fd)
	}
	if g.spec.Xattrs {
		g.xattr(fd)
	}
	g.finishDir(fd, mode)
}

// finishDir sets a directory's mode and times and closes it.
func (g *maker) finishDir(fd int, mode uint32) {
	if g.err == nil {
		g.fail(unix.Fchmod(fd, mode))
		g.touchFD(fd, g.time())
	}
	g.fail(unix.Close(fd))
}

// file makes a file of random bytes.
func (g *maker) file(parent int, name string, size int64, mode uint32) {
	g.fileAt(parent, name, size, mode, g.time(), []span{{0, size}})
}

// span is a range of a file that has data.
type span struct{ off, end int64 }

// fileAt makes a file with random bytes in the spans and holes elsewhere.
func (g *maker) fileAt(parent int, name string, size int64, mode uint32, mtime time.Time, data []span) {
	if g.err != nil {
		return
	}
	fd, err := openAt(parent, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if g.fail(err) {
		return
	}
	if g.fail(unix.Ftruncate(fd, size)) {
		g.err = fmt.Errorf("truncate %q to %d: %w", name, size, g.err)
	}
	for _, s := range data {
		g.write(fd, s)
		g.stats.Data += s.end - s.off
	}
	if g.spec.Xattrs && g.rng.IntN(4) == 0 {
		g.xattr(fd)
	}
	g.fail(unix.Fchmod(fd, mode))
	g.touchFD(fd, mtime)
	g.fail(unix.Close(fd))
	g.stats.Files++
	g.stats.Bytes += size
}

// write fills one span with random bytes.
func (g *maker) write(fd int, s span) {
	for off := s.off; off < s.end && g.err == nil; {
		p := g.buf[:min(int64(len(g.buf)), s.end-off)]
		_, _ = g.bytes.Read(p) // never fails: math/rand/v2
		n, err := unix.Pwrite(fd, p, off)
		if err == unix.EINTR {
			continue
		}
		if g.fail(err) {
			return
		}
		off += int64(n)
	}
}

// symlink makes a symbolic link with times of its own.
func (g *maker) symlink(parent int, name, text string) {
	if g.err != nil {
		return
	}
	if err := unix.Symlinkat(text, parent, name); err != nil {
		g.fail(fmt.Errorf("symlink %q: %w", name, err))
		return
	}
	g.fail(touchAt(parent, name, g.time()))
	g.stats.Symlinks++
}

// link gives a file one more name.
func (g *maker) link(fromDir int, from string, toDir int, to string) {
	if g.err != nil {
		return
	}
	if err := unix.Linkat(fromDir, from, toDir, to, 0); err != nil {
		g.fail(fmt.Errorf("link %q: %w", to, err))
		return
	}
	g.stats.Links++
}

// xattr gives an open file or directory attributes, where the file system has them.
func (g *maker) xattr(fd int) {
	value := make([]byte, 1+g.rng.IntN(200))
	_, _ = g.bytes.Read(value) // never fails: math/rand/v2
	for _, name := range []string{"user.scp_rdma.one", "user.scp_rdma.two"} {
		if err := unix.Fsetxattr(fd, name, value, 0); err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
			g.fail(fmt.Errorf("setxattr %s: %w", name, err))
		}
	}
}

// time draws a moment between 2001 and 2033, to the nanosecond.
func (g *maker) time() time.Time {
	return time.Unix(1e9+g.rng.Int64N(1e9), g.rng.Int64N(1e9))
}
