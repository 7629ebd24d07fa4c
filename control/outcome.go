package control

import (
	"errors"
	"time"
)

// Outcome is what became of a connection.
type Outcome uint8

// The outcomes.
const (
	Proved       Outcome = iota // its peer is let in
	Refused                     // no key that is taken, or no proof of it
	OtherVersion                // another version of the protocol
	Foreign                     // it speaks something else
	BrokenOff                   // it broke off, took too long, or had to make room
	TurnedAway                  // there was no room
	Outcomes                    // how many there are
)

// String is its word.
func (o Outcome) String() string {
	return [...]string{"proved", "refused", "other_version", "foreign", "broken_off", "turned_away"}[o]
}

// outcomeOf is what an error of letIn means.
func outcomeOf(err error) Outcome {
	switch {
	case err == nil:
		return Proved
	case errors.Is(err, ErrAuth):
		return Refused
	}
	return BrokenOff
}

// met tells what became of a connection that came at that time.
func (l *Listener) met(o Outcome, since time.Time) {
	if l.cfg.Met != nil {
		l.cfg.Met(o, time.Since(since))
	}
}

// Pending is how many connections there are that have proved nothing, and how many there
// may be.
func (l *Listener) Pending() (now, limit int) {
	l.new.mu.Lock()
	defer l.new.mu.Unlock()
	return len(l.new.list), l.new.limit
}

// Closed says whether the port is closed.
func (l *Listener) Closed() bool { return l.ctx.Err() != nil }
