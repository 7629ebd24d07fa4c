package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"

	"scp_rdma/control"
	"scp_rdma/keys"
	"scp_rdma/localfs"
	"scp_rdma/transport"
	"scp_rdma/wire"
)

// FetchConfig describes one transfer from a server.
type FetchConfig struct {
	Server control.DialConfig
	Wait   time.Duration // as SendConfig's, and so are

	Transports     *transport.Registry
	RetryFor       time.Duration
	EveryRail      bool
	Streams        int
	StreamsPerRail int
	Slots          int
	SlotSize       int
	NoChecksum     bool
	Encrypt        bool
	Limit          *Limiter // of what is received

	Paths  []string // as typed after HOST:, at least one
	Filter []string // rules of what of it is left out, as package filter reads them
	OneFS  bool     // as localfs.SourceOptions'
	// NewSink makes the sink of a session.
	NewSink func(localfs.SinkOptions) (Sink, error)
	// Out is where the one file goes, in place of all that is about sinks; nil: files are made.
	Out     StreamWriter
	Options localfs.SinkOptions // what is kept of what the server tells
	// Target is where it goes. What comes to it the server says: Tops, Contents and
	// NotInside are not used.
	Target localfs.Target

	Compare      wire.Compare
	ModifyWindow time.Duration
	Verify       bool
	Choose       wire.Choose // Options.Backup is beside it
	Dry          bool
	Seen         func(path string, e *localfs.Entry) // of each entry that the server announces, by one goroutine; nil: nobody looks
	Delete       Delete                              // but for its Filter and Clean

	Chmod   func(mode uint32, dir bool) uint32 // of what comes; nil: as it is
	Digest  wire.SumKind                       // of each file, which is read once more for it
	Settler Settler                            // told of files only; nil: nobody is told

	// State keeps what has to outlive this process; nil: a transfer that breaks off begins
	// anew with every file that is not whole.
	State State

	Observer Observer     // nil: nobody watches
	Logger   hclog.Logger // nil: silent
}

// Fetch has the server at cfg.Server send what lies under cfg.Paths, and puts it where
// cfg.Target says. All else is as in Send; the server is held to what was asked for: an
// entry that nobody wanted ends the session, and Is ErrProtocol.
func Fetch(ctx context.Context, cfg FetchConfig) (*Report, error) {
	if cfg.RetryFor == 0 {
		cfg.RetryFor = DefaultRetryFor
	}
	var out *outlet
	if cfg.Out != nil {
		var err error
		if out, err = newOutlet(cfg.Out); err != nil {
			return &Report{}, err
		}
		defer out.ring.close()
		cfg.NewSink = func(localfs.SinkOptions) (Sink, error) { return outletSink{}, nil }
	}
	j := newJourney(&cfg.Server, cfg.RetryFor, cfg.Observer, cfg.Logger)
	j.rewind = func() error { cfg.EveryRail = false; return nil } // what had to carry has carried
	return j.run(ctx, func() trip {
		if cfg.Settler != nil {
			cfg.Settler.Begin()
		}
		return &fetcher{cfg: cfg, outlet: out, sender: newSender(SendConfig{
			Server: cfg.Server, Wait: cfg.Wait, Transports: cfg.Transports, Encrypt: cfg.Encrypt, ACL: cfg.Options.ACL, Source: nothing{},
			Observer: cfg.Observer, Logger: cfg.Logger,
		})}
	})
}

// fetcher is a client that receives. Until there is a session it does what a sender does.
type fetcher struct {
	*sender
	cfg    FetchConfig
	outlet *outlet   // nil: files are made
	r      *receiver // once there is a session
	rtt    time.Duration
}

// session runs the control connection from dial to Bye.
func (f *fetcher) session(ctx context.Context) error {
	f.meet = f.ask
	f.scout = f.sendScout(ctx)
	defer f.scout.stop()
	err := f.connect(ctx)
	switch {
	case f.conn == nil:
		return err
	case f.r == nil:
		return f.end(ctx, err)
	}
	if err == nil {
		err = f.r.receive(ctx)
	}
	err = f.r.conclude(ctx, err)
	if err != nil && f.outlet != nil && f.outlet.complete() && f.cut(err) {
		return nil // the server's word would change nothing any more
	}
	return err
}

// ask says what is wanted, and opens the target for it.
func (f *fetcher) ask(ctx context.Context) error {
	peer, err := f.hello(ctx)
	if err != nil {
		return err
	}
	if !slices.Contains(peer.Features, wire.FeatureFetch) {
		return fmt.Errorf("the server sends nothing: it is an older version: %w", localfs.ErrUsage)
	}
	if f.outlet != nil {
		if !slices.Contains(peer.Features, wire.FeatureStream) {
			return errNoStreams
		}
		f.outlet.begin()
	}
	all, passed, err := findRoutes(f.cfg.Transports, f.scout.probed, peer, pathOf(f.conn))
	if err != nil {
		return err
	}
	f.routes = &routes{all: all}
	if f.cfg.Observer != nil {
		f.cfg.Observer.Chosen(all[0].transport.Name(), passed)
	}
	f.rtt = f.conn.RTT()
	f.r = f.receiver(peer)
	f.watched.Store(f.routes)
	ask := &wire.Fetch{
		Ways: f.ways(), Streams: uint32(f.streamsAsked()), Slots: uint32(f.cfg.Slots), SlotSize: uint32(f.cfg.SlotSize),
		Owner: f.cfg.Options.Owner, Xattr: f.cfg.Options.Xattr, ACL: f.cfg.Options.ACL, SafeLinks: f.cfg.Options.SafeLinks,
		OneFS: f.cfg.OneFS, Dry: f.cfg.Dry, Ordered: f.outlet != nil,
		NoChecksum: f.cfg.NoChecksum, Encrypt: f.cfg.Encrypt, EveryRail: f.cfg.EveryRail, RetryFor: int64(f.cfg.RetryFor),
		Limits: f.r.limits.told(), Paths: asBytes(f.cfg.Paths), Filter: asBytes(f.cfg.Filter),
	}
	if err := f.conn.Send(ask); err != nil {
		return err
	}
	open, err := f.offered(ctx)
	if err != nil {
		return err
	}
	return f.openTarget(ctx, open)
}

// streamsAsked is how many streams the server is to open; 0: it chooses.
func (f *fetcher) streamsAsked() int {
	rails, _ := f.routes.first().capacity()
	return cmp.Or(f.cfg.Streams, min(f.cfg.StreamsPerRail*rails, MaxStreams))
}

// ways are the routes for the server to choose from.
func (f *fetcher) ways() []wire.Way {
	var list []wire.Way
	for _, rt := range f.routes.all {
		w := wire.Way{Transport: rt.transport.Name()}
		for _, l := range rt.lanes {
			for _, p := range l.pairs {
				w.Pairs = append(w.Pairs, wire.RailPair{Client: p.Local.Name, Server: p.Peer.Name})
			}
		}
		list = append(list, w)
	}
	return list
}

// offered waits until the server has found what it was asked for. Before, it may tell of
// things that it has not.
func (f *fetcher) offered(ctx context.Context) (*wire.Open, error) {
	ctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	for {
		m, err := f.conn.Recv(ctx)
		if err != nil {
			return nil, lost(err)
		}
		switch m := m.(type) {
		case *wire.Open:
			return m, nil
		case *wire.Trouble:
			f.r.takeTrouble(m)
		case *wire.Bye:
			return nil, &RemoteError{Code: m.Code, Text: m.Text}
		default:
			return nil, fmt.Errorf("message %d in place of an open: %w", m.Type(), ErrProtocol)
		}
	}
}

// receiver makes what receives.
func (f *fetcher) receiver(peer *wire.Hello) *receiver {
	cfg := &ServeConfig{
		Transports: f.cfg.Transports, State: f.cfg.State, Limit: f.cfg.Limit, Logger: f.cfg.Logger,
		NewSink: func(_ keys.Holder, o localfs.SinkOptions) (Sink, error) { return f.cfg.NewSink(o) },
	}
	cfg.Limits = cfg.Limits.withDefaults()
	r := newReceiver(cfg, cfg.Limits, newRoster(), f.conn)
	r.id, r.key, r.secret, r.mine, r.peer = f.id, f.key, f.secret, f.scout.probed, peer
	r.fetch = &fetching{ways: f.routes.all, wanted: wanted(f.cfg.Paths), observer: f.cfg.Observer, seen: f.cfg.Seen, chmod: f.cfg.Chmod, settler: f.cfg.Settler, outlet: f.outlet}
	return r
}

// openTarget opens the target for what the server says that it sends.
func (f *fetcher) openTarget(ctx context.Context, o *wire.Open) error {
	if err := f.r.takeOver(ctx, &wire.Open{}); err != nil {
		return err
	}
	t := f.cfg.Target
	mine := &wire.Open{
		Path: []byte(t.Path), Exact: t.Exact, Tops: o.Tops, Contents: o.Contents, BootID: o.BootID, Dirs: o.Dirs, Source: o.Source,
		Compare: f.cfg.Compare, Window: int64(f.cfg.ModifyWindow), Verify: f.cfg.Verify, Fsync: f.cfg.Options.Fsync, Choose: f.cfg.Choose, Dry: f.cfg.Dry, Digest: f.cfg.Digest,
	}
	del := f.cfg.Delete
	del.Filter = f.cfg.Filter
	del.into(mine)
	options := f.cfg.Options
	options.Dry = f.cfg.Dry
	if err := f.r.openTarget(mine, options); err != nil {
		return err
	}
	f.phase.Store(uint32(PhaseSending))
	close(f.opened)
	return nil
}

// cut is sender.cut.
func (f *fetcher) cut(err error) bool {
	if f.r != nil {
		f.gone.Store(f.gone.Load() || f.r.gone.Load())
	}
	return f.sender.cut(err)
}

// gotOn says whether anything has come.
func (f *fetcher) gotOn() bool {
	if f.r == nil {
		return false
	}
	for _, rail := range f.r.snapshot().Rails {
		if rail.Bytes > 0 {
			return true
		}
	}
	return false
}

// report is what has come of the transfer so far.
func (f *fetcher) report() *Report {
	if f.r == nil {
		return &Report{Elapsed: time.Since(f.started)}
	}
	rep := f.r.report()
	got := f.r.fetch
	rep.Skipped, rep.SkippedBytes, rep.Resumed = f.r.totals.skipped.Load(), got.skippedBytes.Load(), got.resumed.Load()
	rep.Would = got.would.would()
	rep.Unverified = f.r.totals.unverified.Load()
	rep.Resent, rep.Damaged, rep.CarriedAgain = got.last.Resent, got.last.Damaged, got.last.CarriedAgain
	rep.Times.Sender, rep.Times.RTT = spentOf(got.last.Spent), f.rtt
	return &rep
}

// snapshot is the state of the transfer for whoever watches.
func (f *fetcher) snapshot() Snapshot {
	ways := f.watched.Load() // set once there is a receiver
	if ways == nil {
		return Snapshot{Phase: Phase(f.phase.Load()), Started: f.started}
	}
	snap := f.r.snapshot()
	snap.Phase, snap.Started = Phase(f.phase.Load()), f.started
	if snap.Transport == "" {
		snap.Transport = ways.first().transport.Name()
	}
	return snap
}

// ErrUnasked: a server sent something that it was not asked for.
var ErrUnasked = fmt.Errorf("something that nobody has asked for: %w", ErrProtocol)
