package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"scp_rdma/filter"
	"scp_rdma/localfs"
	"scp_rdma/wire"
)

// maxDoomed bounds what is noted to be deleted: names in directories that the sender has,
// however much is in them.
const maxDoomed = 1_000_000

// deleting is what a receiver deletes once all has arrived: what the sender does not have.
type deleting struct {
	rules  filter.Rules // what they leave out is nobody's to delete
	backup string       // nor what has this behind its name; "": nothing has
	left   int64        // entries that may go
	base   bool         // the target itself is one of the directories
	doomed []doomed     // under receiver.mu, and so are
	count  int
	errs   []error
	gone   uint64
}

// doomed is a directory with the names in it that the sender does not have.
type doomed struct {
	at    []string // below the target
	rel   string   // as rules know it
	id    localfs.FileID
	meta  localfs.Meta
	names []localfs.Listed
}

// maxDelete is for those who set no limit.
const maxDelete = 1 << 62

// newDeleting is what an Open asks for; nil: nothing is deleted.
func newDeleting(o *wire.Open) (*deleting, error) {
	if !o.Delete {
		return nil, nil
	}
	del := &deleting{left: maxDelete, base: o.Contents, backup: string(o.Backup)}
	if o.MaxDelete > 0 {
		del.left = o.MaxDelete - 1
	}
	for _, line := range o.Filter {
		if err := del.rules.Parse(string(line)); err != nil {
			return nil, fmt.Errorf("filter: %w: %w", localfs.ErrUsage, err)
		}
	}
	return del, nil
}

// stays says whether a path is not to be deleted, whoever has it.
func (del *deleting) stays(path string, dir bool) bool {
	return del.backup != "" && strings.HasSuffix(path, del.backup) || del.rules.Excluded(path, dir)
}

// announcedIn notes that the sender has a name in a directory. r.mu is held.
func (r *receiver) announcedIn(parent *inDir, e *wire.Entry) {
	if r.del == nil || parent == nil {
		return
	}
	if parent.names == nil {
		parent.names = map[string]struct{}{}
	}
	parent.names[r.nameOf(e)] = struct{}{}
}

// doom notes what of a directory, whose children are all there, the sender does not have.
func (r *receiver) doom(d *inDir) {
	if r.del == nil || d.dir == nil || d.failed || d.passed || d.dir.Made() {
		return
	}
	list, err := r.sink.List(d.dir)
	var id localfs.FileID
	if err == nil {
		id, err = r.sink.DirID(d.dir)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.del.errs = append(r.del.errs, err)
	}
	var names []localfs.Listed
	for _, l := range list {
		if _, ok := d.names[l.Name]; ok || r.del.stays(d.path(l.Name), l.Dir) {
			continue
		}
		names = append(names, l)
	}
	d.names = nil
	if len(names) == 0 {
		return
	}
	if r.del.count += len(names); r.del.count > maxDoomed {
		r.del.errs = append(r.del.errs, fmt.Errorf("more than %d names that the sender does not have", maxDoomed))
		return
	}
	one := doomed{rel: d.path(""), id: id, meta: d.meta, names: names}
	for up := d; up.id != 0; up = up.parent {
		one.at = append(one.at, up.target)
	}
	slices.Reverse(one.at)
	r.del.doomed = append(r.del.doomed, one)
}

// path is what filter rules know a child by: from where the arguments of the sender lie on.
func (d *inDir) path(name string) string {
	for ; d != nil && d.id != 0; d = d.parent {
		name = d.name + "/" + name
	}
	return name
}

// deleteRest deletes what the sender does not have, if all it has is there. What could not
// go is told with the problems.
func (r *receiver) deleteRest(clean bool) {
	if r.del == nil {
		return
	}
	if r.del.base {
		r.doom(r.dirs[0])
	}
	if !clean || r.totals.failed.Load() > 0 || len(r.problems) > 0 {
		if r.del.count > 0 {
			r.notDeleted(errors.New("nothing was deleted, because not everything could be copied"))
		}
		return
	}
	for _, err := range r.del.errs {
		r.notDeleted(err)
	}
	enough := false
	for i := range r.del.doomed {
		full, err := r.deleteIn(&r.del.doomed[i])
		enough = enough || full
		if err != nil {
			r.notDeleted(err)
		}
	}
	if enough {
		r.notDeleted(fmt.Errorf("not all was deleted: %w (--max-delete)", localfs.ErrEnough))
	}
}

// deleteIn deletes in one directory. enough: there was more than may go.
func (r *receiver) deleteIn(one *doomed) (enough bool, err error) {
	base := r.dirs[0].dir
	d := base
	if len(one.at) > 0 {
		if d, err = r.sink.Reopen(base, one.at, one.id); err != nil {
			return false, err
		}
	}
	var errs []error
	for _, l := range one.names {
		rm := localfs.Removal{Left: r.del.left, Keep: func(path string, dir bool) bool { return r.del.stays(one.rel+path, dir) }}
		err := r.sink.Remove(d, l.Name, &rm)
		r.del.gone += rm.Gone
		r.del.left = rm.Left
		switch {
		case errors.Is(err, localfs.ErrEnough):
			enough = true
		case err != nil:
			errs = append(errs, err)
		}
	}
	if d != base { // its time, and perhaps its mode, have changed
		errs = append(errs, r.sink.FinishDir(d, one.meta))
	}
	return enough, errors.Join(errs...)
}

func (r *receiver) notDeleted(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.problems) < maxProblems {
		r.problems = append(r.problems, clip(err.Error()))
	}
}
