package engine

import (
	"context"
	"slices"
	"time"

	"scp_rdma/transport"
)

const (
	// fanBlock is what is read at once for all, bytes: a slot of the default size.
	fanBlock = DefaultSlotSize
	// fanBlocks is how many are kept until all have had them: with the slots of all targets
	// some 130 MiB.
	fanBlocks = 48
	// fanPatience is how long room is waited for before those who take nothing are left behind.
	fanPatience = 2 * time.Second
)

// fanKey names what was read for all: a block of a file, or a small file.
type fanKey struct {
	id  uint64
	off int64
}

// fanRead is what one view reads of it.
type fanRead struct {
	size, skip int // of the whole, and where in that begins
	into       []byte
	load       func(whole []byte) error
	direct     func(into []byte) error
}

// fanPiece is something that was read for all.
type fanPiece struct {
	key     fanKey
	at      *fanMem
	mem     []byte
	ready   bool
	err     error
	want    viewSet // who has not had all of it
	had     [MaxTargets]int
	users   int // who copy out of it
	touched time.Time
}

// fanMem is a block of memory, for one piece or for several small ones.
type fanMem struct {
	mem    []byte
	used   int
	pieces int
}

// fanCache is what was read and not all have had. It belongs to a Fan, under its lock.
type fanCache struct {
	slab   *transport.Slab
	free   []*fanMem
	pack   *fanMem // of small pieces; nil: a new one is needed
	pieces map[fanKey]*fanPiece
	of     map[uint64][]*fanPiece // by entry
}

func newFanCache() (*fanCache, error) {
	slab, err := transport.NewSlab(fanBlocks * fanBlock)
	if err != nil {
		return nil, err
	}
	c := &fanCache{slab: slab, pieces: map[fanKey]*fanPiece{}, of: map[uint64][]*fanPiece{}}
	for i := range fanBlocks {
		c.free = append(c.free, &fanMem{mem: slab.Bytes()[i*fanBlock : (i+1)*fanBlock]})
	}
	return c, nil
}

func (c *fanCache) close() { c.slab.Drop() }

// add makes a piece of so many bytes; nil: there is no room.
func (c *fanCache) add(k fanKey, n int, want viewSet) *fanPiece {
	small := n <= fanBlock/4
	m := c.pack
	if !small || m == nil || len(m.mem)-m.used < n {
		if len(c.free) == 0 {
			return nil
		}
		m = c.free[len(c.free)-1]
		c.free = c.free[:len(c.free)-1]
		if small {
			full := c.pack
			c.pack = m
			c.giveBack(full)
		}
	}
	p := &fanPiece{key: k, at: m, mem: m.mem[m.used : m.used+n : m.used+n], want: want, touched: time.Now()}
	m.used += n
	m.pieces++
	c.pieces[k] = p
	c.of[k.id] = append(c.of[k.id], p)
	return p
}

// giveBack frees memory that has no pieces, and will get no more.
func (c *fanCache) giveBack(m *fanMem) {
	if m == nil || m.pieces > 0 {
		return
	}
	m.used = 0
	if m != c.pack {
		c.free = append(c.free, m)
	}
}

// drop takes a piece out that nobody uses.
func (c *fanCache) drop(p *fanPiece) {
	if c.pieces[p.key] != p {
		return
	}
	delete(c.pieces, p.key)
	c.of[p.key.id] = slices.DeleteFunc(c.of[p.key.id], func(o *fanPiece) bool { return o == p })
	if len(c.of[p.key.id]) == 0 {
		delete(c.of, p.key.id)
	}
	p.at.pieces--
	c.giveBack(p.at)
}

// had notes that views need no more of a piece, which goes if nobody does.
func (c *fanCache) had(p *fanPiece, who viewSet) {
	p.want &^= who
	if p.want == 0 && p.users == 0 && p.ready {
		c.drop(p)
	}
}

// ended: an entry has ended in a view.
func (c *fanCache) ended(id uint64, who viewSet) {
	for _, p := range slices.Clone(c.of[id]) {
		c.had(p, who)
	}
}

// unwant: views want nothing of what is there.
func (c *fanCache) unwant(who viewSet) {
	for _, p := range c.pieces {
		c.had(p, who)
	}
}

// expire drops what nobody has asked for in a while.
func (c *fanCache) expire(before time.Time) {
	for _, p := range c.pieces {
		if p.users == 0 && p.ready && p.touched.Before(before) {
			c.drop(p)
		}
	}
}

// read gives a view what it reads, which is read once for all.
func (f *Fan) read(v *View, k fanKey, r fanRead) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	v.last, v.behind = time.Now(), false
	p, err := f.piece(v, k, r)
	if p == nil || err != nil {
		return err
	}
	p.users++
	p.touched = time.Now()
	f.mu.Unlock()
	copy(r.into, p.mem[r.skip:])
	f.mu.Lock()
	p.users--
	who := viewSet(0)
	if p.had[v.number] += len(r.into); p.had[v.number] >= len(p.mem) {
		who = v.bit()
	}
	f.cache.had(p, who)
	f.tell()
	return nil
}

// piece finds what a view reads, or reads it for all; nil: the view has read for itself.
// f.mu is held.
func (f *Fan) piece(v *View, k fanKey, r fanRead) (*fanPiece, error) {
	for {
		p := f.cache.pieces[k]
		others := f.wanting(k.id) &^ f.behind() &^ v.bit()
		switch {
		case p != nil && p.ready && p.err == nil:
			return p, nil
		case p != nil && !p.ready:
			f.wait(context.Background(), 0) // somebody reads it now
			continue
		case p == nil && others != 0:
			if p = f.cache.add(k, r.size, others|v.bit()); p == nil {
				if f.room(v) {
					continue
				}
				break
			}
			f.mu.Unlock()
			err := r.load(p.mem)
			f.mu.Lock()
			p.ready, p.err = true, err
			f.tell()
			if err == nil {
				return p, nil
			}
			f.cache.drop(p) // each who wants it finds out for itself
			return nil, err
		}
		f.mu.Unlock()
		err := r.direct(r.into)
		f.mu.Lock()
		return nil, err
	}
}

// room waits until there may be some; false: there is none, whatever is done. f.mu is held.
func (f *Fan) room(v *View) bool {
	v.waiting++
	changed := f.wait(context.Background(), f.Patience)
	v.waiting--
	if changed {
		return true
	}
	old := time.Now().Add(-f.Patience)
	for _, o := range f.views {
		o.behind = o.behind || o.waiting == 0 && o != v && o.last.Before(old)
	}
	f.cache.unwant(f.behind())
	f.cache.expire(old)
	return len(f.cache.free) > 0
}

// behind are the views that are not waited for. f.mu is held.
func (f *Fan) behind() viewSet {
	var set viewSet
	for _, v := range f.views {
		if v.behind {
			set |= v.bit()
		}
	}
	return set
}
