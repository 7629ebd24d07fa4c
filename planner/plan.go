package planner

import "slices"

// Plan is the line of files and ranges that wait for a stream. Not safe for
// use by several goroutines at once: its owner holds a lock.
type Plan struct {
	cfg      Config
	returned []Chunk      // given back; last in, first out
	large    queue[Chunk] // files that need more than one slot, and sparse ones
	cut      []Chunk      // what is left of those of them that are being handed out
	turn     int          // whose turn it is of these
	small    queue[Chunk] // files that fit a slot
	flip     bool         // whose turn it is when both lines wait
	gradual  []gradual    // files that must not be handed out whole at once; few
	left     Left
}

// Left is what was not handed out yet, as far as that is known: bytes, holes that nobody has
// seen among them, and ranges and files.
type Left struct {
	Bytes  int64
	Chunks int
}

// New makes an empty plan.
func New(cfg Config) *Plan { return &Plan{cfg: cfg} }

// Left is what was not handed out yet.
func (p *Plan) Left() Left {
	l := p.left
	for i := range p.gradual {
		l.Bytes += max(p.gradual[i].size, p.gradual[i].limit) - p.gradual[i].at
	}
	return l
}

// count counts a chunk that joins the line (by 1) or leaves it (by -1).
func (p *Plan) count(c Chunk, by int) {
	p.left.Bytes += int64(by) * c.Len
	p.left.Chunks += by
}

// Add puts a file at the end of its line.
func (p *Plan) Add(f File) {
	c := Chunk{ID: f.ID, Len: f.Size, Size: f.Size, Sparse: f.Sparse && f.Size > 0}
	if f.Missing != nil {
		for _, r := range f.Missing {
			c.Off, c.Len = r.Off, r.Len
			p.large.push(c)
			p.count(c, 1)
		}
		return
	}
	p.count(c, 1)
	if c.Sparse || f.Size > int64(p.cfg.SlotSize) {
		p.large.push(c)
		return
	}
	p.small.push(c)
}

// GiveBack returns a range that was handed out but will not be carried by its
// taker. It is handed out again before anything else.
func (p *Plan) GiveBack(c Chunk) {
	p.returned = append(p.returned, c)
	p.count(c, 1)
}

// Empty says whether Next has nothing to hand out.
func (p *Plan) Empty() bool {
	return len(p.returned) == 0 && !p.ranges() && p.small.len() == 0 && p.ready() < 0
}

// Next hands out the next unit, false if there is none now. What was given
// back comes first; then large and small files take turns, so that neither
// bandwidth nor the making of files lies idle while both wait.
func (p *Plan) Next() (Unit, bool) { return p.NextWithin(p.cfg.SlotSize) }

// NextWithin is Next for a taker who wants no more than room bytes, more than 0: ranges are cut
// to that, fewer files go together. false: what would come next can't be cut so small.
func (p *Plan) NextWithin(room int) (Unit, bool) {
	u, ok := p.next(int64(min(room, p.cfg.SlotSize)))
	for _, c := range u.Chunks {
		p.count(c, -1)
	}
	if room < p.cfg.SlotSize {
		u.Room = room
	}
	return u, ok
}

func (p *Plan) next(room int64) (Unit, bool) {
	if n := len(p.returned); n > 0 {
		return p.nextReturned(n-1, room)
	}
	if i := p.ready(); i >= 0 {
		return p.nextGradual(i, room), true
	}
	p.flip = !p.flip
	small := p.small.len() > 0 && p.small.front().Len <= room
	switch {
	case !p.ranges() && !small:
		return Unit{}, false
	case !small || p.flip && p.ranges():
		return p.nextRange(room), true
	default:
		return p.nextBundle(room), true
	}
}

// nextReturned is what was given back last, cut to room: but not a small file, which goes whole
// or not at all.
func (p *Plan) nextReturned(i int, room int64) (Unit, bool) {
	c := p.returned[i]
	switch {
	case c.Sparse || c.Len <= room:
		p.returned = p.returned[:i]
	case c.Whole() && c.Len <= int64(p.cfg.SlotSize):
		return Unit{}, false
	default:
		p.returned[i].Off += room
		p.returned[i].Len -= room
		p.left.Chunks++ // it is two now
		c.Len = room
	}
	return Unit{Chunks: []Chunk{c}}, true
}

// ranges says whether anything is left of large files.
func (p *Plan) ranges() bool { return len(p.cut)+p.large.len() > 0 }

// nextRange cuts the next range of a slot, or of less room, off one of the oldest large files, which take turns:
// a file is written by one thread at a time, whatever the streams. A sparse file goes out
// whole: only the taker, who sees the holes, can tell what fills a slot.
func (p *Plan) nextRange(room int64) Unit {
	for len(p.cut) < max(p.cfg.Files, 1) && p.large.len() > 0 {
		p.cut = append(p.cut, p.large.pop())
	}
	p.turn %= len(p.cut)
	rest := &p.cut[p.turn]
	c := *rest
	if rest.Sparse || rest.Len <= room {
		p.cut = slices.Delete(p.cut, p.turn, p.turn+1)
		return Unit{Chunks: []Chunk{c}}
	}
	c.Len = room
	rest.Off += room
	rest.Len -= room
	p.left.Chunks++ // it is two now
	p.turn++
	return Unit{Chunks: []Chunk{c}}
}

// nextBundle takes small files in order while they fit the room together.
func (p *Plan) nextBundle(room int64) Unit {
	var chunks []Chunk
	for p.small.len() > 0 && len(chunks) < p.cfg.MaxChunks && p.small.front().Len <= room {
		c := p.small.pop()
		room -= c.Len
		chunks = append(chunks, c)
	}
	return Unit{Chunks: chunks}
}
