package tree

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Large files are read in ranges of rangeSize bytes, so that several workers
// share one; smaller ones are one range. Reads are of blockSize bytes: a MiB
// stays in the second-level cache of today's cores.
const (
	rangeSize = 64 << 20
	blockSize = 1 << 20
)

// holeUnit is what data ranges of the first tree are widened to.
const holeUnit = 64 << 10

// pair is a file open on both sides, closed when its last range is done.
type pair struct {
	a, b   int
	size   int64
	path   string
	sparse bool // the first file has holes
	refs   atomic.Int32
	told   atomic.Bool // a difference in content was reported
}

// release gives one reference back.
func (p *pair) release() {
	if p.refs.Add(-1) == 0 {
		_ = unix.Close(p.a) // read only: nothing can be lost
		_ = unix.Close(p.b)
	}
}

// job is one range of a pair.
type job struct {
	pair     *pair
	off, end int64
}

// file compares two regular files with the same name.
func (c *comparer) file(a, b place, path string) error {
	if err := c.enough(); err != nil {
		return err
	}
	if !c.links.meet(a.st, b.st) {
		c.differ(path, Group, fmt.Sprintf("inode %d", a.st.Ino), fmt.Sprintf("inode %d, which another name is linked to", b.st.Ino))
	}
	if a.st.Size != b.st.Size {
		c.differ(path, Size, a.st.Size, b.st.Size)
		return nil
	}
	if c.opts.Growing.known(b, path) || a.st.Size == 0 && !c.opts.Xattrs {
		return nil
	}
	p, err := openPair(a, b, path)
	if err != nil {
		return err
	}
	p.refs.Store(1)
	defer p.release()
	if err := c.xattrs(p.a, p.b, path); err != nil {
		return err
	}
	for off := int64(0); off < p.size; off += rangeSize {
		p.refs.Add(1)
		c.jobs <- job{p, off, min(off+rangeSize, p.size)}
	}
	return nil
}

// openPair opens both sides for reading.
func openPair(a, b place, path string) (*pair, error) {
	const flags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK
	fa, err := openAt(a.dirfd, a.name, flags, 0)
	if err != nil {
		return nil, fmt.Errorf("first tree, %q: %w", path, err)
	}
	fb, err := openAt(b.dirfd, b.name, flags, 0)
	if err != nil {
		_ = unix.Close(fa) // read only: nothing can be lost
		return nil, fmt.Errorf("second tree, %q: %w", path, err)
	}
	return &pair{a: fa, b: fb, size: a.st.Size, path: path, sparse: a.st.Blocks*512 < a.st.Size}, nil
}

// reader is one worker's memory.
type reader struct{ a, b []byte }

func newReader() *reader {
	return &reader{make([]byte, blockSize), make([]byte, blockSize)}
}

// read compares one range, skipping what is a hole on both sides.
func (c *comparer) read(w *reader, j job) error {
	p := j.pair
	if p.sparse {
		if err := c.holes(j); err != nil {
			return err
		}
	}
	for off := j.off; off < j.end && !p.told.Load(); {
		if p.sparse {
			sa, _, err := nextData(p.a, off, j.end)
			if err != nil {
				return fmt.Errorf("first tree, %q: %w", p.path, err)
			}
			sb, _, err := nextData(p.b, off, j.end)
			if err != nil {
				return fmt.Errorf("second tree, %q: %w", p.path, err)
			}
			if off = min(sa, sb); off >= j.end {
				return nil
			}
		}
		n := min(blockSize, j.end-off)
		if err := c.block(w, p, off, int(n)); err != nil {
			return err
		}
		off += n
	}
	return nil
}

// block compares n bytes at off.
func (c *comparer) block(w *reader, p *pair, off int64, n int) error {
	a, b := w.a[:n], w.b[:n]
	if err := readFull(p.a, a, off); err != nil {
		return fmt.Errorf("first tree, %q: %w", p.path, err)
	}
	if err := readFull(p.b, b, off); err != nil {
		return fmt.Errorf("second tree, %q: %w", p.path, err)
	}
	if bytes.Equal(a, b) {
		return nil
	}
	i := 0
	for a[i] == b[i] {
		i++
	}
	if !p.told.Swap(true) {
		c.differ(p.path, Content, fmt.Sprintf("%#02x at %d", a[i], off+int64(i)), fmt.Sprintf("%#02x", b[i]))
	}
	return nil
}

// readFull fills p from offset off.
func readFull(fd int, p []byte, off int64) error {
	for len(p) > 0 {
		n, err := unix.Pread(fd, p, off)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return fmt.Errorf("read at %d: %w", off, err)
		case n == 0:
			return fmt.Errorf("read at %d: file ended early", off)
		}
		p, off = p[n:], off+int64(n)
	}
	return nil
}

// nextData finds the next range of data at or after off and before end;
// start == end if there is none.
func nextData(fd int, off, end int64) (start, stop int64, err error) {
	start, err = unix.Seek(fd, off, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) || err == nil && start >= end {
		return end, end, nil
	}
	if err != nil {
		return 0, 0, fmt.Errorf("seek data at %d: %w", off, err)
	}
	stop, err = unix.Seek(fd, start, unix.SEEK_HOLE)
	if err != nil {
		return 0, 0, fmt.Errorf("seek hole at %d: %w", start, err)
	}
	return start, min(stop, end), nil
}

// holes looks, in one range, for data of the second file that lies in a hole of the first.
func (c *comparer) holes(j job) error {
	allowed := int64(0) // data of the second file is allowed up to here
	for off := j.off; off < j.end; {
		start, stop, err := nextData(j.pair.b, off, j.end)
		if err != nil {
			return fmt.Errorf("second tree, %q: %w", j.pair.path, err)
		}
		for at := max(start, allowed); at < stop; at = allowed {
			from, to, err := nextData(j.pair.a, at-at%holeUnit, j.end)
			if err != nil {
				return fmt.Errorf("first tree, %q: %w", j.pair.path, err)
			}
			if from-from%holeUnit > at || from == to {
				c.differ(j.pair.path, Holes, fmt.Sprintf("a hole at %d", at), "data there")
				return nil
			}
			allowed = (to + holeUnit - 1) / holeUnit * holeUnit
		}
		off = stop
	}
	return nil
}

// xattrs compares the attributes user.* of two open files or directories.
func (c *comparer) xattrs(a, b int, path string) error {
	if !c.opts.Xattrs {
		return nil
	}
	xa, err := readXattrs(a)
	if err != nil {
		return fmt.Errorf("first tree, %q: %w", path, err)
	}
	xb, err := readXattrs(b)
	if err != nil {
		return fmt.Errorf("second tree, %q: %w", path, err)
	}
	if !slices.Equal(xa, xb) {
		c.differ(path, Xattrs, fmt.Sprintf("%.100q", xa), fmt.Sprintf("%.100q", xb))
	}
	return nil
}

// readXattrs lists name=value of all attributes user.*, sorted.
func readXattrs(fd int) ([]string, error) {
	buf := make([]byte, 64<<10) // XATTR_LIST_MAX
	n, err := unix.Flistxattr(fd, buf)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listxattr: %w", err)
	}
	var found []string
	value := make([]byte, 64<<10) // XATTR_SIZE_MAX
	for name := range strings.SplitSeq(strings.TrimRight(string(buf[:n]), "\x00"), "\x00") {
		if !strings.HasPrefix(name, "user.") {
			continue
		}
		n, err := unix.Fgetxattr(fd, name, value)
		if err != nil {
			return nil, fmt.Errorf("getxattr %s: %w", name, err)
		}
		found = append(found, name+"="+string(value[:n]))
	}
	slices.Sort(found)
	return found, nil
}
