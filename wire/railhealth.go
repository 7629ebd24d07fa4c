package wire

// FeatureRails: a client that fetches knows RailHealth.
const FeatureRails = "rails"

// RailHealth is a server's word on a rail of the client's that it sends over: it alone sees that one
// is slow beside the others. It says so when that changes, and of each rail once before Done.
type RailHealth struct {
	Rail     string    `cbor:"1,keyasint"`           // the client's; its streams may end at any of the server's
	Best     string    `cbor:"2,keyasint,omitempty"` // the one that it is compared with
	Event    RailEvent `cbor:"3,keyasint,omitempty"` // why this is said
	State    uint8     `cbor:"4,keyasint,omitempty"` // 0: it carries what it takes; 1: less; 2: nothing but probes
	Part     uint32    `cbor:"5,keyasint,omitempty"` // its rate, of that of Best, millionths; 0: nobody has judged
	Expected bool      `cbor:"6,keyasint,omitempty"` // its link is that much slower
	Rate     uint64    `cbor:"7,keyasint,omitempty"` // bytes per second that it had something to carry
	Latency  int64     `cbor:"8,keyasint,omitempty"` // from a frame until its result, ns
	Slow     int64     `cbor:"9,keyasint,omitempty"` // for which it was given less than it takes, ns
}

// RailEvent is why a RailHealth is said.
type RailEvent uint8

// The events.
const (
	RailTold    RailEvent = iota // of all rails, once all is sent
	RailChanged                  // its state has
	RailLasts                    // it has been slow for some time
)

// MaxRailState and FullPart bound State and Part.
const (
	MaxRailState = 2
	FullPart     = 1_000_000
)

func (m *RailHealth) validate() error {
	return first(
		check{!word(m.Rail) || !word(m.Best), "name of a rail too long or not UTF-8"},
		check{m.Event > RailLasts, "unknown event of a rail"},
		check{m.State > MaxRailState || m.Part > FullPart, "no state of a rail"},
		check{m.Latency < 0 || m.Latency > MaxSpent || m.Slow < 0 || m.Slow > MaxSpent, "more time than there is"},
	)
}
