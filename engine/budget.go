package engine

import (
	"cmp"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"scp_rdma/transport"
)

const (
	// leastSlots: with fewer a stream can't fill one while another is written, so that it
	// is not opened.
	leastSlots = 2
	// floorSlots: so many each session can have, however many there are. Two more than
	// leastSlots cover the way of a credit back.
	floorSlots = 4
	// idleAfter: a stream without a frame for so long does without most of its slots. A
	// source that is walked, or files that are compared, seldom pause for longer.
	idleAfter = 5 * time.Second
	// endsWithin: a stream that was told to end ends with the frame that it is at. Others
	// are told to if that takes longer, before who waits for it gives up (leaseWait).
	endsWithin = leaseWait / 2
)

// budget spends bytes of slots on the streams of many sessions. A session has a right to
// its share, which is smaller the more of them there are, and has what nobody needs beyond
// that. Who has a right gets it from those that have more: one of their streams is told to
// end, and may come again with less. No lease ever changes its size.
//
// It is pure but for the word to streams that are to end: the time is handed in, nobody
// waits here, and one goroutine at a time may call it.
type budget struct {
	limit    int64
	used     int64 // leased, and set aside for those who can't give anything back
	aside    int64 // the latter alone
	spenders []*spender
	queue    []*lease // have a right, and wait for others to end; in the order they came
	owed     int64    // what the queue will get
	ceded    uint64   // leases that were told to make room
}

// spender is one session.
type spender struct {
	leases []*lease // those that were told to end included
	owed   int64    // what it will get
}

// lease is the slots of one stream; before it is granted, what was asked for.
type lease struct {
	of     *spender
	stream uint32
	slots  int   // granted; before, wanted
	each   int64 // bytes of one
	whole  bool  // less is not wanted: the answer is only how much there is
	leaves bool  // it was told to end, or is replaced; since then
	since  time.Time
	// stop tells its stream to end, and with how many slots it may come again; 0: not at
	// once. It must not wait.
	stop func(slots int)
	// told gets one answer: how many slots are granted, or, of a lease that is wanted whole,
	// would be. 0: none.
	told chan int
	last atomic.Int64 // when it had a frame last, ns since 1970; working: it has one
}

// working is lease.last of a stream with a frame in hand.
const working = math.MaxInt64

// newLease is a lease of so many slots to ask for.
func newLease(stream uint32, slots, slotSize int, stop func(slots int)) *lease {
	return &lease{stream: stream, slots: slots, each: int64(slotSize) + transport.HeadRoom, stop: stop, told: make(chan int, 1)}
}

// busy notes that the stream has a frame in hand; rest that it hasn't any more. A nil lease
// is of a stream that nobody counts.
func (l *lease) busy() {
	if l != nil {
		l.last.Store(working)
	}
}

func (l *lease) rest(now time.Time) {
	if l != nil {
		l.last.Store(now.UnixNano())
	}
}

func (l *lease) size() int64 { return int64(l.slots) * l.each }

func (l *lease) idle(now time.Time) bool {
	last := l.last.Load()
	return last != working && now.UnixNano()-last > int64(idleAfter)
}

// late says that a lease was told to end, and should have.
func (l *lease) late(now time.Time) bool { return l.leaves && now.Sub(l.since) >= endsWithin }

// held is what a session has, without what it will give back soon, and of how many streams
// that were not told to end.
func (s *spender) held(now time.Time) (n int64, leases int) {
	for _, l := range s.leases {
		if !l.leaves || l.late(now) {
			n += l.size()
		}
		if !l.leaves {
			leases++
		}
	}
	return n, leases
}

// join enters a session. least is what it must be able to have; false: it can't.
func (b *budget) join(least int64) (*spender, bool) {
	if (b.limit-b.aside)/int64(len(b.spenders)+1) < least {
		return nil, false
	}
	s := &spender{}
	b.spenders = append(b.spenders, s)
	return s, true
}

// leave takes a session out whose leases have ended.
func (b *budget) leave(s *spender, now time.Time) {
	b.spenders = slices.DeleteFunc(b.spenders, func(o *spender) bool { return o == s })
	b.settle(now)
}

// set takes a session's part out of the budget until it is given back, and the session with
// it: of one that can't be told to make room. Between least and most bytes; 0: not so much is
// left.
func (b *budget) set(s *spender, least, most int64) int64 {
	left := b.limit - b.used - b.owed
	n := min(most, max(left/4, b.share(), least), left)
	if n < least {
		return 0
	}
	b.used += n
	b.aside += n
	b.spenders = slices.DeleteFunc(b.spenders, func(o *spender) bool { return o == s })
	return n
}

// giveBack ends what set began; leave has to follow.
func (b *budget) giveBack(n int64) {
	b.used -= n
	b.aside -= n
}

// change has another limit hold. What is leased stays so.
func (b *budget) change(limit int64, now time.Time) {
	b.limit = limit
	b.settle(now)
}

// share is what each session has a right to, bytes.
func (b *budget) share() int64 {
	return max(b.limit-b.aside, 0) / int64(max(len(b.spenders), 1))
}

// ask has a lease answered: at once, or when others have ended. An older one of the same
// stream is on its way out.
func (b *budget) ask(l *lease, now time.Time) {
	for _, o := range l.of.leases {
		if o.stream == l.stream {
			o.sendOff(now)
		}
	}
	b.queue = append(b.queue, l)
	b.settle(now)
}

// end ends a lease, or the wait for one. Another call changes nothing.
func (b *budget) end(l *lease, now time.Time) {
	if i := slices.Index(l.of.leases, l); i >= 0 {
		l.of.leases = slices.Delete(l.of.leases, i, i+1)
		b.used -= l.size()
	}
	b.queue = slices.DeleteFunc(b.queue, func(o *lease) bool { return o == l })
	b.settle(now)
}

// settle answers those who wait, as far as there is room.
func (b *budget) settle(now time.Time) {
	b.owed = 0
	for _, l := range b.queue {
		l.of.owed = 0
	}
	share := b.share()
	waits := b.queue[:0]
	for _, l := range b.queue {
		held, _ := l.of.held(now)
		due := max(share-held-l.of.owed, 0) / l.each
		if held+l.of.owed == 0 { // more than its share only if the budget has shrunk since it began
			due = max(due, leastSlots)
		}
		due = min(due, int64(l.slots))
		left := b.limit - b.used - b.owed
		n := max(due, min(int64(l.slots), max(left, 0)/l.each))
		few := n < int64(min(leastSlots, l.slots))
		if !few && n*l.each > left && !(l.whole && n < int64(l.slots)) {
			if b.makeRoom(l.of, held == 0, n*l.each-left, now) {
				waits = append(waits, l)
				b.owed += n * l.each
				l.of.owed += n * l.each
				continue
			}
			n = max(left, 0) / l.each
		}
		if few = n < int64(min(leastSlots, l.slots)); few {
			n = 0
		}
		b.answer(l, int(n), now)
	}
	clear(b.queue[len(waits):])
	b.queue = waits
}

// answer says that n slots are granted, or would be.
func (b *budget) answer(l *lease, n int, now time.Time) {
	if n == l.slots || n > 0 && !l.whole {
		l.slots = n
		l.last.Store(now.UnixNano())
		l.of.leases = append(l.of.leases, l)
		b.used += l.size()
	}
	l.told <- n // room for one, and each lease is answered once
}

// makeRoom tells streams to end until need bytes will come free for a session, those included
// that were told before. false: so much will not. starves: it has nothing at all.
func (b *budget) makeRoom(asks *spender, starves bool, need int64, now time.Time) bool {
	soon, late := b.leaving(now)
	for need -= soon; need > 0; {
		v, keep := b.victim(asks, starves, now)
		if v == nil {
			return need <= late
		}
		v.sendOff(now)
		need -= v.size()
		if !starves {
			need += int64(keep) * v.each // which it will ask for again
		}
		b.ceded++
		v.stop(keep)
	}
	return true
}

// sendOff notes that a lease will end.
func (l *lease) sendOff(now time.Time) {
	if !l.leaves {
		l.leaves, l.since = true, now
	}
}

// leaving is what those will give back that were told to end. One that is late may be at a
// disk that hangs.
func (b *budget) leaving(now time.Time) (soon, late int64) {
	for _, s := range b.spenders {
		for _, l := range s.leases {
			switch {
			case l.late(now):
				late += l.size()
			case l.leaves:
				soon += l.size()
			}
		}
	}
	return soon, late
}

// victim finds the stream that can do with less more easily than any other: an idle one, else
// of the session that has most, and of its streams the one that is enough. keep is how many slots it may
// come again with. Unless the one that asks has nothing at all, those that have little more
// than their share keep it, for each that ends carries something twice.
func (b *budget) victim(asks *spender, starves bool, now time.Time) (best *lease, keep int) {
	share := b.share()
	var most struct {
		idle bool
		over int64
	}
	for _, s := range b.spenders {
		held, streams := s.held(now)
		over := held - share
		for _, l := range s.leases {
			if l.leaves || s == asks {
				continue
			}
			n, idle := l.slots, l.idle(now) && l.slots > leastSlots
			if idle {
				n = leastSlots
			}
			if over > 0 && (starves || over > share/4) {
				n = min(n, l.without(over, held, streams))
			}
			if streams == 1 {
				n = max(n, leastSlots)
			}
			if n >= l.slots {
				continue
			}
			if best == nil || cmp.Or(compareTruth(idle, most.idle), cmp.Compare(over, most.over), l.fits(best, over)) > 0 {
				best, keep, most.idle, most.over = l, n, idle, over
			}
		}
	}
	return best, keep
}

// without is how many slots a stream may keep of a session that has so much too much of what
// it holds: none where that would be few, and the others have enough.
func (l *lease) without(over, held int64, streams int) int {
	n := int(max(l.size()-over, 0) / l.each)
	if n < floorSlots && streams > 1 && (n < leastSlots || held-l.size() >= floorSlots*l.each) {
		return 0
	}
	return n
}

// fits compares how well it would do for a session that has so much too much if a stream
// ended, with another of the same: the smallest that is enough is best, and else the largest.
func (l *lease) fits(o *lease, over int64) int {
	a, b := l.size(), o.size()
	if a >= over && b >= over {
		return cmp.Compare(b, a)
	}
	return cmp.Compare(a, b)
}

// compareTruth is cmp.Compare for truth.
func compareTruth(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
