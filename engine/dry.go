package engine

import (
	"context"
	"sync/atomic"

	"scp_rdma/localfs"
	"scp_rdma/planner"
	"scp_rdma/wire"
)

// dry counts what a transfer would send that sends nothing.
type dry struct {
	files, bytes, units atomic.Uint64
	planned             int // files in the plan; under sender.mu
}

// planAhead: so many files are planned together, as a busy transfer would.
const planAhead = 1024

func (d *dry) would() Would { return Would{d.files.Load(), d.bytes.Load(), d.units.Load()} }

// would notes that a file would be sent.
func (s *sender) would(id uint64) {
	it := s.item(id)
	if it == nil {
		return
	}
	s.dry.files.Add(1)
	s.dry.bytes.Add(uint64(it.e.Size))
	s.mu.Lock()
	s.plan.Add(planner.File{ID: id, Size: it.e.Size})
	if s.dry.planned++; s.dry.planned >= planAhead {
		s.countUnits()
	}
	s.mu.Unlock()
	if s.cfg.Observer != nil {
		size := it.e.Size
		if it.e.Stream {
			size = localfs.Unsized
		}
		s.cfg.Observer.Would(s.cfg.Source.Path(it.e), size)
	}
	s.settle(it)
}

// countUnits empties the plan. s.mu is held.
func (s *sender) countUnits() {
	for _, ok := s.plan.Next(); ok; _, ok = s.plan.Next() {
		s.dry.units.Add(1)
	}
	s.dry.planned = 0
}

// runDry is runStreams without a stream: entries are announced and answered.
func (s *sender) runDry(c *crew) error {
	entries := make(chan wire.Entry, announceBatch*2)
	c.run(func(ctx context.Context) error { return s.walk(ctx, entries) })
	c.run(func(ctx context.Context) error { return s.announce(ctx, entries) })
	s.mu.Lock()
	defer s.mu.Unlock()
	for (!s.walked || len(s.open) > 0) && c.ctx.Err() == nil {
		s.wake.Wait()
	}
	s.countUnits()
	return context.Cause(c.ctx)
}

// looksOnly is what a dry receiver does with a file that it would want, or compare: nothing
// comes of it.
func (r *receiver) looksOnly(f *inFile, a wire.Answer) {
	if !r.dry || a.Action != wire.ActionNeed && a.Action != wire.ActionCompare {
		return
	}
	if r.fetch != nil && a.Action == wire.ActionNeed {
		r.fetch.would.files.Add(1)
		r.fetch.would.bytes.Add(uint64(f.put.Size))
		if o := r.fetch.observer; o != nil {
			o.Would(f.parent.path(f.name), f.put.Size)
		}
	}
	r.forget(f)
	r.groupEnded(f)
}
