package planner

// Plan is the line of files and ranges that wait for a stream. Not safe for
// use by several goroutines at once: its owner holds a lock.
type Plan struct {
	cfg      Config
	returned []Chunk      // given back; last in, first out
	large    queue[Chunk] // files that need more than one slot, and sparse ones; the front is what is left of it
	small    queue[Chunk] // files that fit a slot
	flip     bool         // whose turn it is when both lines wait
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
	return len(p.returned) == 0 && p.large.len() == 0 && p.small.len() == 0
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
	p.flip = !p.flip
	switch {
	case p.large.len() == 0 && p.small.len() == 0:
		return Unit{}, false
	case p.small.len() == 0 || p.flip && p.large.len() > 0:
		return p.nextRange(), true
	default:
		return p.nextBundle(), true
	}
}

// nextRange cuts the next slot-sized range off the oldest large file. A sparse
// file goes out whole: only the taker, who sees the holes, can tell what fills a slot.
func (p *Plan) nextRange() Unit {
	rest := p.large.front()
	slot := int64(p.cfg.SlotSize)
	if rest.Sparse || rest.Len <= slot {
		return Unit{Chunks: []Chunk{p.large.pop()}}
	}
	c := *rest
	c.Len = slot
	rest.Off += slot
	rest.Len -= slot
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
