package mem

import (
	"math/rand/v2"
	"sync"
	"time"
)

// overdue is when the sender of a lossy transport takes an answer for lost.
const overdue = 2 * time.Millisecond

// lossy loses what flows beside the data: credits, requests and answers.
type lossy struct {
	one uint64 // in so many is lost; 0: none

	mu   sync.Mutex
	rng  *rand.Rand
	lost uint64
}

// Lossy makes t lose one in n credits, requests and answers of all its streams, drawn
// by lot, and data never; its senders ask again when nothing comes. To be called
// before t is used. It returns t.
func (t *Transport) Lossy(n, seed uint64) *Transport {
	t.lossy.one, t.lossy.rng = n, rand.New(rand.NewPCG(seed, n))
	return t
}

// Lost is how many were lost.
func (t *Transport) Lost() uint64 {
	t.lossy.mu.Lock()
	defer t.lossy.mu.Unlock()
	return t.lossy.lost
}

// loses says whether the next one is lost. Not each n-th: request and answer take turns.
func (l *lossy) loses() bool {
	if l.one == 0 {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rng.Uint64N(l.one) > 0 {
		return false
	}
	l.lost++
	return true
}

// overdue fires when it is time to ask once more: never where nothing is lost.
func (l *lossy) overdue() (fires <-chan time.Time, stop func()) {
	if l.one == 0 {
		return nil, func() {}
	}
	timer := time.NewTimer(overdue)
	return timer.C, func() { timer.Stop() }
}
