package localfs

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"
)

// Source walks and reads the files and trees named by its arguments. Next is
// for one goroutine, the other methods are for any.
type Source struct {
	o     SourceOptions
	h     *handles
	below string // of a source below a root: the root's path
	tops  []top
	links *linkTable
	ids   *idNames

	preferDirect atomic.Bool

	// Of Next:
	left   []top   // arguments not walked yet
	stack  []frame // directories being walked, the innermost last
	lastID uint64
	dev    uint64   // file system of the argument
	buf    []byte   // getdents(2)
	xattrs []byte   // one entry's, nil if never asked for
	pseudo pseudoFS // of the device met last
}

// top is an argument and where it lies.
type top struct {
	Top
	node   *dirNode // holds the entry; with Contents: is the directory
	follow bool     // a link here is what it points to
	id     FileID
}

// OpenSource looks at every argument. Those that can't be had are told to
// o.Problem and left out; if none is left, that is the error. "dir/" is "dir",
// "link/" is the directory the link points to; ".", "..", "/" and what ends in
// "/." or "/.." stands for its contents.
func OpenSource(args []string, o SourceOptions) (*Source, error) {
	return openSource(args, o, maxHandles, maxLinks)
}

func openSource(args []string, o SourceOptions, handleLimit, linkLimit int) (*Source, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	s := newSource(o, handleLimit, linkLimit)
	parents := map[string]*dirNode{}
	return s, s.gather(args, func(arg string) ([]top, error) {
		t, err := s.look(arg, parents)
		return []top{t}, err
	})
}

// check says whether this system has what is asked for.
func (o *SourceOptions) check() error {
	if !keepsMore && (o.Xattrs || o.ACLs) {
		return usagef("extended attributes and ACLs are kept from Linux to Linux only: leave -X and -A out")
	}
	if !readsDirect && (o.Direct == DirectCold || o.Direct == DirectAlways) {
		return usagef("files are read without the page cache (O_DIRECT) on Linux only: leave --direct out")
	}
	return nil
}

func newSource(o SourceOptions, handleLimit, linkLimit int) *Source {
	if o.Problem == nil {
		o.Problem = func(string, error) {}
	}
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	return &Source{
		o: o, h: newHandles(handleLimit), links: newLinkTable(linkLimit, o.Logger),
		ids: newIDNames(), buf: make([]byte, direntBuf),
	}
}

// gather has look find the tops of every argument. On error the source is closed.
func (s *Source) gather(args []string, look func(arg string) ([]top, error)) error {
	var failed []string
	var errs []error
	for _, arg := range args {
		tops, err := look(arg)
		if err != nil {
			failed, errs = append(failed, arg), append(errs, err)
			continue
		}
		s.tops = append(s.tops, tops...)
	}
	if len(s.tops) == 0 {
		for i, err := range errs {
			errs[i] = fmt.Errorf("source %s: %w", failed[i], err)
		}
		return errors.Join(append(errs, s.Close())...)
	}
	for i, err := range errs {
		s.o.Problem(failed[i], err)
	}
	s.left = s.tops
	return nil
}

// look finds out what an argument is. Arguments in one directory share its node.
func (s *Source) look(arg string, parents map[string]*dirNode) (top, error) {
	flags := 0
	if !s.o.Follow {
		flags = unix.AT_SYMLINK_NOFOLLOW
	}
	var st unix.Stat_t
	// With a slash at its end the kernel takes a link for what it points to.
	if err := fstatat(unix.AT_FDCWD, arg, &st, flags); err != nil {
		return top{}, err
	}
	kind, err := kindOf(&st)
	if err != nil {
		return top{}, err
	}
	dir, name := splitArg(arg)
	if reserved(name) {
		return top{}, errLeftOver
	}
	t := top{
		Top:    Top{Name: name, Kind: kind, Arg: arg, Contents: name == ""},
		follow: s.o.Follow || strings.HasSuffix(arg, "/"), id: fileID(&st),
	}
	if t.Contents {
		t.node = newRootNode(arg, dir, unix.O_RDONLY)
		return t, nil
	}
	t.node = parents[dir]
	if t.node == nil {
		path := dir
		if path == "" {
			path = "."
		}
		t.node = newRootNode(path, dir, pathOnly)
		parents[dir] = t.node
	}
	return t, nil
}

// splitArg parts an argument into a directory, "" for the current one, and a
// name in it; without a name the argument stands for the directory's contents.
func splitArg(arg string) (dir, name string) {
	path := strings.TrimRight(arg, "/")
	if path == "" {
		return "/", ""
	}
	slash := strings.LastIndexByte(path, '/')
	name = path[slash+1:]
	if name == "." || name == ".." {
		return path, ""
	}
	dir = strings.TrimRight(path[:slash+1], "/")
	if dir == "" && slash >= 0 {
		dir = "/"
	}
	return dir, name
}

// Tops lists the arguments that were found, in order.
func (s *Source) Tops() []Top {
	list := make([]Top, len(s.tops))
	for i, t := range s.tops {
		list[i] = t.Top
	}
	return list
}

// Together says what arguments are as the entries of one transfer: how many have a name of
// their own, and whether there is one that stands for its contents. Two of the same name
// would end as one: that Is ErrUsage.
func Together(tops []Top) (n int, contents bool, err error) {
	seen := map[string]string{}
	for _, t := range tops {
		if t.Contents {
			contents = true
			continue
		}
		n++
		if other, ok := seen[t.Name]; ok {
			return n, contents, usagef("%s and %s would both become %s", other, t.Arg, t.Name)
		}
		seen[t.Name] = t.Arg
	}
	return n, contents, nil
}

// Path is an entry's name for people: the argument as typed, and what is below.
func (s *Source) Path(e *Entry) string {
	if e.dir == nil {
		return e.Name
	}
	return joinPath(e.dir.Path(), e.Name)
}

// Below is an entry's path from what holds the argument on, or from the argument on, where
// that stands for its contents.
func (s *Source) Below(e *Entry) string {
	if e.dir == nil {
		return e.Name
	}
	return e.dir.below(e.Name)
}

// Identity names this host's current boot and the directories among the
// arguments, so that a receiver on this host can see its target in one of them.
func (s *Source) Identity() (bootID []byte, dirs []FileID) {
	for _, t := range s.tops {
		if t.Kind == KindDir && !slices.Contains(dirs, t.id) {
			dirs = append(dirs, t.id)
		}
	}
	return BootID(), dirs
}

// Close frees what the source holds. Files that Open gave out stay open.
func (s *Source) Close() error {
	s.h.closeAll()
	return s.links.close()
}

func fileID(st *unix.Stat_t) FileID { return FileID{Dev: devOf(st), Ino: st.Ino} }

func kindOf(st *unix.Stat_t) (Kind, error) {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return KindFile, nil
	case unix.S_IFDIR:
		return KindDir, nil
	case unix.S_IFLNK:
		return KindSymlink, nil
	case unix.S_IFIFO:
		return 0, fmt.Errorf("%w: fifo", ErrSpecial)
	case unix.S_IFSOCK:
		return 0, fmt.Errorf("%w: socket", ErrSpecial)
	case unix.S_IFCHR:
		return 0, fmt.Errorf("%w: character device", ErrSpecial)
	case unix.S_IFBLK:
		return 0, fmt.Errorf("%w: block device", ErrSpecial)
	}
	return 0, fmt.Errorf("%w: unknown kind of file", ErrSpecial)
}
