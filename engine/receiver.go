package engine

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"scp_rdma/control"
	"scp_rdma/keys"
	"scp_rdma/localfs"
	"scp_rdma/transport"
	"scp_rdma/wire"
)

// receiver is one session of a server.
type receiver struct {
	cfg      *ServeConfig
	limits   Limits       // of this session
	begun    atomic.Int64 // files begun and not ended
	checking atomic.Int64 // files that are read back, or wait for it
	log      hclog.Logger
	conn     *control.Conn
	crew     *crew
	sink     Sink
	seat     *seat // at the server; nil: this receiver is the client

	allowance Allowance // nil: any number of bytes

	id      transport.ID
	key     []byte
	secret  []byte // for the keys of frames; nil: they aren't sealed
	mine    probed
	peer    *wire.Hello
	base    localfs.Base
	streams *inStreams
	opened  bool // the target was opened: it counts as a session

	// From Open.
	how     wire.Compare  // how files that are there are known to be the same
	choose  wire.Choose   // which entries are wanted
	del     *deleting     // nil: nothing is deleted
	dry     bool          // nothing is made: it is only told what would be
	within  time.Duration // times that differ by no more are equal
	suspect bool          // what an earlier boot of this host has left there is not believed by its times
	verify  bool
	sum     wire.SumKind // each file is read for that digest
	fsync   bool
	source  []byte // whose entries they are
	vault   *vault // nil: nothing outlives the session
	roster  *roster
	leave   func()          // out of the roster
	noted   <-chan struct{} // closed when the server's state knows of the session; nil: it need not
	over    func()          // out of the server's state
	noteErr error
	cut     error // another session has come in the place of this one; under mu

	inspected bool        // there is no target: streams are proved, nothing is taken
	asked     *wire.Fetch // the client wants to be sent something
	giving    given       // which is this
	troubled  atomic.Bool // some of it could not be sent
	fetch     *fetching   // this receiver is the client; nil: it is not
	gone      atomic.Bool // nothing more can be heard on control

	queue admitQueue
	out   outbox

	mu     sync.Mutex
	files  map[uint64]*inFile
	dirs   map[uint64]*inDir
	groups map[uint64]*inGroup
	tops   uint32

	started   time.Time
	found     announced
	watched   atomic.Pointer[inStreams] // streams, for those who watch
	admitting atomic.Int64              // for how long entries were admitted, ns
	totals    recvTotals
	problems  []string // of finished directories; under mu
	done      chan wire.Totals

	meter       *Meter
	slotsJoined slotGauge
}

func newReceiver(cfg *ServeConfig, limits Limits, ro *roster, conn *control.Conn) *receiver {
	return &receiver{
		roster: ro, leave: func() {}, vault: newVault(cfg.State, conn.Holder().Name),
		cfg: cfg, limits: limits, conn: conn, log: loggerOr(cfg.Logger).With("peer", conn.RemoteAddr().String()),
		files: map[uint64]*inFile{}, dirs: map[uint64]*inDir{}, groups: map[uint64]*inGroup{},
		queue: newAdmitQueue(), out: newOutbox(), started: time.Now(), done: make(chan wire.Totals, 1), meter: cfg.meter(),
	}
}

// session serves one client from its Hello to Bye.
func (r *receiver) session(ctx context.Context) error {
	err := r.greet(ctx)
	switch {
	case err != nil:
	case r.asked != nil:
		return r.give(ctx, r.asked)
	default:
		err = r.receive(ctx)
	}
	return r.conclude(ctx, err)
}

// conclude ends a session, and returns what it ended with.
func (r *receiver) conclude(ctx context.Context, err error) error {
	if r.sink != nil {
		if err == nil && !r.inspected {
			r.unmark()
		}
		err = r.closeAllowance(errors.Join(err, r.sink.Close()))
	}
	r.forgetNote()
	r.leave()
	if ctx.Err() != nil {
		err = ended(ctx)
	}
	var remote *RemoteError
	if err != nil && !errors.As(err, &remote) {
		_ = r.conn.Send(ByeFor(err)) // a peer that is gone needs no reason
	}
	if closeErr := r.conn.Close(); closeErr != nil && err == nil {
		r.log.Debug("control did not close cleanly", "error", closeErr)
	}
	return err
}

// greet answers Hello and Open.
func (r *receiver) greet(ctx context.Context) error {
	hctx, cancel := context.WithTimeout(ctx, r.limits.Greeting)
	defer cancel()
	// The client says its Hello once it knows what it has itself: the time for both.
	var probing sync.WaitGroup
	defer probing.Wait()
	probing.Go(func() { r.mine = probe(hctx, r.cfg.Transports) })
	hello, err := next[*wire.Hello](hctx, r.conn)
	if err != nil {
		return err
	}
	if hello.Version != wire.Version {
		return fmt.Errorf("the client speaks version %d, this server %d: %w", hello.Version, wire.Version, control.ErrVersion)
	}
	r.peer = hello
	if r.limits, err = r.seat.limit(r.limits, slices.Contains(hello.Features, wire.FeatureShort)); err != nil {
		r.meter.turnedAway.Add(1)
		return err
	}
	probing.Wait()
	r.log.Debug("greeted", "software", hello.Software, "since start", time.Since(r.started))
	if len(r.mine.sets) == 0 {
		return errors.Join(append(slices.Collect(maps.Values(r.mine.errs)), transport.ErrUnavailable)...)
	}
	rand.Read(r.id[:]) // crypto/rand never fails (Go 1.24)
	if r.key, err = r.conn.Derive(labelJoin); err != nil {
		return err
	}
	err = r.conn.Send(&wire.Hello{
		Version: wire.Version, Software: Software, Session: r.id[:], Rails: r.mine.sets,
		Limits: r.limits.told(), Addrs: r.addrs(), Features: []string{wire.FeatureEncrypt, wire.FeatureFetch, wire.FeatureSelect, wire.FeatureMeta, wire.FeatureStream},
	})
	if err != nil {
		return err
	}
	m, err := r.conn.Recv(hctx)
	if err != nil {
		return lost(err)
	}
	switch m := m.(type) {
	case *wire.Open:
		return r.open(hctx, m)
	case *wire.Inspect:
		return r.inspect(hctx, m)
	case *wire.Fetch:
		r.asked = m
		return nil
	case *wire.Bye:
		return &RemoteError{Code: m.Code, Text: m.Text}
	}
	return fmt.Errorf("message %d in place of an open: %w", m.Type(), ErrProtocol)
}

// inspect tells what this host has. No target is opened: streams can be made and
// proved, but nothing is taken that would need one.
func (r *receiver) inspect(ctx context.Context, m *wire.Inspect) error {
	r.inspected = true
	if err := r.sealed(m.Encrypt); err != nil {
		return err
	}
	var report []byte
	if f := r.cfg.Describe; f != nil {
		if b := f(ctx); len(b) <= wire.MaxReport {
			report = b
		}
	}
	return r.conn.Send(&wire.Inspected{Report: report})
}

// sealed agrees on whether frames are sealed.
func (r *receiver) sealed(encrypt bool) (err error) {
	switch {
	case encrypt:
		r.secret, err = r.conn.Derive(labelSeal)
	case r.cfg.Encrypt:
		err = fmt.Errorf("this server takes encrypted data only: --encrypt: %w", localfs.ErrUsage)
	}
	return err
}

// open does what the client asks for, as far as it may.
func (r *receiver) open(ctx context.Context, o *wire.Open) error {
	if err := r.sealed(o.Encrypt); err != nil {
		return err
	}
	if err := r.takeOver(ctx, o); err != nil {
		return err
	}
	holder := r.conn.Holder()
	may, err := rights(holder, r.cfg.Grant)
	switch {
	case err != nil:
		return err
	case o.Delete && !may.Delete:
		return denied(holder.Name, "delete")
	}
	grant := localfs.SinkOptions{
		Owner: o.Owner && may.Owner, Special: may.Special,
		Xattr: o.Xattr && may.Xattr, AllXattr: o.Xattr && may.AllXattr, NumericIDs: o.NumericIDs,
		ACL: o.ACL && may.ACL, Chown: localfs.Chown{User: o.SetUser, Group: o.SetGroup, Granted: may.Owner},
		Fsync: o.Fsync, Backup: string(o.Backup), Dry: o.Dry, Touch: o.Touch,
	}
	return r.openTarget(o, grant)
}

// openTarget makes the target ready, and says so.
func (r *receiver) openTarget(o *wire.Open, grant localfs.SinkOptions) error {
	sink, err := r.cfg.NewSink(r.conn.Holder(), grant)
	if err != nil {
		return err
	}
	r.sink = sink
	if r.cfg.Allowance != nil && !o.Dry {
		if r.allowance, err = r.cfg.Allowance(r.conn.Holder()); err != nil {
			return err
		}
	}
	var inside []localfs.FileID
	if boot := localfs.BootID(); len(boot) > 0 && bytes.Equal(boot, o.BootID) {
		for _, d := range o.Dirs {
			inside = append(inside, localfs.FileID{Dev: d.Dev, Ino: d.Ino})
		}
	}
	r.source, r.how, r.within, r.verify, r.fsync = o.Source, o.Compare, time.Duration(o.Window), o.Verify, o.Fsync
	r.choose, r.dry, r.sum = o.Choose, o.Dry, o.Digest
	if r.dry {
		r.vault, r.sum = nil, wire.SumNone // half files stay as they are
	}
	if r.del, err = newDeleting(o); err != nil {
		return err
	}
	r.base, err = sink.Resolve(localfs.Target{
		Path: string(o.Path), Exact: o.Exact, Tops: int(o.Tops), Contents: o.Contents, NotInside: inside, Continues: r.continues,
	})
	if err != nil {
		return err
	}
	r.remember()
	r.dirs[0] = &inDir{dir: r.base.Dir}
	r.tops = o.Tops
	r.opened = true
	r.log.Debug("target open", "path", r.base.Path, "since start", time.Since(r.started))
	r.tellStarted()
	return r.conn.Send(&wire.Opened{
		Target: []byte(r.base.Path), Grants: grants(grant), Window: uint32(r.limits.Window), Free: r.free(), Named: r.base.Name != "",
	})
}

// rights is what a session of the key may set. Rights that are listed count
// alone; where none are, what the server gives everybody does.
func rights(h keys.Holder, open localfs.SinkOptions) (localfs.SinkOptions, error) {
	switch {
	case h.Rights.Has(keys.RightsOpen):
		return open, nil
	case !h.Rights.Has(keys.Write):
		return localfs.SinkOptions{}, denied(h.Name, "write")
	}
	return localfs.SinkOptions{
		Owner: h.Rights.Has(keys.Owner), Special: h.Rights.Has(keys.Special),
		Xattr: h.Rights.Has(keys.Xattr), AllXattr: h.Rights.Has(keys.XattrAll), Delete: h.Rights.Has(keys.Delete), ACL: h.Rights.Has(keys.ACL),
	}, nil
}

func grants(o localfs.SinkOptions) []string {
	var names []string
	for _, g := range []struct {
		name string
		have bool
	}{{"owner", o.Owner || o.Chown.Granted && (o.Chown.User != "" || o.Chown.Group != "")}, {"special", o.Special}, {"xattr", o.Xattr}, {"acl", o.ACL}} {
		if g.have {
			names = append(names, g.name)
		}
	}
	return names
}

// receive runs the session between Opened and Bye.
func (r *receiver) receive(ctx context.Context) error {
	c := newCrew(ctx)
	defer c.cancel(nil)
	r.mu.Lock()
	r.crew = c
	if r.cut != nil {
		c.cancel(r.cut)
	}
	r.mu.Unlock()
	streams, err := newInStreams(r, c)
	if err != nil {
		return err
	}
	r.streams = streams
	r.watched.Store(streams)
	c.run(r.readControl)
	c.run(r.admitAll)
	c.run(r.deliver)
	err = c.wait()
	err = errors.Join(err, streams.stop())
	c.beside.Wait() // a stream may have begun something at its end
	r.leaveAll()
	if n := r.totals.dropped.Load(); n > 0 {
		r.log.Debug("dropped pieces of entries that had ended", "count", n)
	}
	if errors.Is(err, errDone) {
		return nil
	}
	return err
}

// leaveAll ends the files that did not become whole: large ones stay for a later
// session, of others nothing is left.
func (r *receiver) leaveAll() {
	r.mu.Lock()
	files := r.files
	r.files = map[uint64]*inFile{}
	r.mu.Unlock()
	for _, f := range files {
		f.leave()
	}
}
