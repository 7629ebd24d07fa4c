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
}

// New makes an empty plan.
func New(cfg Config) *Plan { return &Plan{cfg: cfg} }

// Add puts a file at the end of its line.
func (p *Plan) Add(f File) {
	c := Chunk{ID: f.ID, Len: f.Size, Size: f.Size, Sparse: f.Sparse && f.Size > 0}
	if f.Missing != nil {
		for _, r := range f.Missing {
			c.Off, c.Len = r.Off, r.Len
			p.large.push(c)
		}
		return
	}
	if c.Sparse || f.Size > int64(p.cfg.SlotSize) {
		p.large.push(c)
		return
	}
	p.small.push(c)
}

// GiveBack returns a range that was handed out but will not be carried by its
// taker. It is handed out again before anything else.
func (p *Plan) GiveBack(c Chunk) { p.returned = append(p.returned, c) }

// Empty says whether Next has nothing to hand out.
func (p *Plan) Empty() bool {
	return len(p.returned) == 0 && !p.ranges() && p.small.len() == 0 && p.ready() < 0
}

// Next hands out the next unit, false if there is none now. What was given
// back comes first; then large and small files take turns, so that neither
// bandwidth nor the making of files lies idle while both wait.
func (p *Plan) Next() (Unit, bool) {
	if n := len(p.returned); n > 0 {
		c := p.returned[n-1]
		p.returned = p.returned[:n-1]
		return Unit{Chunks: []Chunk{c}}, true
	}
	if i := p.ready(); i >= 0 {
		return p.nextGradual(i), true
	}
	p.flip = !p.flip
	switch {
	case !p.ranges() && p.small.len() == 0:
		return Unit{}, false
	case p.small.len() == 0 || p.flip && p.ranges():
		return p.nextRange(), true
	default:
		return p.nextBundle(), true
	}
}

// ranges says whether anything is left of large files.
func (p *Plan) ranges() bool { return len(p.cut)+p.large.len() > 0 }

// nextRange cuts the next slot-sized range off one of the oldest large files, which take turns:
// a file is written by one thread at a time, whatever the streams. A sparse file goes out
// whole: only the taker, who sees the holes, can tell what fills a slot.
func (p *Plan) nextRange() Unit {
	for len(p.cut) < max(p.cfg.Files, 1) && p.large.len() > 0 {
		p.cut = append(p.cut, p.large.pop())
	}
	p.turn %= len(p.cut)
	rest := &p.cut[p.turn]
	slot := int64(p.cfg.SlotSize)
	c := *rest
	if rest.Sparse || rest.Len <= slot {
		p.cut = slices.Delete(p.cut, p.turn, p.turn+1)
		return Unit{Chunks: []Chunk{c}}
	}
	c.Len = slot
	rest.Off += slot
	rest.Len -= slot
	p.turn++
	return Unit{Chunks: []Chunk{c}}
}

// nextBundle takes small files in order while they fit one slot together.
func (p *Plan) nextBundle() Unit {
	room := int64(p.cfg.SlotSize)
	var chunks []Chunk
	for p.small.len() > 0 && len(chunks) < p.cfg.MaxChunks && p.small.front().Len <= room {
		c := p.small.pop()
		room -= c.Len
		chunks = append(chunks, c)
	}
	return Unit{Chunks: chunks}
}
