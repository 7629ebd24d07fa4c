package engine

import (
	"errors"
	"fmt"

	"scp_rdma/localfs"
	"scp_rdma/wire"
)

// inDir is a directory of the target whose children are still coming.
type inDir struct {
	id      uint64
	name    string // as the sender has it
	target  string // as it is named here
	parent  *inDir
	dir     *localfs.Dir
	length  int // of its path below the target, bytes
	meta    localfs.Meta
	pending int                 // children without an end
	ended   bool                // no more children will be announced
	failed  bool                // could not be made: its children can't either
	names   map[string]struct{} // of its children, to delete the others
	passed  bool                // is not there, and only what is there is wanted: so with its children
}

// pathOf is the length of a child's path below the target.
func (d *inDir) pathOf(name string) int {
	if d.length == 0 {
		return len(name)
	}
	return d.length + 1 + len(name)
}

// maxOpenDirs bounds directories that are open at once: the window's worth and
// the depth of a tree. A path of 4096 bytes has 2048 levels at most.
func maxOpenDirs(window int) int { return window + 8192 }

// admit works on one announced entry. An answer without action means that the
// answer comes later, or never (the end of a directory).
func (r *receiver) admit(e *wire.Entry) (wire.Answer, error) {
	if e.Kind == wire.KindDirEnd {
		return wire.Answer{}, r.endDir(e.ID)
	}
	if r.fetch != nil {
		if err := r.fetch.announced(e); err != nil {
			return wire.Answer{}, err
		}
	}
	r.found.add(e)
	r.mu.Lock()
	parent := r.dirs[e.Parent]
	err := r.mayAdmit(e, parent)
	if err == nil && parent != nil {
		parent.pending++
		r.announcedIn(parent, e)
	}
	r.mu.Unlock()
	if err != nil {
		return wire.Answer{}, err
	}
	if e.Replaces != 0 {
		r.replace(e.Replaces)
	}
	if parent == nil {
		r.totals.failed.Add(1)
		return failed(e.ID, fmt.Errorf("%q: its directory is finished already", e.Name)), nil
	}
	if r.fetch != nil && r.fetch.seen != nil {
		r.fetch.seen(parent.path(string(e.Name)), entryOf(e))
	}
	switch {
	case parent.passed:
		return r.passOver(e, parent), nil
	case parent.failed:
		r.totals.failed.Add(1)
		if e.Kind != wire.KindDir {
			r.childEnded(parent)
			return wire.Answer{ID: e.ID, Action: wire.ActionParent}, nil
		}
		r.addDir(&inDir{id: e.ID, parent: parent, failed: true})
		return wire.Answer{ID: e.ID, Action: wire.ActionParent}, nil
	}
	name := r.nameOf(e)
	if n := parent.pathOf(name); n > r.limits.Path {
		return r.tooLong(e, parent, fmt.Errorf("%q: a path of %d bytes, this server takes %d (--max-path)", name, n, r.limits.Path)), nil
	}
	if r.passedOver(e, parent, name) {
		return r.passOver(e, parent), nil
	}
	switch e.Kind {
	case wire.KindDir:
		return r.admitDir(e, parent, name), nil
	case wire.KindSymlink:
		return r.admitSymlink(e, parent, name), nil
	case wire.KindFile, wire.KindDirEnd: // the end of a directory came no further than the first line
	}
	return r.admitFile(e, parent, name), nil
}

// tooLong fails an entry, and all that is in it.
func (r *receiver) tooLong(e *wire.Entry, parent *inDir, err error) wire.Answer {
	r.totals.failed.Add(1)
	if e.Kind == wire.KindDir {
		r.addDir(&inDir{id: e.ID, parent: parent, failed: true})
	} else {
		r.childEnded(parent)
	}
	return failed(e.ID, err)
}

// mayAdmit checks an entry against what is open. r.mu is held.
func (r *receiver) mayAdmit(e *wire.Entry, parent *inDir) error {
	_, isFile := r.files[e.ID]
	_, isDir := r.dirs[e.ID]
	switch {
	case isFile || isDir:
		return fmt.Errorf("entry %d announced twice: %w", e.ID, ErrProtocol)
	case len(r.files) > r.limits.Window+outboxBatch:
		return fmt.Errorf("%d files open, %d allowed: %w", len(r.files), r.limits.Window, ErrProtocol)
	case len(r.dirs) > maxOpenDirs(r.limits.Window):
		return fmt.Errorf("%d directories open at once: %w", len(r.dirs), ErrProtocol)
	case parent == nil && e.Replaces == 0:
		return fmt.Errorf("entry %d in unknown directory %d: %w", e.ID, e.Parent, ErrProtocol)
	case e.Replaces != 0 && e.Kind != wire.KindFile:
		return fmt.Errorf("entry %d of kind %d replaces another: %w", e.ID, e.Kind, ErrProtocol)
	}
	if e.Parent == 0 && r.base.Name != "" && e.Replaces == 0 {
		if r.tops == 0 {
			return fmt.Errorf("more top entries than announced: %w", ErrProtocol)
		}
		r.tops--
	}
	return nil
}

// nameOf is the name an entry gets: the single top entry may have got a new one.
func (r *receiver) nameOf(e *wire.Entry) string {
	if e.Parent == 0 && r.base.Name != "" {
		return r.base.Name
	}
	return string(e.Name)
}

func failed(id uint64, err error) wire.Answer {
	return wire.Answer{ID: id, Action: wire.ActionFailed, Text: clip(err.Error())}
}

func (r *receiver) addDir(d *inDir) {
	r.mu.Lock()
	r.dirs[d.id] = d
	r.mu.Unlock()
}

func (r *receiver) admitDir(e *wire.Entry, parent *inDir, name string) wire.Answer {
	d := &inDir{id: e.ID, name: string(e.Name), target: name, parent: parent, meta: metaOf(e), length: parent.pathOf(name)}
	dir, err := r.sink.Mkdir(parent.dir, name)
	d.dir, d.failed = dir, err != nil
	r.addDir(d)
	if err != nil {
		r.stopIfFatal(err)
		r.totals.failed.Add(1)
		return failed(e.ID, err)
	}
	r.totals.dirs.Add(1)
	if parent.id == 0 {
		r.markTop(dir)
	}
	return wire.Answer{ID: e.ID, Action: wire.ActionDone}
}

func (r *receiver) admitSymlink(e *wire.Entry, parent *inDir, name string) wire.Answer {
	err := r.sink.Symlink(parent.dir, name, string(e.Link), metaOf(e))
	r.childEnded(parent)
	if err != nil {
		r.stopIfFatal(err)
		r.totals.failed.Add(1)
		return failed(e.ID, err)
	}
	r.totals.symlinks.Add(1)
	return wire.Answer{ID: e.ID, Action: wire.ActionDone}
}

// endDir: no more children will be announced.
func (r *receiver) endDir(id uint64) error {
	r.mu.Lock()
	d := r.dirs[id]
	if d == nil || d.ended || id == 0 {
		r.mu.Unlock()
		return fmt.Errorf("end of directory %d, which is not open: %w", id, ErrProtocol)
	}
	d.ended = true
	d.pending++ // so that childEnded finishes it if nothing else is pending
	r.mu.Unlock()
	r.childEnded(d)
	return nil
}

// childEnded counts one child down, and finishes every directory whose last
// child that was.
func (r *receiver) childEnded(d *inDir) {
	for d != nil {
		r.mu.Lock()
		d.pending--
		over := d.ended && d.pending == 0
		if over {
			delete(r.dirs, d.id)
		}
		r.mu.Unlock()
		if !over {
			return
		}
		if !d.failed && !d.passed {
			r.doom(d)
			r.finishDir(d)
		}
		d = d.parent
	}
}

// maxProblems bounds what the summary says of directories.
const maxProblems = 100

func (r *receiver) finishDir(d *inDir) {
	err := r.sink.FinishDir(d.dir, d.meta)
	if err == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.problems) < maxProblems {
		r.problems = append(r.problems, clip(err.Error()))
	}
}

// stopIfFatal ends the session on errors that every further file would meet too.
func (r *receiver) stopIfFatal(err error) {
	if localfs.Fatal(err) || errors.Is(err, ErrProtocol) {
		r.crew.cancel(err)
	}
}
