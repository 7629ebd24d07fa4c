package engine

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"scp_rdma/wire"
)

// Doing is what the worker of a stream does, or waits for.
type Doing uint8

// What workers do. Of one that waits while others work nothing is the cause: it is spare.
// Where all wait at once the sender knows whether nothing more was found yet, or the
// receiver has to say something first.
const (
	DoingJoin    Doing = iota // its stream is opened, or tried again
	DoingIdle                 // has nothing to do
	DoingCredits              // sender: waits for room at the receiver
	DoingWalk                 // sender: none had anything to do because nothing more was found yet
	DoingAnswers              // sender: none had anything to do until the receiver said something
	DoingRead                 // sender: reads the source
	DoingSum                  // either: sums, seals, opens, checks
	DoingLimit                // either: waits as a limit of the rate has it
	DoingSend                 // sender: hands a frame to its transport
	DoingFrames               // receiver: waits for a frame; as a sum, while all do
	DoingWrite                // receiver: writes a range of a file
	DoingFiles                // receiver: makes files, and gives them their names
	DoingEnd                  // its stream has ended as it should
	numDoing
)

// Spent is for how long workers did what, all of them together.
type Spent [numDoing]time.Duration

// Sum is all of it, but for what was idle or came after the end.
func (s *Spent) Sum() time.Duration {
	var sum time.Duration
	for d, n := range s {
		if Doing(d) != DoingIdle && Doing(d) != DoingEnd {
			sum += n
		}
	}
	return sum
}

// add counts another's in.
func (s *Spent) add(o *Spent) {
	for i := range s {
		s[i] += o[i]
	}
}

// clock is the account of one worker, which alone changes it; whoever else reads it
// meanwhile may miss what was just counted. A change of what is done costs one look at the
// time, 80 ns in all (BenchmarkClock, on a host with a tsc clock); a frame has four of them at its
// sender and three at its receiver, and its system calls take thousands. A nil one counts nothing.
type clock struct {
	base  time.Time
	doing atomic.Uint32
	since atomic.Int64 // ns from base
	spent [numDoing]atomic.Int64

	// For those who watch.
	bytes atomic.Uint64
	rail  atomic.Pointer[string]
	joins atomic.Uint32
}

// newClock begins with DoingJoin. base is the time that all clocks of a session count from.
func newClock(base time.Time) *clock {
	c := &clock{base: base}
	c.since.Store(int64(time.Since(base)))
	return c
}

// to says what is done from now on.
func (c *clock) to(d Doing) {
	if c == nil || c.now() == d {
		return
	}
	now := int64(time.Since(c.base))
	before, took := c.now(), now-c.since.Load()
	c.doing.Store(uint32(d))
	c.since.Store(now)
	c.spent[before].Add(took)
}

// now is what is done now.
func (c *clock) now() Doing { return Doing(c.doing.Load()) }

// at is what was spent on something until now.
func (c *clock) at(d Doing, now int64) int64 {
	n := c.spent[d].Load()
	if c.now() == d {
		n += max(now-c.since.Load(), 0)
	}
	return n
}

// read is the account until now.
func (c *clock) read() Spent {
	var s Spent
	now := int64(time.Since(c.base))
	for d := range numDoing {
		s[d] = time.Duration(c.at(d, now))
	}
	return s
}

// joined notes that the worker's stream runs, and on which rail.
func (c *clock) joined(rail string) {
	c.rail.Store(&rail)
	c.joins.Add(1)
}

// report is the account for whoever watches.
func (c *clock) report(stream uint32) StreamReport {
	r := StreamReport{Stream: stream, Bytes: c.bytes.Load(), Doing: c.now(), Spent: c.read(), Joined: int(c.joins.Load())}
	if rail := c.rail.Load(); rail != nil {
		r.Rail = *rail
	}
	return r
}

// crowd tells for how long all workers that run waited at once: that is lost, whatever the
// others could have done.
type crowd struct {
	base time.Time
	walk *clock // of a sender: who finds what it is to send; it is at DoingWalk, or does something else

	mu               sync.Mutex
	running, waiting int
	most             int   // ran at once
	since, walked    int64 // from when all wait, and what walk had spent by then; -1: not all do
	lost, walking    int64 // for how long all did; of that, while walk was at it
}

func newCrowd(base time.Time, walk *clock) *crowd { return &crowd{base: base, walk: walk, since: -1} }

// change says by how many more run, and wait.
func (c *crowd) change(running, waiting int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running += running
	c.waiting += waiting
	c.most = max(c.most, c.running)
	all := c.running > 0 && c.waiting >= c.running
	if all == (c.since >= 0) {
		return
	}
	now := int64(time.Since(c.base))
	if !all {
		c.lost, c.walking = c.until(now)
		c.since = -1
		return
	}
	c.since = now
	if c.walk != nil {
		c.walked = c.walk.at(DoingWalk, now)
	}
}

// until is for how long all waited; c.mu is held.
func (c *crowd) until(now int64) (lost, walking int64) {
	if c.since < 0 {
		return c.lost, c.walking
	}
	took, found := now-c.since, int64(0)
	if c.walk != nil {
		found = min(max(c.walk.at(DoingWalk, now)-c.walked, 0), took)
	}
	return c.lost + took, c.walking + found
}

// read is for how long all waited, times the workers that there were.
func (c *crowd) read() (lost, walking time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l, w := c.until(int64(time.Since(c.base)))
	return time.Duration(l) * time.Duration(c.most), time.Duration(w) * time.Duration(c.most)
}

// clocks are those of a sender's workers, by stream; for several goroutines at once.
type clocks struct{ list atomic.Pointer[[]*clock] }

// begin makes n.
func (cs *clocks) begin(n int, base time.Time) {
	list := make([]*clock, n)
	for i := range list {
		list[i] = newClock(base)
	}
	cs.list.Store(&list)
}

// of is the clock of a stream; nil before begin.
func (cs *clocks) of(stream uint32) *clock {
	if l := cs.list.Load(); l != nil && int(stream) < len(*l) {
		return (*l)[stream]
	}
	return nil
}

// reports are those of all streams.
func (cs *clocks) reports() []StreamReport {
	l := cs.list.Load()
	if l == nil {
		return nil
	}
	var all []StreamReport
	for i, c := range *l {
		all = append(all, c.report(uint32(i)))
	}
	return all
}

// spent is the account of a sender.
func (s *sender) spent() Spent {
	var sum Spent
	for _, r := range s.clocks.reports() {
		sum.add(&r.Spent)
	}
	lost, walking := s.crowd.read()
	sum[DoingWalk], sum[DoingAnswers] = walking, lost-walking
	sum[DoingIdle] = max(sum[DoingIdle]-lost, 0)
	return sum
}

// toSpent is the account as it travels.
func toSpent(s Spent) wire.Spent {
	ns := func(d Doing) uint64 { return min(uint64(max(s[d], 0)), wire.MaxSpent) }
	return wire.Spent{
		Join: ns(DoingJoin), Credits: ns(DoingCredits), Walk: ns(DoingWalk), Answers: ns(DoingAnswers), Read: ns(DoingRead),
		Sum: ns(DoingSum), Limit: ns(DoingLimit), Send: ns(DoingSend), Frames: ns(DoingFrames), Write: ns(DoingWrite), Files: ns(DoingFiles),
	}
}

// spentOf is what the other side says.
func spentOf(w wire.Spent) Spent {
	var s Spent
	for d, ns := range map[Doing]uint64{
		DoingJoin: w.Join, DoingCredits: w.Credits, DoingWalk: w.Walk, DoingAnswers: w.Answers, DoingRead: w.Read,
		DoingSum: w.Sum, DoingLimit: w.Limit, DoingSend: w.Send, DoingFrames: w.Frames, DoingWrite: w.Write, DoingFiles: w.Files,
	} {
		s[d] = time.Duration(ns)
	}
	return s
}

// inClocks are the clocks of a receiver's workers. Those of streams that have ended are
// only a sum, for a peer may open streams without end.
type inClocks struct {
	ended   Spent
	running []inClock
	crowd   *crowd
}

type inClock struct {
	key streamKey
	*clock
}

func (in *inClocks) begin(key streamKey, base time.Time) *clock {
	c := newClock(base)
	in.running = append(in.running, inClock{key, c})
	return c
}

func (in *inClocks) end(key streamKey) {
	in.running = slices.DeleteFunc(in.running, func(c inClock) bool {
		if c.key != key {
			return false
		}
		c.to(DoingEnd)
		s := c.read()
		in.ended.add(&s)
		return true
	})
}

func (in *inClocks) spent() Spent {
	sum := in.ended
	for _, c := range in.running {
		s := c.read()
		sum.add(&s)
	}
	// Who waits for frames while others have some is spare.
	lost, _ := in.crowd.read()
	all := sum[DoingFrames]
	sum[DoingFrames] = min(all, lost)
	sum[DoingIdle] += all - sum[DoingFrames]
	return sum
}

func (in *inClocks) reports() []StreamReport {
	var all []StreamReport
	for _, c := range in.running {
		all = append(all, c.report(c.key.stream))
	}
	slices.SortFunc(all, func(a, b StreamReport) int { return int(a.Stream) - int(b.Stream) })
	return all
}
