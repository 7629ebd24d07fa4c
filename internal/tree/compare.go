package tree

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Aspect is what two trees differ in.
type Aspect string

// The aspects. Mtime is of every kind of entry, to the nanosecond; Group means
// that other names share the inode; Holes means data where the first tree has a hole.
const (
	Missing Aspect = "missing" // in the first tree only
	Extra   Aspect = "extra"   // in the second tree only
	Kind    Aspect = "kind"
	Mode    Aspect = "mode"
	Mtime   Aspect = "mtime"
	Size    Aspect = "size"
	Content Aspect = "content"
	Link    Aspect = "link text"
	Group   Aspect = "hard links"
	Holes   Aspect = "holes"
	Owner   Aspect = "owner"
	Xattrs  Aspect = "xattrs"
)

// Diff is one difference. Path is relative to both roots, "." is the roots themselves.
type Diff struct {
	Path   string
	Aspect Aspect
	A, B   string // what either side has, for people
}

// String shows the difference on one line, whatever bytes the path has.
func (d Diff) String() string {
	if d.Aspect == Missing || d.Aspect == Extra {
		return fmt.Sprintf("%q: %s", d.Path, d.Aspect)
	}
	return fmt.Sprintf("%q: %s: %s, %s", d.Path, d.Aspect, d.A, d.B)
}

// Options says what else Compare looks at, and how much it reports.
type Options struct {
	Special  bool // setuid, setgid, sticky; else only the bits 0777
	Owners   bool
	Xattrs   bool // user.* of files and directories
	SkipRoot bool // the mode and times of the roots themselves may differ
	AnyModes bool // modes may differ
	AnyTimes bool // modification times may differ
	Max      int  // differences to report; 0: 100. The walk ends when it is reached
	Workers  int  // readers of file contents; 0: one per CPU

	Growing *Growing // not nil: the second tree is being made still
}

// errEnough ends the walk when Options.Max differences were found.
var errEnough = errors.New("enough differences")

// Compare finds the differences between the trees a and b, files or
// directories, in no particular order. The error says that something could not
// be read, which leaves the answer open.
//
// Holes: the second tree may have holes where the first has zeros, never data
// where the first has a hole. The data ranges of the first (lseek(2),
// SEEK_DATA) count as widened to multiples of 64 KiB, since file systems
// allocate in blocks of different sizes and copying programs in larger ones.
func Compare(a, b string, o Options) ([]Diff, error) {
	c := newComparer(o)
	o.Growing.begin()
	c.start()
	err := c.roots(a, b)
	if werr := c.finish(); err == nil || errors.Is(err, errEnough) {
		err = werr
	}
	o.Growing.end(err == nil && len(c.diffs) == 0)
	if err != nil {
		return c.diffs, fmt.Errorf("compare %s and %s: %w", a, b, err)
	}
	return c.diffs, nil
}

// comparer is one run of Compare. The walk is one goroutine; the workers read
// contents and share mu with it.
type comparer struct {
	opts  Options
	links *linkTable
	jobs  chan job
	wg    sync.WaitGroup

	mu    sync.Mutex
	diffs []Diff
	err   error // a worker's
}

// newComparer fills in the defaults.
func newComparer(o Options) *comparer {
	if o.Max == 0 {
		o.Max = 100
	}
	if o.Workers == 0 {
		o.Workers = runtime.NumCPU()
	}
	return &comparer{opts: o, links: newLinkTable(), jobs: make(chan job, 4*o.Workers)}
}

// start runs the workers; finish waits for them.
func (c *comparer) start() {
	for range c.opts.Workers {
		c.wg.Go(func() {
			w := newReader()
			for j := range c.jobs {
				if err := c.read(w, j); err != nil {
					c.fail(err)
				}
				j.pair.release()
			}
		})
	}
}

// finish waits for the workers and returns their first error.
func (c *comparer) finish() error {
	close(c.jobs)
	c.wg.Wait()
	return c.err
}

// fail keeps the first error of a worker.
func (c *comparer) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
}

// differ records one difference.
func (c *comparer) differ(path string, what Aspect, a, b any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.diffs) < c.opts.Max {
		c.diffs = append(c.diffs, Diff{Path: path, Aspect: what, A: fmt.Sprint(a), B: fmt.Sprint(b)})
	}
}

// enough says whether the walk should end.
func (c *comparer) enough() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil || len(c.diffs) >= c.opts.Max {
		return errEnough
	}
	return nil
}

// roots compares the two arguments themselves.
func (c *comparer) roots(a, b string) error {
	sa, err := lstatAt(unix.AT_FDCWD, a)
	if err != nil {
		return err
	}
	sb, err := lstatAt(unix.AT_FDCWD, b)
	if err != nil {
		return err
	}
	return c.entry(place{unix.AT_FDCWD, a, sa}, place{unix.AT_FDCWD, b, sb}, ".")
}

// place is one side of an entry: a name in an open directory.
type place struct {
	dirfd int
	name  string
	st    unix.Stat_t
}

// kind names what the entry is.
func (p place) kind() string {
	switch p.st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return "file"
	case unix.S_IFDIR:
		return "directory"
	case unix.S_IFLNK:
		return "symlink"
	case unix.S_IFIFO:
		return "fifo"
	case unix.S_IFSOCK:
		return "socket"
	default:
		return "device"
	}
}

// mtime is the modification time as text that sorts and compares.
func (p place) mtime() string { return fmt.Sprintf("%d.%09d", p.st.Mtim.Sec, p.st.Mtim.Nsec) }

// entry compares one name that both sides have.
func (c *comparer) entry(a, b place, path string) error {
	if a.kind() != b.kind() {
		c.differ(path, Kind, a.kind(), b.kind())
		return nil
	}
	later := c.opts.Growing != nil && a.kind() == "directory"
	if !later && (path != "." || !c.opts.SkipRoot) {
		c.meta(a, b, path)
	}
	switch a.kind() {
	case "directory":
		return c.directory(a, b, path)
	case "symlink":
		return c.symlink(a, b, path)
	case "file":
		return c.file(a, b, path)
	}
	return nil
}

// meta compares what lstat tells of every kind of entry.
func (c *comparer) meta(a, b place, path string) {
	mask := uint32(0o777)
	if c.opts.Special {
		mask = 0o7777
	}
	ma, mb := uint32(a.st.Mode)&mask, uint32(b.st.Mode)&mask
	if ma != mb && !c.opts.AnyModes && a.kind() != "symlink" { // a symlink's mode means nothing: symlink(7)
		c.differ(path, Mode, fmt.Sprintf("%04o", ma), fmt.Sprintf("%04o", mb))
	}
	if a.mtime() != b.mtime() && !c.opts.AnyTimes {
		c.differ(path, Mtime, a.mtime(), b.mtime())
	}
	oa, ob := fmt.Sprintf("%d:%d", a.st.Uid, a.st.Gid), fmt.Sprintf("%d:%d", b.st.Uid, b.st.Gid)
	if c.opts.Owners && oa != ob {
		c.differ(path, Owner, oa, ob)
	}
}

// symlink compares the texts.
func (c *comparer) symlink(a, b place, path string) error {
	ta, err := readlinkAt(a.dirfd, a.name)
	if err != nil {
		return fmt.Errorf("first tree, %q: %w", path, err)
	}
	tb, err := readlinkAt(b.dirfd, b.name)
	if err != nil {
		return fmt.Errorf("second tree, %q: %w", path, err)
	}
	if ta != tb {
		c.differ(path, Link, fmt.Sprintf("%.100q", ta), fmt.Sprintf("%.100q", tb))
	}
	return nil
}

// join is path/name, with the root's own "." left out.
func join(path, name string) string {
	return strings.TrimPrefix(path+"/"+name, "./")
}
