package model

// rail carries segments of its streams in turns, each at its rate, and has them
// arrive after its delay. What a stream sends arrives in order.
type rail struct {
	run    *run
	busy   bool
	turn   int // whose turn it is
	lanes  []*lane
	loaded instant // time spent carrying
}

// lane is what one stream has on a rail.
type lane struct {
	rail *rail
	out  []message

	// Where the kernel carries: what may be unacknowledged, and is. buffered counts what
	// the kernel took and the peer's did not acknowledge, on the wire or not.
	window   int64
	unacked  int64
	buffered int64
	admitted func() // waits until the kernel has taken the message at hand
	pending  int64  // bytes that it has not taken
}

// message is a frame, or a word without data.
type message struct {
	left   int // bytes that are not on the wire
	arrive func()
	acked  func() // nil: nobody asks
}

// send queues a message. admitted is called when there is nothing more of it that
// the sender has to hold.
func (l *lane) send(m message, admitted func()) {
	l.out = append(l.out, m)
	l.pending, l.admitted = int64(m.left), admitted
	l.admit()
	l.rail.kick()
}

// admit lets the kernel take what it has room for. A device takes all at once.
func (l *lane) admit() {
	if l.window == 0 {
		l.pending = 0
	} else {
		n := min(l.pending, max(l.rail.run.cfg.Window-l.buffered, 0))
		l.buffered += n
		l.pending -= n
	}
	if then := l.admitted; then != nil && l.pending == 0 {
		l.admitted = nil
		l.rail.run.clock.after(0, then)
	}
}

// ready is how much of its next message the lane may put on the wire; -1: nothing.
// A word without data goes when it is its turn.
func (l *lane) ready() int {
	if len(l.out) == 0 {
		return -1
	}
	n := min(l.out[0].left, l.rail.run.cfg.Segment)
	if l.window == 0 || n == 0 {
		return n
	}
	n = int(min(int64(n), l.rail.run.cfg.Window))
	// Of the last message what the kernel has not taken is not there yet; what there is
	// goes in whole segments, but for the last.
	if len(l.out) == 1 && int64(l.out[0].left)-l.pending < int64(n) || l.unacked+int64(n) > l.window && l.unacked > 0 {
		return -1
	}
	return n
}

// kick has the rail carry the next segment, if there is one and it is idle.
func (r *rail) kick() {
	if r.busy {
		return
	}
	for range r.lanes {
		l := r.lanes[r.turn]
		r.turn = (r.turn + 1) % len(r.lanes)
		if n := l.ready(); n >= 0 {
			r.carry(l, n)
			return
		}
	}
}

func (r *rail) carry(l *lane, n int) {
	m := &l.out[0]
	m.left -= n
	l.unacked += int64(n)
	whole := m.left == 0
	arrive, acked := m.arrive, m.acked
	if whole {
		l.out = l.out[1:]
	}
	span := spanAt(n, r.run.cfg.Rate)
	r.loaded += span
	r.busy = true
	delay := spanOf(r.run.cfg.Delay)
	r.run.clock.after(span, func() {
		r.busy = false
		r.run.clock.after(delay, func() {
			r.run.clock.after(delay, func() { l.ack(n, whole, acked) })
			if whole {
				arrive()
			}
		})
		r.kick()
	})
}

// ack takes the word of the peer's kernel, or device.
func (l *lane) ack(n int, whole bool, acked func()) {
	l.unacked -= int64(n)
	if l.window > 0 {
		l.buffered -= int64(n)
		l.window = min(l.window+int64(n), l.rail.run.cfg.Window)
		l.admit()
		l.rail.kick()
	}
	if whole && acked != nil {
		acked()
	}
}
