package localfs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
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
	tops  []top
	links *linkTable
	ids   *idNames

	preferDirect atomic.Bool

	// Of Next:
	left   []top   // arguments not walked yet
	stack  []frame // directories being walked, the innermost last
	lastID uint64
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
	if o.Problem == nil {
		o.Problem = func(string, error) {}
	}
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	s := &Source{
		o: o, h: newHandles(handleLimit), links: newLinkTable(linkLimit, o.Logger),
		ids: newIDNames(), buf: make([]byte, direntBuf),
	}
	var failed []string
	var errs []error
	parents := map[string]*dirNode{}
	for _, arg := range args {
		t, err := s.look(arg, parents)
		if err != nil {
			failed, errs = append(failed, arg), append(errs, err)
			continue
		}
		s.tops = append(s.tops, t)
	}
	if len(s.tops) == 0 {
		for i, err := range errs {
			errs[i] = fmt.Errorf("source %s: %w", failed[i], err)
		}
		return nil, errors.Join(append(errs, s.Close())...)
	}
	for i, err := range errs {
		o.Problem(failed[i], err)
	}
	s.left = s.tops
	return s, nil
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
		t.node = newRootNode(path, dir, unix.O_PATH)
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

// Path is an entry's name for people: the argument as typed, and what is below.
func (s *Source) Path(e *Entry) string {
	if e.dir == nil {
		return e.Name
	}
	return joinPath(e.dir.Path(), e.Name)
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

// BootID tells this boot of this kernel from all others (random(4)); nil if
// the system does not say. Inode numbers compare only where it is equal.
func BootID() []byte {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return nil
	}
	return bytes.TrimSpace(id)
}

// Close frees what the source holds. Files that Open gave out stay open.
func (s *Source) Close() error {
	s.h.closeAll()
	return s.links.close()
}

func fileID(st *unix.Stat_t) FileID { return FileID{Dev: st.Dev, Ino: st.Ino} }

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
