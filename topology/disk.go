package topology

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Disk is a device that a file system stands on.
type Disk struct {
	Name string // as /dev has it
	Place
}

// maxDisks bounds what one file system is looked up through, layers and members.
const maxDisks = 1024

// Disks are what the block device with these numbers (stat(2), st_dev) stands on in the end,
// sorted: through partitions, md, dm and NVMe multipath. A file system without a block device
// (tmpfs, NFS, btrfs) has none: the error Is ErrUnknown.
func (h Host) Disks(major, minor uint32) ([]Disk, error) {
	name := fmt.Sprintf("dev/block/%d:%d", major, minor)
	at, err := h.resolve(name)
	if err != nil {
		return nil, err
	}
	var all []Disk
	for todo, seen := []string{at}, map[string]bool{}; len(todo) > 0 && len(seen) < maxDisks; {
		at, todo = todo[0], todo[1:]
		if seen[at] {
			continue
		}
		seen[at] = true
		if below := h.below(at); len(below) > 0 {
			todo = append(todo, below...)
			continue
		}
		p, err := h.place(at)
		if err != nil {
			return nil, err
		}
		all = append(all, Disk{path.Base(at), p})
	}
	slices.SortFunc(all, func(a, b Disk) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// below is what a block device stands on; nothing: it is a disk.
func (h Host) below(at string) []string {
	if h.text(path.Join(at, "partition")) != "" {
		return []string{path.Dir(at)}
	}
	list := h.links(path.Join(at, "slaves"))
	// A multipath namespace lies beside links to the controllers that reach it.
	if over := path.Dir(at); len(list) == 0 && strings.Contains(over, "virtual/nvme-subsystem/") {
		for _, l := range h.links(over) {
			if strings.Contains(l, "/pci") {
				list = append(list, l)
			}
		}
	}
	return list
}

// links are where the symbolic links in a directory lead to.
func (h Host) links(dir string) (list []string) {
	entries, err := fs.ReadDir(h.sys, dir)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if e.Type()&fs.ModeSymlink == 0 {
			continue
		}
		if to, err := h.resolve(path.Join(dir, e.Name())); err == nil {
			list = append(list, to)
		}
	}
	return list
}
