package engine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sync/semaphore"

	"scp_rdma/control"
	"scp_rdma/localfs"
	"scp_rdma/planner"
	"scp_rdma/transport"
	"scp_rdma/wire"
)

// sender is one transfer seen from the side that has the files.
type sender struct {
	cfg  SendConfig
	log  hclog.Logger
	conn *control.Conn
	crew *crew

	asked   bool         // by the other side, which dials
	seat    *seat        // at this server; nil: this side is the client
	ordered bool         // files go in order
	reader  StreamReader // what there is can be read only once; nil: it can be at any time
	kept    *ring        // of that; under mu

	settling settlingSource // nil: it does not want to know

	scout *scout
	meet  func(context.Context) error // what follows the handshake: greet, unless it only inspects

	results func(*wire.Results) error // takes results: takeResults, unless it only inspects

	// Fixed by greet.
	id                       transport.ID
	key                      []byte
	secret                   []byte // for the keys of frames; nil: they aren't sealed
	routes                   *routes
	streams, slots, slotSize int

	opened chan struct{}       // closed when the target is open
	window *semaphore.Weighted // of entries open; from then on

	ready   waiting[*wire.StreamReady] // StreamOpen -> StreamReady
	summary chan *wire.Summary

	mu       sync.Mutex
	wake     *sync.Cond // workers wait here for units
	held     *sync.Cond // and here those whose rail may take none of those that there are
	health   *health
	plan     *planner.Plan
	open     map[uint64]*item // announced, no result yet
	units    map[uint64]sent  // carried, no result yet
	live     map[streamKey]*living
	lastUnit uint64
	again    uint64 // number of entries announced once more
	walked   bool   // the walk is over
	needed   uint64 // bytes that the receiver wants
	free     uint64 // that it has room for; 0: not known
	target   string // where it puts it all
	named    bool   // under the last name of that

	lastDone   atomic.Int64 // when the receiver got on with something last, ns since 1970
	gone       atomic.Bool  // nothing more can be heard on control
	acked      atomic.Bool  // the receiver has applied something
	tellsRails bool         // a client that fetches knows wire.RailHealth
	continues  []byte       // the session that this one goes on from
	addrs      []string     // where the server can be reached too, by its own word

	started time.Time
	clocks  clocks // of the workers
	walking *clock // of the walk
	crowd   *crowd // of the workers: those that have nothing to send
	times   Times  // but for what the clocks say
	phase   atomic.Uint32
	count   counters
	watched atomic.Pointer[routes] // routes, for those who watch
	current atomic.Pointer[localfs.Entry]
	dropped wire.Dropped
	deleted uint64
	dry     dry

	meter       *Meter
	slotsJoined slotGauge
}

// sent is what one unit carried, and over which stream.
type sent struct {
	key    streamKey
	chunks []wire.Chunk
	bytes  uint64 // of files, holes included
	data   int    // bytes of them that cross

	rail *railHealth // nil: nobody judges it
	cost int64
	at   time.Time
}

// counters is what has been seen and done so far.
type counters struct {
	entries, files, bytes              atomic.Uint64 // found
	filesDone, bytesDone               atomic.Uint64 // settled, acknowledged
	okFiles, okDirs, okSyms, okLinks   atomic.Uint64
	okBytes, failed, resent, duplicate atomic.Uint64
	carriedAgain                       atomic.Uint64 // bytes of units whose stream broke
	damaged                            atomic.Uint64 // frames that did not verify
	skipped, skippedBytes, resumed     atomic.Uint64
	unverified                         atomic.Uint64
	walkDone, ended                    atomic.Bool // ended: of a stream
}

// railCount counts what one rail carries.
type railCount struct {
	transport, name string
	peer            atomic.Pointer[string] // the rail its last stream was joined with
	streams, open   atomic.Int64           // there were at most; joined now
	bytes, frames   atomic.Uint64
	health          *railHealth   // of a sender's, under its mu; nil: nobody judges it
	broken          atomic.Uint64 // streams
	waited          atomic.Int64  // for the next slot or frame, of all streams, ns
}

// peerName is the rail at the other end, "" as long as nothing is joined.
func (r *railCount) peerName() string {
	if p := r.peer.Load(); p != nil {
		return *p
	}
	return ""
}

func newSender(cfg SendConfig) *sender {
	s := &sender{
		cfg:     cfg,
		log:     loggerOr(cfg.Logger),
		open:    map[uint64]*item{},
		units:   map[uint64]sent{},
		live:    map[streamKey]*living{},
		opened:  make(chan struct{}),
		summary: make(chan *wire.Summary, 1),
		started: time.Now(),
		meter:   NewMeter(), // nobody reads it, unless give puts the server's here
	}
	s.wake, s.held, s.health = sync.NewCond(&s.mu), sync.NewCond(&s.mu), &health{}
	s.walking = newClock(s.started)
	s.crowd = newCrowd(s.started, s.walking)
	s.meet, s.results = s.greet, s.takeResults
	s.reader, s.ordered = cfg.Source.(StreamReader)
	s.settling, _ = cfg.Source.(settlingSource)
	return s
}

func (s *sender) setWindow(n int) {
	if n <= 0 {
		n = DefaultWindow
	}
	s.window = semaphore.NewWeighted(int64(n))
}

func (s *sender) wakeWorkers() {
	s.mu.Lock()
	s.wakeAll()
	s.mu.Unlock()
}

// takeUnit waits for the next unit, for patience at most: then the error is
// errIdle. 0 waits for ever. false: there will be none any more. The time goes on the
// worker's account, which may be nil, as may its rail.
func (s *sender) takeUnit(ctx context.Context, patience time.Duration, rail *railHealth, account *clock) (planner.Unit, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	idle, awake := false, true
	defer func() {
		if idle {
			s.crowd.change(0, -1)
		}
	}()
	var until time.Time
	for {
		if ctx.Err() != nil {
			return planner.Unit{}, false, context.Cause(ctx)
		}
		u, ok, held := s.nextUnit(rail)
		if ok {
			// One call of need or giveBack wakes one worker, and may have put in
			// line what is enough for many: each wakes the next.
			if !s.plan.Empty() {
				s.wake.Signal()
			}
			return u, true, nil
		}
		if s.walked && len(s.open) == 0 {
			return planner.Unit{}, false, nil
		}
		if patience > 0 {
			switch now := time.Now(); {
			case until.IsZero():
				until = now.Add(patience)
				defer time.AfterFunc(patience, s.wakeWorkers).Stop()
			case !now.Before(until):
				return planner.Unit{}, false, errIdle
			}
		}
		if account != nil && !idle {
			idle = true
			account.to(DoingIdle)
			s.crowd.change(0, 1)
		}
		awake = s.waitForUnit(rail, held, awake)
	}
}

// errIdle: no unit has come for a while.
var errIdle = errors.New("no unit")

// giveBack returns a range that its taker will not carry.
func (s *sender) giveBack(c planner.Chunk) {
	s.mu.Lock()
	s.plan.GiveBack(c)
	s.wake.Signal()
	s.mu.Unlock()
}

// items finds the files of a unit's chunks; nil for one that has ended.
func (s *sender) items(u planner.Unit, into []*item) []*item {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range u.Chunks {
		it := s.open[c.ID]
		if it != nil && it.aborted {
			it = nil
		}
		into = append(into, it)
	}
	return into
}

// record notes a unit before it is sent, so that its result finds it.
func (s *sender) record(key streamKey, rail *railHealth, f filled) uint64 {
	u := sent{key: key, chunks: f.chunks, bytes: f.bytes, data: f.used, rail: rail, at: time.Now(), cost: int64(f.used + chunkCost*len(f.chunks))}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.units) == 0 {
		s.heardOf() // what comes now is waited for from now on
	}
	s.lastUnit++
	s.units[s.lastUnit] = u
	if rail != nil {
		rail.sent(u.cost, u.at)
	}
	return s.lastUnit
}

// problem tells the observer of something that was not copied as it is.
func (s *sender) problem(p Problem) {
	s.log.Debug("problem", "path", p.Path, "error", p.Err)
	if s.cfg.Observer != nil {
		s.cfg.Observer.Problem(p)
	}
}

func (s *sender) totals() wire.Totals {
	return wire.Totals{
		Files: s.count.okFiles.Load(), Dirs: s.count.okDirs.Load(), Symlinks: s.count.okSyms.Load(),
		Links: s.count.okLinks.Load(), Bytes: s.count.okBytes.Load(), Failed: s.count.failed.Load(),
		Skipped: s.count.skipped.Load(),
	}
}

// snapshot is the state of the transfer for whoever watches.
func (s *sender) snapshot() Snapshot {
	snap := Snapshot{
		Phase: Phase(s.phase.Load()), WalkDone: s.count.walkDone.Load(), Started: s.started,
		Entries: s.count.entries.Load(), Files: s.count.files.Load(), FilesDone: s.count.filesDone.Load(),
		Bytes: s.count.bytes.Load(), BytesDone: s.count.bytesDone.Load(), Streams: s.clocks.reports(), Unsized: s.unsized(),
	}
	if e := s.current.Load(); e != nil {
		snap.Current = s.cfg.Source.Path(e)
	}
	if ways := s.watched.Load(); ways != nil {
		var rails []*railCount
		snap.Transport, rails = ways.counts()
		for _, r := range rails {
			n := int(r.streams.Load())
			snap.StreamsRun += n
			snap.Rails = append(snap.Rails, RailReport{Name: r.name, Peer: r.peerName(), Streams: n, Bytes: r.bytes.Load(), RailHealth: s.healthOf(r)})
		}
	}
	return snap
}
