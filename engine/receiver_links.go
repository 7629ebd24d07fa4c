package engine

import (
	"context"

	"scp_rdma/wire"
)

// inGroup is a hard-link group whose first file is on its way; others wait.
type inGroup struct {
	first   uint64
	waiting []*inFile
}

// tryLink makes a further name of a group's file, or says what is needed of it.
func (r *receiver) tryLink(f *inFile) wire.Answer {
	linked, err := r.sink.Link(f.put)
	switch {
	case err != nil:
		r.stopIfFatal(err)
		r.totals.failed.Add(1)
		r.forget(f)
		return failed(f.id, err)
	case linked:
		r.totals.links.Add(1)
		r.totals.have.Add(uint64(f.put.Size))
		if r.sum != wire.SumNone {
			r.crew.aside(func(ctx context.Context) error { r.sumLink(ctx, f); return nil })
			return wire.Answer{}
		}
		r.settledHere(f, HowMade)
		r.forget(f)
		return wire.Answer{ID: f.id, Action: wire.ActionDone}
	}
	return r.consider(f)
}

// groupEnded lets those go on that waited for f: they are links now, or the
// next of them becomes the one whose bytes are needed.
func (r *receiver) groupEnded(f *inFile) {
	for ended := f; ended != nil && ended.put.Group != 0; {
		next := r.nextOf(ended)
		if next == nil {
			return
		}
		// It may end beside this, and then finds those that wait for it.
		a := r.tryLink(next)
		if a.Action != 0 {
			r.out.answer(a)
		}
		if !ends(a) {
			return
		}
		ended = next
	}
}

// nextOf makes the first file that waited for one that has ended the one that the others
// wait for; nil: nobody waited.
func (r *receiver) nextOf(f *inFile) *inFile {
	r.mu.Lock()
	defer r.mu.Unlock()
	g := r.groups[f.put.Group]
	if g == nil || g.first != f.id {
		return nil
	}
	if len(g.waiting) == 0 {
		delete(r.groups, f.put.Group)
		return nil
	}
	next := g.waiting[0]
	g.first, g.waiting = next.id, g.waiting[1:]
	return next
}
