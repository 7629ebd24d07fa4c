package engine

import "scp_rdma/wire"

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
		r.forget(f)
		return wire.Answer{ID: f.id, Action: wire.ActionDone}
	}
	return r.consider(f)
}

// groupEnded lets those go on that waited for f: they are links now, or the
// next of them becomes the one whose bytes are needed.
func (r *receiver) groupEnded(f *inFile) {
	if f.put.Group == 0 {
		return
	}
	r.mu.Lock()
	g := r.groups[f.put.Group]
	if g == nil || g.first != f.id {
		r.mu.Unlock()
		return
	}
	waiting := g.waiting
	delete(r.groups, f.put.Group)
	r.mu.Unlock()
	for i, w := range waiting {
		a := r.tryLink(w)
		if !ends(a) {
			r.mu.Lock()
			next := &inGroup{first: w.id, waiting: waiting[i+1:]}
			if newer := r.groups[f.put.Group]; newer != nil {
				next.waiting = append(next.waiting, newer.waiting...)
			}
			r.groups[f.put.Group] = next
			r.mu.Unlock()
			if a.Action != 0 {
				r.out.answer(a)
			}
			return
		}
		r.out.answer(a)
	}
}
