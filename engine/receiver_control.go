package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"scp_rdma/wire"
)

// readControl takes the sender's messages until the session ends. It never
// waits for anything but the next message.
func (r *receiver) readControl(ctx context.Context) error {
	for {
		m, err := r.conn.Recv(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			r.gone.Store(!errors.Is(err, wire.ErrMalformed) && !errors.Is(err, wire.ErrUnknownType))
			return lost(err)
		}
		if err := r.take(m); err != nil {
			return err
		}
	}
}

func (r *receiver) take(m wire.Message) error {
	switch m := m.(type) {
	case *wire.Entries, *wire.Abort, *wire.Same, *wire.Done:
		if r.inspected {
			return fmt.Errorf("message %d where there is no target: %w", m.Type(), ErrProtocol)
		}
	}
	if r.fetch != nil {
		if taken, err := r.takeGiven(m); taken || err != nil {
			return err
		}
	}
	switch m := m.(type) {
	case *wire.Entries:
		return r.queue.put(job{entries: m.List}, len(m.List), r.limits.Window)
	case *wire.Abort:
		return r.queue.put(job{aborts: m.IDs}, 0, r.limits.Window)
	case *wire.Same:
		return r.queue.put(job{same: m.IDs}, 0, r.limits.Window)
	case *wire.Done:
		return r.queue.put(job{done: m}, 0, r.limits.Window)
	case *wire.StreamOpen:
		return r.streams.open(m)
	case *wire.Fence:
		return r.streams.fence(m)
	case *wire.Bye:
		if m.Code == wire.ByeDone && (r.inspected || r.finished()) {
			return errDone
		}
		return &RemoteError{Code: m.Code, Text: m.Text}
	}
	return fmt.Errorf("message %d out of place: %w", m.Type(), ErrProtocol)
}

// takeGiven takes what only a server says that sends; false: it is something else.
func (r *receiver) takeGiven(m wire.Message) (bool, error) {
	switch m := m.(type) {
	case *wire.StreamJoin:
		r.fetch.join.put(streamKey{m.Stream, m.Epoch}, m)
	case *wire.Trouble:
		r.takeTrouble(m)
	case *wire.Walked:
		r.fetch.walked.Store(true)
	case *wire.RailHealth:
		return true, r.fetch.takeRail(m)
	default:
		return false, nil
	}
	return true, nil
}

// job is one thing for admitAll to do, in the order it came.
type job struct {
	entries []wire.Entry
	aborts  []uint64
	same    []uint64
	done    *wire.Done
}

// admitQueue lies between the control reader, which never waits, and the one
// goroutine that works on the target's directories.
type admitQueue struct {
	mu     sync.Mutex
	jobs   []job
	held   int // entries in jobs
	filled chan struct{}
}

func newAdmitQueue() admitQueue { return admitQueue{filled: make(chan struct{}, 1)} }

// maxJobsBeyond: messages that may wait beyond what the window explains. The
// ends of directories and aborts take no place in it, but each follows an entry that did.
const maxJobsBeyond = 4096

// put adds a job. A sender that announces more than its window allows breaks the protocol.
func (q *admitQueue) put(j job, n, window int) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.held+n > 2*window+maxJobsBeyond || len(q.jobs) > 2*window+maxJobsBeyond {
		return fmt.Errorf("more than %d entries wait: %w", 2*window, ErrProtocol)
	}
	q.jobs = append(q.jobs, j)
	q.held += n
	select {
	case q.filled <- struct{}{}:
	default:
	}
	return nil
}

// take empties the queue; it waits until there is something.
func (q *admitQueue) take(ctx context.Context) ([]job, error) {
	select {
	case <-q.filled:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	jobs := q.jobs
	q.jobs, q.held = nil, 0
	return jobs, nil
}

// admitAll works on announced entries in order.
func (r *receiver) admitAll(ctx context.Context) error {
	if err := r.waitNoted(ctx); err != nil {
		return err
	}
	for {
		jobs, err := r.queue.take(ctx)
		if err != nil {
			return err
		}
		for _, j := range jobs {
			if err := r.do(ctx, j); err != nil {
				return err
			}
		}
	}
}

func (r *receiver) do(ctx context.Context, j job) error {
	switch {
	case j.done != nil:
		return r.finish(j.done)
	case j.aborts != nil:
		r.abort(j.aborts)
		return nil
	case j.same != nil:
		return r.same(j.same)
	}
	began := time.Now()
	defer func() { r.admitting.Add(int64(time.Since(began))) }()
	answers := make([]wire.Answer, 0, len(j.entries))
	for i := range j.entries {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		a, err := r.admit(&j.entries[i])
		if err != nil {
			return err
		}
		if a.Action != 0 {
			answers = append(answers, a)
		}
	}
	r.out.answer(answers...)
	return nil
}

// finish answers Done: every entry must have ended.
func (r *receiver) finish(d *wire.Done) error {
	if r.finished() {
		return fmt.Errorf("done twice: %w", ErrProtocol)
	}
	r.mu.Lock()
	files, dirs := len(r.files), len(r.dirs)-1
	r.mu.Unlock()
	if files != 0 || dirs != 0 {
		return fmt.Errorf("done with %d files and %d directories open: %w", files, dirs, ErrProtocol)
	}
	r.deleteRest(d.Clean)
	if err := r.sink.Sync(); err != nil {
		return err
	}
	r.settled()
	if r.fetch != nil {
		r.fetch.last = *d
	}
	dropped := r.sink.Dropped()
	r.done <- d.Totals
	sum := &wire.Summary{
		Totals:  r.counted(),
		Dropped: wire.Dropped{Owner: dropped.Owner, Special: dropped.Special, Xattr: dropped.Xattr, ACL: dropped.ACL},
		Spent:   r.spent(),
	}
	if r.del != nil {
		sum.Deleted = r.del.gone
	}
	r.mu.Lock()
	sum.Problems = r.problems
	r.mu.Unlock()
	return r.conn.Send(sum)
}

// finished says whether Done was answered.
func (r *receiver) finished() bool { return len(r.done) > 0 }
