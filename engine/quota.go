package engine

import (
	"context"
	"fmt"
	"sync"
	"time"

	"scp_rdma/control"
	"scp_rdma/keys"
	"scp_rdma/transport"
)

// Quota is what a server has for all its sessions together. Zero fields take the default.
type Quota struct {
	Sessions int   // at once
	PerKey   int   // of one key, at once
	Memory   int64 // bytes of slots
}

func (q Quota) withDefaults() Quota {
	if q.Sessions == 0 {
		q.Sessions = DefaultSessions
	}
	if q.PerKey == 0 {
		q.PerKey = q.Sessions
	}
	if q.Memory == 0 {
		q.Memory = DefaultTotalMemory
	}
	return q
}

// floor is how many bytes each session can have, however many there are.
func (q Quota) floor() int64 { return floorSlots * (int64(q.slotSize()) + transport.HeadRoom) }

// slotSize is the largest slot of which each of all sessions can have as many as that takes; but
// slots that are hardly worth their own cost are not asked for: then some sessions have to wait.
func (q Quota) slotSize() int {
	each := q.Memory/int64(q.Sessions)/floorSlots - transport.HeadRoom
	return int(min(max(each, fitSlot), transport.MaxSlotSize)) &^ 4095
}

// quota books what sessions hold of a Quota.
type quota struct {
	Quota

	mu       sync.Mutex
	sessions int
	perKey   map[keys.ID]int
	budget   budget
}

func newQuota(q Quota) *quota {
	return &quota{Quota: q, perKey: map[keys.ID]int{}, budget: budget{limit: q.Memory}}
}

// seat is one session's place in a quota.
type seat struct {
	q        *quota
	id       keys.ID
	slotSize int // at most
	spender  *spender
	aside    int64 // bytes that are its own; 0: it spends with the others
	free     func()
}

// take books one session. Its memory is booked for each stream, when it is opened. Over a
// limit the error is a *control.BusyError.
func (q *quota) take(id keys.ID) (*seat, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.sessions >= q.Sessions:
		return nil, &control.BusyError{Text: fmt.Sprintf("it has %d sessions of %d (--max-sessions)", q.sessions, q.Sessions)}
	case q.perKey[id] >= q.PerKey:
		return nil, &control.BusyError{Text: fmt.Sprintf("it has %d sessions of this key, of %d (--max-sessions-per-key)", q.perKey[id], q.PerKey)}
	}
	spender, ok := q.budget.join(q.floor())
	if !ok {
		return nil, errNoMemory()
	}
	q.sessions++
	q.perKey[id]++
	s := &seat{q: q, id: id, slotSize: q.slotSize(), spender: spender}
	s.free = sync.OnceFunc(func() { q.free(s) })
	return s, nil
}

func errNoMemory() error {
	return &control.BusyError{Text: "all memory for slots is in use (--max-memory)"}
}

// change has another Quota hold. What is booked stays booked, also where that is more now
// than there is.
func (q *quota) change(to Quota) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.budget.change(to.Memory, time.Now())
	q.Quota = to
}

func (q *quota) free(s *seat) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.sessions--
	if q.perKey[s.id]--; q.perKey[s.id] == 0 {
		delete(q.perKey, s.id)
	}
	q.budget.giveBack(s.aside)
	q.budget.leave(s.spender, time.Now())
}

// limit is what of the limits of any session holds for this one. yields: its client makes room
// when it is told to.
func (s *seat) limit(l Limits, yields bool) (_ Limits, err error) {
	if !yields {
		l.Memory, err = s.fix(l.Memory)
		return l, err
	}
	s.q.mu.Lock()
	defer s.q.mu.Unlock()
	l.SlotSize = min(l.SlotSize, s.slotSize)
	l.Memory = min(l.Memory, s.q.Memory)
	return l, nil
}

// fix books for a client that knows nothing of making room: at most so many bytes are the
// session's own until it ends.
func (s *seat) fix(most int64) (int64, error) {
	s.q.mu.Lock()
	defer s.q.mu.Unlock()
	// It is told its memory in slots of the usual size, of which it must have one.
	least := max(s.q.floor(), DefaultSlotSize+transport.HeadRoom)
	if s.aside = s.q.budget.set(s.spender, least, most); s.aside == 0 {
		return 0, errNoMemory()
	}
	return s.aside, nil
}

// leaseWait is for memory that others were told to give back: longer than the write takes that
// each may be at, and shorter than the one who asks waits for its stream.
const leaseWait = connectTimeout / 2

// lease books the slots of a stream, and waits until those are free to whom they belong. The
// error Is a *shortError if there is no room for any or, if it is wanted whole, for all.
// It is to be ended by done, when the stream is closed.
func (s *seat) lease(ctx context.Context, l *lease) (done func(), err error) {
	if s == nil || s.aside > 0 {
		return func() {}, nil
	}
	l.of = s.spender
	done = func() {
		s.q.mu.Lock()
		defer s.q.mu.Unlock()
		s.q.budget.end(l, time.Now())
	}
	s.q.mu.Lock()
	s.q.budget.ask(l, time.Now())
	s.q.mu.Unlock()
	t := time.NewTicker(endsWithin)
	defer t.Stop()
	for until := time.Now().Add(leaseWait); err == nil; {
		select {
		case n := <-l.told:
			if n == l.slots {
				return done, nil
			}
			err = &shortError{n}
		case now := <-t.C:
			if !now.Before(until) {
				err = &shortError{}
				break
			}
			s.q.mu.Lock()
			s.q.budget.settle(now)
			s.q.mu.Unlock()
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	}
	done()
	return nil, err
}

// shortError: there is no memory for a stream, and nothing else is wrong.
type shortError struct {
	slots int // it can come again at once with so many; 0: not yet
}

// Error implements error.
func (e *shortError) Error() string {
	if e.slots > 0 {
		return fmt.Sprintf("other sessions need the memory: there is room for %d slots", e.slots)
	}
	return "other sessions need the memory: there is no room for slots now"
}
