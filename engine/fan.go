package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"scp_rdma/localfs"
)

const (
	// MaxTargets of one run: each costs its slots.
	MaxTargets = 16
	// fanLead is how many entries a target may be ahead of the slowest, beyond what its own
	// window keeps of them: the same as that.
	fanLead = DefaultWindow
)

// Fan is one source for several transfers at once: it is walked once, and what they read of
// it, near to each other, is read once. The slowest paces the others; one that takes nothing
// for Patience is not waited for, and reads by itself what it has missed.
type Fan struct {
	// Patience is how long those are waited for who take nothing; NewFan sets what is usual.
	Patience time.Duration

	src  Source
	anew func() (Source, error) // the same once more, for a target that has to begin anew

	mu      sync.Mutex
	changed chan struct{} // closed, and another in its place, with each change
	views   []*View
	cache   *fanCache

	walked  []*localfs.Entry // those that not every view has had
	base    int              // the number of the first
	walking bool
	end     error              // of the walk
	settled map[uint64]viewSet // entries that have ended in some transfers, and not in all
}

// viewSet is a set of views, by number.
type viewSet uint32

// NewFan makes n views of a source. anew opens the same source once more. Close comes last.
func NewFan(src Source, n int, anew func() (Source, error)) (*Fan, error) {
	if n < 1 || n > MaxTargets {
		return nil, fmt.Errorf("%d targets, at most %d: %w", n, MaxTargets, localfs.ErrUsage)
	}
	c, err := newFanCache()
	if err != nil {
		return nil, err
	}
	f := &Fan{Patience: fanPatience, src: src, anew: anew, changed: make(chan struct{}), cache: c, settled: map[uint64]viewSet{}}
	for i := range n {
		f.views = append(f.views, &View{f: f, number: i, ctx: context.Background(), last: time.Now()})
	}
	return f, nil
}

// Views are the sources of the transfers.
func (f *Fan) Views() []*View { return f.views }

// Close frees what was kept. No view is used any more.
func (f *Fan) Close() error {
	f.cache.close()
	var err error
	for _, v := range f.views {
		if c, ok := v.own.(io.Closer); ok {
			err = errors.Join(err, c.Close())
		}
	}
	return err
}

// tell has all look again who wait. f.mu is held.
func (f *Fan) tell() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// wait waits for a change, which it says; false: d has passed, or ctx has ended. f.mu is held.
func (f *Fan) wait(ctx context.Context, d time.Duration) bool {
	changed := f.changed
	f.mu.Unlock()
	defer f.mu.Lock()
	var late <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		late = t.C
	}
	select {
	case <-changed:
		return true
	case <-late:
	case <-ctx.Done():
	}
	return false
}

// View is the Source of one transfer of a Fan.
type View struct {
	f      *Fan
	number int
	ctx    context.Context // of Next

	at   int  // entries that it has had
	left bool // it reads nothing of the others' any more
	own  Source

	behind  bool      // it has taken nothing for long
	waiting int       // workers that wait for room
	last    time.Time // when it read last
}

func (v *View) bit() viewSet { return 1 << v.number }

// source is where the view reads now.
func (v *View) source() Source {
	v.f.mu.Lock()
	defer v.f.mu.Unlock()
	if v.own != nil {
		return v.own
	}
	return v.f.src
}

// Bind has Next end with ctx.
func (v *View) Bind(ctx context.Context) {
	v.f.mu.Lock()
	defer v.f.mu.Unlock()
	v.ctx = ctx
}

// Next implements Source. It waits for a view that is too far behind.
func (v *View) Next() (*localfs.Entry, error) {
	f := v.f
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		switch {
		case v.own != nil:
			own := v.own
			f.mu.Unlock()
			e, err := own.Next()
			f.mu.Lock()
			return e, err
		case v.at < f.base+len(f.walked):
			e := f.walked[v.at-f.base]
			v.at++
			f.trim()
			return e, nil
		case f.end != nil:
			return nil, f.end
		case f.walking || len(f.walked) >= fanLead:
			if !f.wait(v.ctx, 0) {
				return nil, context.Cause(v.ctx)
			}
		default:
			f.walk()
		}
	}
}

// walk takes one more entry from the source. f.mu is held.
func (f *Fan) walk() {
	f.walking = true
	f.mu.Unlock()
	e, err := f.src.Next()
	f.mu.Lock()
	f.walking = false
	if err != nil {
		f.end = err
	} else {
		f.walked = append(f.walked, e)
	}
	f.tell()
}

// trim forgets the entries that all have had. f.mu is held.
func (f *Fan) trim() {
	least := f.base + len(f.walked)
	for _, v := range f.views {
		if !v.left {
			least = min(least, v.at)
		}
	}
	if n := least - f.base; n > 0 {
		clear(f.walked[:n])
		f.walked, f.base = f.walked[n:], least
		f.tell()
	}
}

// Leave says that the transfer is over: nobody waits for it.
func (v *View) Leave() {
	v.f.mu.Lock()
	defer v.f.mu.Unlock()
	v.leave()
}

func (v *View) leave() {
	v.left = true
	v.f.trim()
	for id := range v.f.settled {
		v.f.forget(id)
	}
	v.f.cache.unwant(v.bit())
	v.f.tell()
}

// Rewind implements Source. What is behind the others can't be walked with them: from now on
// the view has a source of its own.
func (v *View) Rewind() error {
	v.f.mu.Lock()
	own := v.own
	v.f.mu.Unlock()
	if own != nil {
		return own.Rewind()
	}
	own, err := v.f.anew()
	if err != nil {
		return err
	}
	v.f.mu.Lock()
	defer v.f.mu.Unlock()
	v.own = own
	v.leave()
	return nil
}

// Settled says that an entry has ended in this transfer: it is not read any more.
func (v *View) Settled(e *localfs.Entry) {
	f := v.f
	f.mu.Lock()
	defer f.mu.Unlock()
	if v.left || e.ID >= againBase || e.Kind != localfs.KindFile {
		return
	}
	f.settled[e.ID] |= v.bit()
	f.cache.ended(e.ID, v.bit())
	f.forget(e.ID)
	f.tell()
}

// forget forgets an entry that has ended everywhere. f.mu is held.
func (f *Fan) forget(id uint64) {
	if f.wanting(id) == 0 {
		delete(f.settled, id)
	}
}

// wanting are the views that may still read an entry. f.mu is held.
func (f *Fan) wanting(id uint64) viewSet {
	var set viewSet
	for _, v := range f.views {
		if !v.left && f.settled[id]&v.bit() == 0 {
			set |= v.bit()
		}
	}
	return set
}

// Restat implements Source, and so do those below.
func (v *View) Restat(e *localfs.Entry) (*localfs.Entry, error) { return v.source().Restat(e) }

// Path is the entry's name for people.
func (v *View) Path(e *localfs.Entry) string { return v.source().Path(e) }

// Identity lists the directories that are the sources.
func (v *View) Identity() (bootID []byte, dirs []localfs.FileID) { return v.f.src.Identity() }

// Name is the source's.
func (v *View) Name() []byte { return v.f.src.Name() }

// ReadFile reads a whole file, with the others if they want it.
func (v *View) ReadFile(e *localfs.Entry, p []byte) error {
	if !v.shares(e) || len(p) == 0 {
		return v.source().ReadFile(e, p)
	}
	if len(p) > fanBlock {
		file, err := v.Open(e)
		if err != nil {
			return err
		}
		return errors.Join(file.ReadAt(p, 0), file.Verify(), file.Close())
	}
	read := func(b []byte) error { return v.f.src.ReadFile(e, b) }
	return v.f.read(v, fanKey{e.ID, 0}, fanRead{size: len(p), into: p, load: read, direct: read})
}

// shares says whether an entry is one that the views have together: others may read it, or
// have, and what they have read is kept for this one.
func (v *View) shares(e *localfs.Entry) bool {
	v.f.mu.Lock()
	defer v.f.mu.Unlock()
	return !v.left && e.ID < againBase && (v.f.wanting(e.ID)&^v.bit() != 0 || len(v.f.cache.of[e.ID]) > 0)
}

// Open opens a file for reading ranges, with the others if they want it.
func (v *View) Open(e *localfs.Entry) (localfs.SourceFile, error) {
	file, err := v.source().Open(e)
	if err != nil || !v.shares(e) {
		return file, err
	}
	return viewFile{file, v, e}, nil
}

// viewFile is an open file of a view.
type viewFile struct {
	localfs.SourceFile
	v *View
	e *localfs.Entry
}

// ReadAt implements localfs.SourceFile, in blocks that the others read too.
func (f viewFile) ReadAt(p []byte, off int64) error {
	for len(p) > 0 {
		from := off / fanBlock * fanBlock
		n := min(fanBlock, f.e.Size-from)
		part := p[:min(int64(len(p)), from+n-off)]
		if len(part) == 0 {
			return f.SourceFile.ReadAt(p, off) // beyond the end: it knows what to say
		}
		err := f.v.f.read(f.v, fanKey{f.e.ID, from}, fanRead{
			size: int(n), skip: int(off - from), into: part,
			load:   func(b []byte) error { return f.SourceFile.ReadAt(b, from) },
			direct: func(b []byte) error { return f.SourceFile.ReadAt(b, off) },
		})
		if err != nil {
			return err
		}
		p, off = p[len(part):], off+int64(len(part))
	}
	return nil
}

// PreferDirect has large files read without the page cache, if the source can.
func (v *View) PreferDirect() {
	if d, ok := v.f.src.(directSource); ok {
		d.PreferDirect()
	}
}

// Below is the entry's path from what holds its argument on.
func (v *View) Below(e *localfs.Entry) string { return v.source().Below(e) }
