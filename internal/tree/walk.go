package tree

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// directory compares two directories that have the same name.
func (c *comparer) directory(a, b place, path string) error {
	if err := c.enough(); err != nil {
		return err
	}
	fa, err := openAt(a.dirfd, a.name, dirFlags, 0)
	if err != nil {
		return fmt.Errorf("first tree, %q: %w", path, err)
	}
	defer unix.Close(fa) //nolint:errcheck // read only: nothing can be lost
	fb, err := openAt(b.dirfd, b.name, dirFlags, 0)
	if err != nil {
		return fmt.Errorf("second tree, %q: %w", path, err)
	}
	defer unix.Close(fb) //nolint:errcheck // read only: nothing can be lost
	if c.opts.Growing == nil {
		if err := c.xattrs(fa, fb, path); err != nil {
			return err
		}
	}
	names, err := c.common(fa, fb, path)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := c.child(fa, fb, name, join(path, name)); err != nil {
			return err
		}
	}
	return nil
}

// common lists the names that both directories have, and reports the others.
func (c *comparer) common(fa, fb int, path string) ([]string, error) {
	na, err := list(fa)
	if err != nil {
		return nil, fmt.Errorf("first tree, %q: %w", path, err)
	}
	nb, err := list(fb)
	if err != nil {
		return nil, fmt.Errorf("second tree, %q: %w", path, err)
	}
	slices.Sort(na)
	slices.Sort(nb)
	both := na[:0]
	for len(na) > 0 || len(nb) > 0 {
		switch {
		case len(nb) == 0 || len(na) > 0 && na[0] < nb[0]:
			if !c.opts.Growing.mayLack() {
				c.differ(join(path, na[0]), Missing, "", "")
			}
			na = na[1:]
		case len(na) == 0 || nb[0] < na[0]:
			if !c.opts.Growing.mayHave(nb[0]) {
				c.differ(join(path, nb[0]), Extra, "", "")
			}
			nb = nb[1:]
		default:
			both = append(both, na[0])
			na, nb = na[1:], nb[1:]
		}
	}
	return both, nil
}

// child compares one name of two open directories.
func (c *comparer) child(fa, fb int, name, path string) error {
	sa, err := lstatAt(fa, name)
	if err != nil {
		return fmt.Errorf("first tree, %q: %w", path, err)
	}
	sb, err := lstatAt(fb, name)
	if err != nil {
		return fmt.Errorf("second tree, %q: %w", path, err)
	}
	return c.entry(place{fa, name, sa}, place{fb, name, sb}, path)
}

// inode names a file of one tree.
type inode struct{ dev, ino uint64 }

// linkTable knows which inodes belong together as long as either has names
// that were not met yet.
type linkTable struct {
	byA, byB map[inode]*linkPair
}

// linkPair is an inode of either tree that had a name in common.
type linkPair struct {
	leftA, leftB uint64 // names not met yet
}

// newLinkTable makes an empty table.
func newLinkTable() *linkTable {
	return &linkTable{byA: map[inode]*linkPair{}, byB: map[inode]*linkPair{}}
}

// meet takes one more name that a and b have in common. It returns false if an
// earlier name paired either of them with another inode: then the names are
// not partitioned in the same way.
func (t *linkTable) meet(a, b unix.Stat_t) bool {
	if a.Nlink <= 1 && b.Nlink <= 1 {
		return true
	}
	ia, ib := inode{uint64(a.Dev), a.Ino}, inode{uint64(b.Dev), b.Ino}
	pa, pb := t.byA[ia], t.byB[ib]
	if pa != pb {
		return false
	}
	if pa == nil {
		pa = &linkPair{leftA: uint64(a.Nlink), leftB: uint64(b.Nlink)}
		t.byA[ia], t.byB[ib] = pa, pa
	}
	pa.leftA--
	pa.leftB--
	if pa.leftA == 0 && pa.leftB == 0 {
		delete(t.byA, ia)
		delete(t.byB, ib)
	}
	return true
}
