package planner

// Unknown is the size of a file whose end has not been seen.
const Unknown = -1

// gradual is a file of which not all may be handed out yet.
type gradual struct {
	id    uint64
	size  int64 // Unknown until End
	at    int64 // handed out so far
	limit int64 // what may be
}

// AddGradual puts in line what of a file begins at from, of which nothing is handed out before
// Extend and End allow it. Its ranges go out in order, before all but what was given back.
func (p *Plan) AddGradual(id uint64, from, size int64) {
	p.gradual = append(p.gradual, gradual{id: id, size: size, at: from, limit: from})
}

// Extend has the bytes of such a file before limit handed out, as far as they fill a slot or
// end the file. A limit that is lower than an earlier one changes nothing.
func (p *Plan) Extend(id uint64, limit int64) {
	if g := p.find(id); g != nil {
		if g.size != Unknown {
			limit = min(limit, g.size)
		}
		g.limit = max(g.limit, limit)
	}
}

// End says what the size is of a file that had none, and has all of it handed out. It has one
// range more then, an empty one, if all of it was handed out before that was known.
func (p *Plan) End(id uint64, size int64) {
	if g := p.find(id); g != nil {
		g.size, g.limit = size, size
	}
}

func (p *Plan) find(id uint64) *gradual {
	for i := range p.gradual {
		if p.gradual[i].id == id {
			return &p.gradual[i]
		}
	}
	return nil
}

// next is the range that may be handed out now, false if there is none. last: it ends the file.
func (g *gradual) next(slot int64) (c Chunk, last, ok bool) {
	n := min(slot, g.limit-g.at)
	last = g.size != Unknown && g.at+n == g.size
	return Chunk{ID: g.id, Off: g.at, Len: n, Size: g.size}, last, last || n == slot
}

// ready is the first gradual file of which something may be handed out; -1: there is none.
func (p *Plan) ready() int {
	for i := range p.gradual {
		if _, _, ok := p.gradual[i].next(int64(p.cfg.SlotSize)); ok {
			return i
		}
	}
	return -1
}

// nextGradual cuts the next range off the file at index i, which is ready.
func (p *Plan) nextGradual(i int, room int64) Unit {
	c, last, _ := p.gradual[i].next(room)
	p.gradual[i].at += c.Len
	p.count(c, 1) // Left counts it by itself
	if last {
		p.gradual = append(p.gradual[:i], p.gradual[i+1:]...)
	}
	return Unit{Chunks: []Chunk{c}}
}
