package engine

import (
	"context"
	"sync"
	"time"

	"scp_rdma/wire"
)

// outboxBatch: items in one message at most.
const outboxBatch = 1024

const (
	// lingerUnits, linger: units that end no file wait for so many, or for so long.
	// Nobody needs to hear of them soon: the sender waits for files, and keeps note of
	// units only to send those again whose stream breaks. One message a unit is some
	// six wake-ups at the two ends (0.9 of the CPU time without, with connections not
	// paced inside a host: bench/results/2026-11-29.md).
	lingerUnits = 16
	linger      = 5 * time.Millisecond
)

// outbox gathers what the receiver has to say of entries and units. Whoever
// puts something in never waits; the window bounds what can gather.
type outbox struct {
	mu      sync.Mutex
	answers []wire.Answer
	results wire.Results
	fences  []wire.Fenced
	late    *time.Timer   // rings for units that wait; nil: none do
	filled  chan struct{} // room for one: something is there
}

func newOutbox() outbox { return outbox{filled: make(chan struct{}, 1)} }

func (o *outbox) answer(a ...wire.Answer) {
	o.mu.Lock()
	o.answers = append(o.answers, a...)
	o.mu.Unlock()
	o.ring()
}

// result adds what became of one frame: its unit and the entries that ended with it.
func (o *outbox) result(units, corrupt []uint64, list []wire.Result) {
	o.mu.Lock()
	o.results.Units = append(o.results.Units, units...)
	o.results.Corrupt = append(o.results.Corrupt, corrupt...)
	o.results.List = append(o.results.List, list...)
	wait := len(corrupt)+len(list) == 0 && len(o.results.Units) < lingerUnits
	if wait && o.late == nil {
		o.late = time.AfterFunc(linger, o.ring)
	}
	o.mu.Unlock()
	if !wait {
		o.ring()
	}
}

// fenced says that a stream has ended, after the results of what it brought. It says
// how many such words wait.
func (o *outbox) fenced(f wire.Fenced) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fences = append(o.fences, f)
	o.ring()
	return len(o.fences)
}

func (o *outbox) ring() {
	select {
	case o.filled <- struct{}{}:
	default:
	}
}

// take empties the outbox.
func (o *outbox) take() ([]wire.Answer, wire.Results, []wire.Fenced) {
	o.mu.Lock()
	defer o.mu.Unlock()
	a, res, f := o.answers, o.results, o.fences
	o.answers, o.results, o.fences = nil, wire.Results{}, nil
	if o.late != nil {
		o.late.Stop()
		o.late = nil
	}
	return a, res, f
}

// deliver sends what gathers in the outbox until the session ends.
func (r *receiver) deliver(ctx context.Context) error {
	for {
		select {
		case <-r.out.filled:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		answers, res, fences := r.out.take()
		if err := r.sendOut(answers, &res); err != nil {
			return err
		}
		for i := range fences {
			if err := r.conn.Send(&fences[i]); err != nil {
				return err
			}
		}
	}
}

func (r *receiver) sendOut(answers []wire.Answer, res *wire.Results) error {
	for len(answers) > 0 {
		n := min(len(answers), outboxBatch)
		if err := r.conn.Send(&wire.Answers{List: answers[:n]}); err != nil {
			return err
		}
		answers = answers[n:]
	}
	for len(res.Units)+len(res.Corrupt)+len(res.List) > 0 {
		var m wire.Results
		m.Units, res.Units = cut(res.Units)
		m.Corrupt, res.Corrupt = cut(res.Corrupt)
		m.List, res.List = cut(res.List)
		if err := r.conn.Send(&m); err != nil {
			return err
		}
	}
	return nil
}

// cut takes a message's worth off a list.
func cut[T any](list []T) (head, rest []T) {
	n := min(len(list), outboxBatch)
	return list[:n], list[n:]
}
