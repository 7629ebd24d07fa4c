package engine

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"scp_rdma/control"
)

// Meter counts what a server does, for whoever watches it. Sessions count for themselves,
// as they do without one; it asks those that run, and keeps what those that ended had.
// All methods may be called at any time and from any goroutine.
type Meter struct {
	commit, credit, greeting, handshake histogram
	turnaround                          [2]histogram // by direction
	met                                 [control.Outcomes]atomic.Uint64
	turnedAway                          atomic.Uint64

	mu    sync.Mutex
	live  map[*receiver]bool // true: it is a session, with a target or something to send
	begun [2]uint64
	ended map[endKey]uint64
	rails map[railKey]RailReading // of sessions that ended
	files [2]FileCounts           // the same
	last  []EndedSession          // newest last
	quota *quota
	door  func() (now, limit int)
}

// NewMeter makes a meter for one Serve.
func NewMeter() *Meter {
	return &Meter{live: map[*receiver]bool{}, ended: map[endKey]uint64{}, rails: map[railKey]RailReading{}}
}

// Direction is which way the files of a session go, seen from the server.
type Direction uint8

// The two directions.
const (
	Receiving Direction = iota
	Sending
)

// String is its word.
func (d Direction) String() string {
	if d == Sending {
		return "send"
	}
	return "receive"
}

type endKey struct {
	way  Direction
	kind Kind
}

type railKey struct {
	transport, rail string
	way             Direction
}

// lastEnded: so many sessions that ended are remembered: a night's worth of a
// server that works, and the errors of one that doesn't.
const lastEnded = 20

// Met counts what became of a connection before it was a session: control.ListenConfig.Met.
func (m *Meter) Met(o control.Outcome, took time.Duration) {
	m.met[o].Add(1)
	if o == control.Proved {
		m.handshake.add(took)
	}
}

// watch has the meter know what is booked, and how many knock.
func (m *Meter) watch(q *quota, door func() (now, limit int)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.quota, m.door = q, door
}

// enter counts a session in that has not said yet what it wants.
func (m *Meter) enter(r *receiver) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.live[r] = false
}

// start: it has, and may have it.
func (m *Meter) start(r *receiver) {
	m.greeting.add(time.Since(r.started))
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.live[r]; ok { // not one of a client that fetches
		m.live[r] = true
		m.begun[r.direction()]++
	}
}

// leave counts it out; what it counted stays.
func (m *Meter) leave(r *receiver, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	shown := m.live[r]
	delete(m.live, r)
	list := r.railReadings(shown)
	for i := range list {
		list[i].Streams, list[i].RailHealth = 0, RailHealth{}
	}
	addRailReadings(m.rails, list)
	if !shown {
		return
	}
	way, files := r.direction(), r.fileCounts()
	m.files[way].add(files)
	m.ended[endKey{way, kindOf(err)}]++
	e := EndedSession{SessionInfo: r.info(), At: time.Now(), Started: r.started, Files: files, Kind: kindOf(err)}
	if err != nil {
		e.Error = clip(err.Error())
	}
	if len(m.last) == lastEnded {
		m.last = slices.Delete(m.last, 0, 1)
	}
	m.last = append(m.last, e)
}

// Read is the state now.
func (m *Meter) Read() Reading {
	out := Reading{
		Commit: m.commit.read(), CreditWait: m.credit.read(), Greeting: m.greeting.read(), Handshake: m.handshake.read(),
		TurnedAway: m.turnedAway.Load(),
	}
	for i := range m.met {
		out.Met[i] = m.met[i].Load()
	}
	for way := range out.Turnaround {
		out.Turnaround[way] = m.turnaround[way].read()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	out.Begun, out.Files = m.begun, m.files
	out.Ended = [2]map[Kind]uint64{{}, {}}
	for k, n := range m.ended {
		out.Ended[k.way][k.kind] = n
	}
	out.Last = slices.Clone(m.last)
	rails := map[railKey]RailReading{}
	for k, c := range m.rails {
		rails[k] = c
	}
	for r, shown := range m.live {
		addRailReadings(rails, r.railReadings(shown))
		if !shown {
			continue
		}
		s := r.reading()
		out.Files[s.Direction()].add(s.FileCounts)
		out.Sessions = append(out.Sessions, s)
	}
	for _, c := range rails {
		out.Rails = append(out.Rails, c)
	}
	slices.SortFunc(out.Sessions, func(a, b SessionReading) int { return a.Started.Compare(b.Started) })
	slices.SortFunc(out.Rails, func(a, b RailReading) int {
		return cmp.Or(cmp.Compare(a.Transport, b.Transport), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Direction, b.Direction))
	})
	if m.quota != nil {
		out.Quota = m.quota.read()
	}
	if m.door != nil {
		out.Pending, out.MaxPending = m.door()
	}
	return out
}

// read is what is booked now.
func (q *quota) read() QuotaReading {
	q.mu.Lock()
	defer q.mu.Unlock()
	return QuotaReading{Sessions: q.sessions, MaxSessions: q.Sessions, Memory: q.budget.used, MaxMemory: q.Memory, Ceded: q.budget.ceded}
}

// addRailReadings counts rails to those of the same name.
func addRailReadings(to map[railKey]RailReading, list []RailReading) {
	for _, c := range list {
		k := railKey{c.Transport, c.Name, c.Direction}
		all := to[k]
		all.Transport, all.Name, all.Direction = c.Transport, c.Name, c.Direction
		all.Bytes += c.Bytes
		all.Frames += c.Frames
		all.Broken += c.Broken
		all.Waited += c.Waited
		all.Streams += c.Streams
		all.RailHealth.join(c.RailHealth)
		to[k] = all
	}
}
