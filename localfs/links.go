package localfs

import (
	"errors"

	"github.com/hashicorp/go-hclog"
)

// maxLinks: hard-link groups kept in memory. At some 75 bytes each, measured
// with the map full, that is 20 MiB; what comes beyond goes to a file.
const maxLinks = 1 << 18

// linkTable numbers the inodes that have several names, and forgets each when
// its last name was met. Not safe for several goroutines at once.
type linkTable struct {
	max    int
	log    hclog.Logger
	last   uint64 // number given last
	mem    map[FileID]linkRecord
	spill  *spill
	broken error // the spill failed: no new groups
}

// linkRecord is what is known of one inode.
type linkRecord struct {
	number uint64
	left   uint64 // names not met yet
}

// linkGroup is what one meeting tells.
type linkGroup struct {
	number      uint64
	first, last bool
}

func newLinkTable(limit int, log hclog.Logger) *linkTable {
	return &linkTable{max: limit, log: log, mem: map[FileID]linkRecord{}}
}

// meet counts one name of an inode that has nlink names in all.
func (t *linkTable) meet(id FileID, nlink uint64) (linkGroup, error) {
	if r, ok := t.mem[id]; ok {
		r.left--
		if r.left == 0 {
			delete(t.mem, id)
		} else {
			t.mem[id] = r
		}
		return linkGroup{number: r.number, last: r.left == 0}, nil
	}
	if t.broken != nil {
		return linkGroup{}, t.broken
	}
	if t.spill != nil {
		r, ok, err := t.spill.take(id)
		if err != nil || ok {
			return linkGroup{number: r.number, last: r.left == 0}, t.check(err)
		}
	}
	r := linkRecord{number: t.last + 1, left: nlink - 1}
	if err := t.add(id, r); err != nil {
		return linkGroup{}, t.check(err)
	}
	t.last++
	return linkGroup{number: r.number, first: true}, nil
}

func (t *linkTable) add(id FileID, r linkRecord) (err error) {
	if len(t.mem) < t.max {
		t.mem[id] = r
		return nil
	}
	if t.spill == nil {
		t.log.Debug("hard links beyond the limit of memory go to a file", "groups", t.max)
		if t.spill, err = newSpill(firstSpillPages); err != nil {
			return err
		}
	}
	return t.spill.put(id, r)
}

// check keeps the first failure of the spill: its records can't be trusted any more.
func (t *linkTable) check(err error) error {
	if err != nil {
		t.broken = errors.Join(errSpill, err)
	}
	return err
}

var errSpill = errors.New("table of hard links")

func (t *linkTable) close() error {
	if t.spill == nil {
		return nil
	}
	return t.spill.close()
}
