package localfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// maxMatches is how many names patterns may stand for, and how many directories may be
// read for them: what a client asks for costs a server no more than its walk.
const maxMatches = 100_000

// SourceAt is OpenSource of what lies below dir of the root, as a client asks for it. Paths
// are relative to dir, whatever they begin with; ".." is an ErrUsage, and symbolic links on
// the way are followed as long as they stay below the root. A name that is not there and has
// one of *?[ in it is a pattern (path.Match), which does not match names that begin with a
// dot unless it does so itself.
func (r *Root) SourceAt(dir string, paths []string, o SourceOptions) (*Source, error) {
	if o.Follow {
		return nil, usagef("what lies on a server is fetched as it is, symlinks as symlinks")
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	below := r
	if dir != "" {
		fd, err := r.openBeneath(dir)
		if err != nil {
			return nil, fmt.Errorf("source %s: %w", dir, err)
		}
		below = r.at(fd, dir)
		defer closeQuietly(fd)
	}
	s := newSource(o, maxHandles, maxLinks)
	s.below = below.path
	of := offer{root: below, s: s, dirs: map[string]*dirNode{}}
	if err := of.begin(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.gather(paths, of.look); err != nil {
		return nil, err
	}
	return s, nil
}

// offer finds the tops of a source below a root.
type offer struct {
	root  *Root
	s     *Source
	top   *dirNode
	dirs  map[string]*dirNode // by their path below the root, without links
	spent int                 // of maxMatches
}

// begin holds the root for as long as the source is there.
func (of *offer) begin() error {
	of.top = newRootNode(".", of.shown(), pathOnly)
	of.top.holds = true
	return of.adopt(of.top)
}

// shown begins what people see: below a server's directory paths are relative.
func (of *offer) shown() string {
	if of.root.host {
		return "/"
	}
	return ""
}

func (of *offer) adopt(n *dirNode) error {
	fd, err := openat(of.root.fd, ".", n.flags|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	return of.s.h.adopt(n, fd)
}

// look finds what a path stands for.
func (of *offer) look(asked string) ([]top, error) {
	if of.s.o.Typed != nil {
		asked = of.s.o.Typed(asked)
	}
	names, err := splitTarget(asked)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 || strings.HasSuffix(asked, "/.") {
		t, err := of.contents(names, asked)
		return []top{t}, err
	}
	found, err := of.expand(".", names)
	if err != nil {
		return nil, err
	}
	var tops []top
	for _, name := range found {
		t, err := of.entry(name, strings.HasSuffix(asked, "/"))
		if err != nil {
			return nil, err
		}
		tops = append(tops, t)
	}
	return tops, nil
}

// contents is the top for all that is in a directory.
func (of *offer) contents(names []string, asked string) (top, error) {
	n, err := of.dir(targetPath(names))
	if err != nil {
		return top{}, err
	}
	t := top{Top: Top{Kind: KindDir, Arg: asked, Contents: true}}
	if n == of.top {
		t.node = newRootNode(".", of.shown(), unix.O_RDONLY)
		err = of.adopt(t.node)
	} else {
		t.node = newNode(n.parent, n.name, unix.O_RDONLY|unix.O_NOFOLLOW)
		if _, err = of.s.h.acquire(t.node); err == nil {
			defer of.s.h.release(t.node)
		}
	}
	t.node.holds, t.id = true, of.s.h.identity(t.node)
	return t, err
}

// entry is the top for one name.
func (of *offer) entry(path string, asDir bool) (top, error) {
	dir, name := splitArg(path)
	if reserved(name) {
		return top{}, errLeftOver
	}
	n, err := of.dir(dir)
	if err != nil {
		return top{}, err
	}
	n.holds = true
	fd, err := of.s.h.acquire(n)
	if err != nil {
		return top{}, err
	}
	defer of.s.h.release(n)
	var st unix.Stat_t
	if err := fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return top{}, err
	}
	kind, err := kindOf(&st)
	switch {
	case err != nil:
		return top{}, err
	case asDir && kind == KindSymlink:
		return top{}, usagef("a symbolic link: name what it leads to, or leave the slash out")
	case asDir && kind != KindDir:
		return top{}, unix.ENOTDIR
	}
	return top{Top: Top{Name: name, Kind: kind, Arg: path}, node: n, id: fileID(&st)}, nil
}

// dir is the node of a directory. Its links are resolved here, below the root; from here on
// every name on the way is opened by itself, and none may be a link.
func (of *offer) dir(path string) (*dirNode, error) {
	if path == "" {
		path = "."
	}
	names, err := of.root.realBeneath(path)
	if err != nil {
		return nil, err
	}
	node := of.top
	for _, name := range names {
		node = of.child(node, name)
	}
	return node, nil
}

func (of *offer) child(n *dirNode, name string) *dirNode {
	at := joinPath(n.Path(), name)
	c := of.dirs[at]
	if c == nil {
		c = newNode(n, name, pathOnly|unix.O_NOFOLLOW)
		of.dirs[at] = c
	}
	return c
}

// expand lists what names stand for below dir, a path below the root.
func (of *offer) expand(dir string, names []string) ([]string, error) {
	fd, err := of.root.openBeneath(dir)
	if err != nil {
		return nil, err
	}
	defer closeQuietly(fd)
	name := names[0]
	var st unix.Stat_t
	err = fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	matches := []string{name}
	if errors.Is(err, fs.ErrNotExist) && strings.ContainsAny(name, `*?[`) {
		if matches, err = of.match(fd, name); err == nil && len(matches) == 0 {
			err = errNoMatch
		}
	}
	if err != nil {
		return nil, err
	}
	var all []string
	for _, m := range matches {
		at := m
		if dir != "." {
			at = joinPath(dir, m)
		}
		if len(names) == 1 {
			all = append(all, at)
			continue
		}
		below, err := of.expand(at, names[1:])
		// Of several some may have nothing that matches, or be no directories.
		if err != nil && (len(matches) == 1 || errors.Is(err, ErrUsage)) {
			return nil, err
		}
		all = append(all, below...)
	}
	if len(all) == 0 {
		return nil, errNoMatch
	}
	return all, nil
}

var errNoMatch = fmt.Errorf("nothing matches: %w", fs.ErrNotExist)

// match lists the names in a directory that a pattern matches, in order.
func (of *offer) match(dir int, pattern string) ([]string, error) {
	fd, err := openat(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "directory")
	defer func() { _ = f.Close() }() // only read from
	var list []string
	for {
		names, err := f.Readdirnames(1024)
		for _, n := range names {
			if Matches(pattern, n) && !reserved(n) {
				list = append(list, n)
			}
		}
		if of.spent += 1; len(list)+of.spent > maxMatches {
			return nil, usagef("a pattern that stands for more than %d names", maxMatches)
		}
		if errors.Is(err, io.EOF) {
			of.spent += len(list)
			slices.Sort(list)
			return list, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// Matches says whether a name is what was asked for: the very name, or one that it is a
// pattern for.
func Matches(asked, name string) bool {
	if asked == name {
		return true
	}
	ok, err := path.Match(asked, name)
	return err == nil && ok && (!strings.HasPrefix(name, ".") || strings.HasPrefix(asked, "."))
}
