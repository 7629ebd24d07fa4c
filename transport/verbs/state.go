package verbs

// state is where a stream is in its life.
type state uint8

const (
	opened  state = iota + 1 // QP in INIT, receives posted
	proving                  // QP in RTS, the peer's Hello is awaited
	open                     // frames and credits
	ending                   // Done was said: by us as a sender, to us as a receiver
	dead                     // QP in ERR, or on its way
	freed                    // drained and destroyed
	states
)

// step is what moves a stream on.
type step uint8

const (
	connects step = iota + 1 // the QP was brought to RTS
	proves                   // the peer's Hello is right
	ends                     // Done
	fails                    // an error, or Close
	drains                   // nothing is posted any more
	steps
)

// next is the table of all moves; false: there is no such move.
func (s state) next(e step) (state, bool) {
	table := [states][steps]state{
		opened:  {connects: proving, fails: dead},
		proving: {proves: open, fails: dead},
		open:    {ends: ending, fails: dead},
		ending:  {fails: dead},
		dead:    {fails: dead, drains: freed},
	}
	if s >= states || e >= steps || table[s][e] == 0 {
		return s, false
	}
	return table[s][e], true
}

// talks says whether CDCs may be posted.
func (s state) talks() bool { return s == open || s == ending }
