package engine

import "time"

// RailState is what a rail is given.
type RailState uint8

// What a rail may be given. Only what it does beside the others of its session counts: of a
// session with one rail that one carries, whatever it does.
const (
	RailCarries RailState = iota // as much as it takes
	RailLess                     // what it brings home while the others do theirs
	RailNone                     // nothing, but for a small unit now and then to see whether it is well again
)

// String is its word.
func (s RailState) String() string {
	switch s {
	case RailLess:
		return "less"
	case RailNone:
		return "none"
	case RailCarries:
	}
	return "carries"
}

// RailHealth is what a sender makes of a rail.
type RailHealth struct {
	State   RailState
	Rate    float64       // frame data, bytes per second that it has something to carry; lately
	Latency time.Duration // from handing a frame over until its result is there; lately
	Part    float64       // its rate, of that of the best rail of its session; 0: nobody has judged
	Slow    time.Duration // for how long it was given less than it takes
}

// join makes of it what is to be said of two sessions: the rates together, and the worst else.
func (h *RailHealth) join(o RailHealth) {
	h.State = max(h.State, o.State)
	h.Rate += o.Rate
	h.Latency = max(h.Latency, o.Latency)
	h.Slow += o.Slow
	if o.Part > 0 && (h.Part == 0 || o.Part < h.Part) {
		h.Part = o.Part
	}
}

// RailChange is that a rail is given less, or again as much as it takes; or that it goes on
// being given less.
type RailChange struct {
	Rail, Best string
	State      RailState
	Part       float64 // its rate, of that of the best
	Expected   bool    // its link is that much slower: it is as well as it can be
	Lasts      bool    // nothing has changed: it has been so for some time

	rail, best *railHealth // at the side that judges
}
