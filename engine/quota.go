package engine

import (
	"fmt"
	"sync"

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

// minSessionMemory: with less than four slots of the default size on each of
// two streams a session would crawl, and is better told to come later.
const minSessionMemory = 8 * (DefaultSlotSize + transport.HeadRoom)

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

// quota books what sessions hold of a Quota.
type quota struct {
	Quota

	mu       sync.Mutex
	sessions int
	perKey   map[keys.ID]int
	memory   int64 // left
}

func newQuota(q Quota) *quota {
	return &quota{Quota: q, perKey: map[keys.ID]int{}, memory: q.Memory}
}

// take books one session, with at most want bytes of slots; the first to come
// never leave less than three quarters of what was left. Over a limit the error
// is a *control.BusyError.
func (q *quota) take(id keys.ID, want int64) (memory int64, free func(), err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.sessions >= q.Sessions:
		return 0, nil, &control.BusyError{Text: fmt.Sprintf("it has %d sessions of %d (--max-sessions)", q.sessions, q.Sessions)}
	case q.perKey[id] >= q.PerKey:
		return 0, nil, &control.BusyError{Text: fmt.Sprintf("it has %d sessions of this key, of %d (--max-sessions-per-key)", q.perKey[id], q.PerKey)}
	}
	memory = min(want, max(q.memory/4, minSessionMemory))
	if memory > q.memory {
		return 0, nil, &control.BusyError{Text: "all memory for slots is in use (--max-memory)"}
	}
	q.sessions++
	q.perKey[id]++
	q.memory -= memory
	return memory, sync.OnceFunc(func() { q.free(id, memory) }), nil
}

// change has another Quota hold. What is booked stays booked, also where that is more now
// than there is.
func (q *quota) change(to Quota) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.memory += to.Memory - q.Memory
	q.Quota = to
}

func (q *quota) free(id keys.ID, memory int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.sessions--
	q.memory += memory
	if q.perKey[id]--; q.perKey[id] == 0 {
		delete(q.perKey, id)
	}
}
