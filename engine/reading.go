package engine

import (
	"time"

	"scp_rdma/control"
)

// Reading is what a Meter shows at one moment. Counts only grow, but for those of what
// is there now.
type Reading struct {
	Sessions []SessionReading // that run, oldest first
	Last     []EndedSession   // those that ended last, newest last
	Rails    []RailReading    // those that carried something since the start
	Begun    [2]uint64        // sessions, by Direction
	Ended    [2]map[Kind]uint64
	Files    [2]FileCounts
	Quota    QuotaReading

	Met                 [control.Outcomes]uint64 // connections, by what became of them
	TurnedAway          uint64                   // clients that were told to come later
	Pending, MaxPending int                      // connections that have proved no key, now and at most

	Commit     Histogram    // of a file: what giving it its name takes
	Turnaround [2]Histogram // of a slot: receiving, until it is written and released; sending, until it is read and sent
	CreditWait Histogram    // sending: how long the next slot is waited for
	Greeting   Histogram    // from a client's proof until its session begins
	Handshake  Histogram    // from connecting to the proof
}

// RailReading is what one rail carried, in one direction.
type RailReading struct {
	Transport, Name string
	Direction       Direction
	Bytes, Frames   uint64
	Broken          uint64        // streams
	Waited          time.Duration // sending: for credits; receiving: for frames; of all streams
	Streams         int           // joined now

	RailHealth // sending: as of the session that is worst off with it
}

// QuotaReading is what sessions have booked of a Quota.
type QuotaReading struct {
	Sessions, MaxSessions int
	Memory, MaxMemory     int64  // bytes of slots
	Ceded                 uint64 // streams that were ended to make room for other sessions, ever
}

// FileCounts is what became of files.
type FileCounts struct {
	Done, Failed, Skipped uint64
	Bytes                 uint64 // sizes of those done
	Damaged               uint64 // frames that did not verify
}

func (c *FileCounts) add(o FileCounts) {
	c.Done += o.Done
	c.Failed += o.Failed
	c.Skipped += o.Skipped
	c.Bytes += o.Bytes
	c.Damaged += o.Damaged
}

// SessionReading is one session that runs.
type SessionReading struct {
	SessionInfo
	Snapshot              // of what was announced so far
	FileCounts            // of what has its result
	Slots, SlotsInUse int // of streams that are joined
	Queues            Queues
}

// Queues is how much of a session waits at each place.
type Queues struct {
	Entries int // receiving: announced, and not looked at yet
	Answers int // receiving: answers and results not handed to control yet
	Files   int // open: announced or begun, without a result
	Units   int // sending: sent, without a result
	Control int // bytes queued on the control connection
}

// EndedSession is one that is over.
type EndedSession struct {
	SessionInfo
	Started, At time.Time
	Files       FileCounts
	Kind        Kind
	Error       string // "": none
}

// meter is what sessions count with, whether somebody reads it or not.
func (c *ServeConfig) meter() *Meter {
	if c.Meter == nil {
		return NewMeter()
	}
	return c.Meter
}

// tellStarted: the session has a target, or something to send.
func (r *receiver) tellStarted() {
	r.meter.start(r)
	if r.cfg.Observer != nil {
		r.cfg.Observer.Started(r.info())
	}
}

// Direction is which way its files go.
func (s SessionInfo) Direction() Direction {
	if s.Sends {
		return Sending
	}
	return Receiving
}

// direction is which way its files go.
func (r *receiver) direction() Direction {
	if r.asked != nil {
		return Sending
	}
	return Receiving
}

// reading is a session that has begun.
func (r *receiver) reading() SessionReading {
	out := SessionReading{SessionInfo: r.info(), FileCounts: r.fileCounts()}
	if s := r.giving.sender; s != nil {
		out.Snapshot = s.snapshot()
		out.Slots, out.SlotsInUse = s.slotsJoined.read()
		s.mu.Lock()
		out.Queues.Files, out.Queues.Units = len(s.open), len(s.units)
		s.mu.Unlock()
	} else {
		out.Snapshot = r.snapshot()
		out.Slots, out.SlotsInUse = r.slotsJoined.read()
		out.Queues = Queues{Entries: r.queue.length(), Answers: r.out.length()}
		r.mu.Lock()
		out.Queues.Files = len(r.files)
		r.mu.Unlock()
	}
	out.Queues.Control = r.conn.Queued()
	return out
}

// fileCounts is what became of the files of a session.
func (r *receiver) fileCounts() FileCounts {
	if s := r.giving.sender; s != nil {
		c := &s.count
		return FileCounts{Done: c.okFiles.Load(), Failed: c.failed.Load(), Skipped: c.skipped.Load(), Bytes: c.okBytes.Load(), Damaged: c.damaged.Load()}
	}
	t := &r.totals
	return FileCounts{Done: t.files.Load(), Failed: t.failed.Load(), Skipped: t.skipped.Load(), Bytes: t.bytes.Load(), Damaged: t.damaged.Load()}
}

// railReadings is what its rails have carried. begun: it may be one that sends.
func (r *receiver) railReadings(begun bool) []RailReading {
	var list []RailReading
	add := func(c *railCount, way Direction, well RailHealth) {
		if c.frames.Load() == 0 && c.streams.Load() == 0 {
			return
		}
		list = append(list, RailReading{
			Transport: c.transport, Name: c.name, Direction: way, Bytes: c.bytes.Load(), Frames: c.frames.Load(),
			Broken: c.broken.Load(), Waited: time.Duration(c.waited.Load()), Streams: int(c.open.Load()), RailHealth: well,
		})
	}
	if in := r.watched.Load(); in != nil {
		in.mu.Lock()
		for _, c := range in.rails {
			add(c, Receiving, RailHealth{})
		}
		in.mu.Unlock()
	}
	if begun && r.giving.sender != nil { // not before: it is not there yet
		s := r.giving.sender
		if ways := s.watched.Load(); ways != nil {
			for _, way := range ways.all {
				for _, l := range way.lanes {
					add(l.count, Sending, s.healthOf(l.count))
				}
			}
		}
	}
	return list
}

// length is how many entries wait to be looked at.
func (q *admitQueue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.held
}

// length is how much waits to be said.
func (o *outbox) length() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.answers) + len(o.results.Units) + len(o.results.Corrupt) + len(o.results.List) + len(o.fences)
}
