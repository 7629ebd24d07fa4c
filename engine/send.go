package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"scp_rdma/control"
	"scp_rdma/localfs"
	"scp_rdma/planner"
	"scp_rdma/transport"
	"scp_rdma/wire"
)

// withPeer puts the server's name to errors that are about it.
func withPeer(addr string, err error) error {
	var remote *RemoteError
	for _, about := range []error{ErrPeerLost, transport.ErrPeerGone, control.ErrSilent} {
		if errors.Is(err, about) {
			return fmt.Errorf("%s: %w", addr, err)
		}
	}
	if errors.As(err, &remote) {
		return fmt.Errorf("%s: %w", addr, err)
	}
	return err
}

// session runs the control connection from dial to Bye.
func (s *sender) session(ctx context.Context) error {
	s.scout = s.sendScout(ctx)
	defer s.scout.stop()
	err := s.connect(ctx)
	if s.conn == nil {
		return err
	}
	if err == nil {
		err = s.transfer(ctx)
	}
	if n := s.count.duplicate.Load(); n > 0 {
		s.log.Debug("heard of entries that had ended", "count", n)
	}
	return s.end(ctx, err)
}

// end says the last word on control, and returns what the session ended with.
func (s *sender) end(ctx context.Context, err error) error {
	bye := &wire.Bye{Version: wire.Version}
	switch {
	case ctx.Err() != nil:
		bye = ByeFor(errCancelled)
		if why := ended(ctx); !errors.Is(why, errCancelled) {
			bye = ByeFor(why)
		}
	case err != nil:
		bye = ByeFor(err)
	}
	// The peer may be gone already: then there is nobody to say it to.
	if sendErr := s.conn.Send(bye); sendErr != nil {
		s.conn.Abort()
		return err
	}
	if closeErr := s.conn.Close(); closeErr != nil && err == nil {
		s.log.Debug("control did not close cleanly", "error", closeErr)
	}
	return err
}

// hello swaps Hellos.
func (s *sender) hello(ctx context.Context) (*wire.Hello, error) {
	hello := &wire.Hello{Version: wire.Version, Software: Software, Rails: s.scout.probed.sets, Features: []string{wire.FeatureShort, wire.FeatureRails}}
	if err := s.conn.Send(hello); err != nil {
		return nil, err
	}
	hctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	peer, err := next[*wire.Hello](hctx, s.conn)
	if err != nil {
		return nil, fmt.Errorf("greeting: %w", err)
	}
	if len(peer.Session) != len(s.id) {
		return nil, fmt.Errorf("greeting %s: no session in its hello: %w", s.cfg.Server.Addr, ErrProtocol)
	}
	copy(s.id[:], peer.Session)
	s.addrs = peer.Addrs
	if s.selects() && !slices.Contains(peer.Features, wire.FeatureSelect) {
		return nil, fmt.Errorf("the server can't choose, back up or delete: it is an older version: %w", localfs.ErrUsage)
	}
	if s.asksMeta() && !slices.Contains(peer.Features, wire.FeatureMeta) {
		return nil, fmt.Errorf("the server knows no --chown, --acls, --report and --remove-source-files: it is an older version: %w", localfs.ErrUsage)
	}
	if s.ordered && !slices.Contains(peer.Features, wire.FeatureStream) {
		return nil, errNoStreams
	}
	if s.key, err = s.conn.Derive(labelJoin); err != nil || !s.cfg.Encrypt {
		return peer, err
	}
	if !slices.Contains(peer.Features, wire.FeatureEncrypt) {
		return nil, fmt.Errorf("the server can't take encrypted data: it is an older version: %w", localfs.ErrUsage)
	}
	s.secret, err = s.conn.Derive(labelSeal)
	return peer, err
}

// selects says whether the receiver has to do what older ones don't know.
func (s *sender) selects() bool {
	return s.cfg.Choose != 0 || s.cfg.Backup != "" || s.cfg.Delete.Wanted || s.cfg.Dry
}

// room is how many bytes of data a slot takes.
func (s *sender) room(slotSize int) int {
	if s.cfg.Encrypt {
		return slotSize - sealStep
	}
	return slotSize
}

// greet swaps Hellos, chooses transport and rails, and asks for the target.
func (s *sender) greet(ctx context.Context) error {
	peer, err := s.hello(ctx)
	if err != nil {
		return err
	}
	all, passed, err := findRoutes(s.cfg.Transports, s.scout.probed, peer, pathOf(s.conn))
	if err != nil {
		return err
	}
	s.over(all)
	tr := s.routes.first().transport
	if s.cfg.Observer != nil {
		s.cfg.Observer.Chosen(tr.Name(), passed)
	}
	way := s.way()
	if err := s.agree(peer.Limits, way, s.count.walkDone.Load() && s.reader == nil); err != nil {
		return err
	}
	s.times.RTT, s.times.Window = way.rtt, uint64(s.streams)*uint64(s.slots)*uint64(s.slotSize)
	s.log.Debug("agreed", "transport", tr.Name(), "round trip", way.rtt, "streams", s.streams, "slots", s.slots, "slot size", s.slotSize)
	return s.askTarget()
}

// over has the session go over these routes.
func (s *sender) over(all []*route) {
	s.routes = &routes{all: all, retryFor: s.cfg.RetryFor}
	s.spareSlow()
	s.judged(all)
	s.watched.Store(s.routes)
	if z, ok := all[0].transport.(transport.ZeroCopier); ok && z.ZeroCopy() {
		if d, ok := s.cfg.Source.(directSource); ok {
			d.PreferDirect()
		}
	}
}

// spareSlow leaves out rails that would add next to nothing, and tells; not if the user has named
// them.
func (s *sender) spareSlow() {
	if s.cfg.EveryRail {
		return
	}
	for _, r := range s.routes.all {
		r.spareSlow()
		for _, l := range r.lanes {
			if l.spare {
				s.log.Info("a rail carries only if the others don't, for it is so much slower: name it with -d to have it carry too", "rail", l.rail, "Mbit/s", l.rate/1e6)
			}
		}
	}
}

// directSource is a Source that can read files without the page cache.
type directSource interface{ PreferDirect() }

// way is what is known of the way that streams take first.
func (s *sender) way() path {
	r := s.routes.first()
	b, ok := r.transport.(transport.Buffered)
	rails, rate := r.capacity()
	return path{rails: rails, rate: rate, rtt: s.conn.RTT(), copies: ok && b.Buffered(), inside: shortcut(r.transport), each: s.cfg.StreamsPerRail}
}

// agree fixes the numbers of the session: the smaller of what both sides allow. whole:
// all of the source is known by now.
func (s *sender) agree(l wire.Limits, way path, whole bool) error {
	s.streams = s.cfg.Streams
	if s.streams == 0 {
		s.streams = way.streams()
	}
	s.streams = min(s.streams, MaxStreams, int(l.Streams))
	memory := cmp.Or(s.cfg.Memory, DefaultMemory)
	s.slotSize = cmp.Or(s.cfg.SlotSize, way.slotSize(memory, s.streams))
	s.slotSize = min(s.slotSize, int(l.SlotSize)) &^ 4095
	if s.streams < 1 || s.room(s.slotSize) < transport.MinSlotSize || l.Slots < 1 || l.Window < 1 {
		return fmt.Errorf("the other side grants nothing (%+v): %w", l, ErrProtocol)
	}
	s.slots = s.cfg.Slots
	if s.slots == 0 {
		s.slots = way.slots(memory, s.streams, s.slotSize)
	}
	if whole {
		s.fit()
	}
	for granted(l, s.slotSize) < 1 && s.room(s.slotSize/2&^4095) > 0 {
		s.slotSize = s.slotSize / 2 &^ 4095
	}
	all := granted(l, s.slotSize)
	s.streams = min(s.streams, max(all/min(leastSlots, s.slots), 1))
	s.slots = max(min(s.slots, all/s.streams, transport.MaxSlots), 1)
	s.routes.spread(s.streams)
	s.health.slot = int64(s.room(s.slotSize))
	// One thread writes a file at a time, 1.9 GB/s by the costs in docs/planning.md: so each
	// stream has a large file of its own, if there are so many.
	s.plan = planner.New(planner.Config{SlotSize: s.room(s.slotSize), MaxChunks: wire.MaxChunks, Files: s.streams})
	return nil
}

// granted is how many slots of a size the other side allows. What it says is meant for
// the usual size, and it books bytes.
func granted(l wire.Limits, slotSize int) int {
	return int(int64(l.Slots) * (DefaultSlotSize + transport.HeadRoom) / int64(slotSize+transport.HeadRoom))
}

// fit makes streams to the measure of a source that is known whole: registering
// memory that nothing will use takes longer than a small transfer itself (5 ms per
// MiB on soft-RoCE, bench/results). What the user has set stays.
func (s *sender) fit() {
	files, size := int64(s.count.files.Load()), int64(s.count.bytes.Load())
	frames := func() int64 {
		slot := int64(s.room(s.slotSize))
		return max((size+slot-1)/slot, (files+wire.MaxChunks-1)/wire.MaxChunks, 1)
	}
	if s.cfg.Streams == 0 && s.cfg.StreamsPerRail == 0 {
		s.streams = int(min(int64(s.streams), frames()))
	}
	if s.cfg.SlotSize == 0 {
		// A file that fits one slot is cheaper than the same in two.
		fits := max(size/int64(s.streams*fitFrames), int64(s.scout.largest.Load()), fitSlot)
		whole := (fits + 4095) &^ 4095
		if s.cfg.Encrypt {
			whole += sealStep
		}
		s.slotSize = int(min(int64(s.slotSize), whole))
	}
	if s.cfg.Slots == 0 {
		s.slots = int(min(int64(s.slots), frames()/int64(s.streams)+1))
	}
}

// maxOpenDirIDs is how many source directories an Open can name.
const maxOpenDirIDs = 1024

// askTarget tells the server where the entries shall go. What it says to that is
// taken while the streams are made: it reads the Open before their StreamOpens.
func (s *sender) askTarget() error {
	boot, dirs := s.cfg.Source.Identity()
	t := s.cfg.Target
	open := &wire.Open{
		Path: []byte(t.Path), Exact: t.Exact, Tops: uint32(t.Tops), Contents: t.Contents,
		Owner: s.cfg.Owner, NumericIDs: s.cfg.NumericIDs, Xattr: s.cfg.Xattr, Fsync: s.cfg.Fsync, BootID: boot,
		Source: s.cfg.Source.Name(), Compare: s.cfg.Compare, Window: int64(s.cfg.ModifyWindow), Verify: s.cfg.Verify,
		Continues: s.continues, Encrypt: s.cfg.Encrypt, Choose: s.cfg.Choose, Backup: []byte(s.cfg.Backup), Dry: s.cfg.Dry,
		SetUser: s.cfg.SetUser, SetGroup: s.cfg.SetGroup, ACL: s.cfg.ACL, Digest: s.cfg.Digest, Touch: s.cfg.Touch,
	}
	s.cfg.Delete.into(open)
	// A safety check with a bound: nobody types a thousand directories by hand.
	for _, d := range dirs[:min(len(dirs), maxOpenDirIDs)] {
		open.Dirs = append(open.Dirs, wire.FileID{Dev: d.Dev, Ino: d.Ino})
	}
	return s.conn.Send(open)
}

// takeOpened notes that the target is there: the walk may begin.
func (s *sender) takeOpened(m *wire.Opened) error {
	switch {
	case s.window != nil:
		return fmt.Errorf("two targets: %w", ErrProtocol)
	case m.Window < 1:
		return fmt.Errorf("the other side grants no entries: %w", ErrProtocol)
	}
	s.setWindow(min(s.cfg.Window, int(m.Window)))
	s.mu.Lock()
	s.free, s.target, s.named = m.Free, string(m.Target), m.Named
	s.mu.Unlock()
	s.log.Debug("target open", "path", string(m.Target), "since start", time.Since(s.started))
	s.phase.Store(uint32(PhaseSending))
	close(s.opened)
	return nil
}

// transfer does the work between Open and Bye.
func (s *sender) transfer(ctx context.Context) error {
	c := newCrew(ctx)
	defer s.freeHeld()
	defer c.cancel(nil)
	s.crew = c
	stopWake := context.AfterFunc(c.ctx, s.wakeWorkers)
	defer stopWake()
	c.run(s.readControl)
	if s.cfg.Observer != nil {
		c.run(func(ctx context.Context) error { return s.watchStall(ctx, s.conn.Heard) })
	}
	run := s.runStreams
	if s.cfg.Dry {
		run = s.runDry
	}
	err := run(c)
	if err == nil {
		s.log.Debug("everything has its result", "since start", time.Since(s.started))
		err = s.finish(c.ctx)
	}
	if err == nil {
		s.phase.Store(uint32(PhaseDone))
		err = errDone
	}
	c.cancel(err)
	err = c.wait()
	c.beside.Wait()
	if err != errDone {
		return err
	}
	return nil
}

// finish compares totals with the receiver when every entry has its result.
func (s *sender) finish(ctx context.Context) error {
	s.phase.Store(uint32(PhaseFinishing))
	totals := s.totals()
	s.times.Sender = s.spent()
	done := &wire.Done{Totals: totals, Spent: toSpent(s.times.Sender)}
	if s.asked {
		s.tellRails()
		done.Resent, done.Damaged, done.CarriedAgain = s.count.resent.Load(), s.count.damaged.Load(), s.count.carriedAgain.Load()
	}
	done.Clean = s.cfg.Delete.Wanted && s.count.failed.Load() == 0 && (s.cfg.Delete.Clean == nil || s.cfg.Delete.Clean())
	if err := s.conn.Send(done); err != nil {
		return err
	}
	began := time.Now()
	select {
	case sum := <-s.summary:
		s.times.Sender[DoingAnswers] += time.Since(began) * time.Duration(s.streams)
		s.times.Receiver, s.times.Admitting = spentOf(sum.Spent), time.Duration(sum.Spent.Admit)
		return s.compare(totals, sum)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// compare takes the receiver's summary: its counts must be ours.
func (s *sender) compare(mine wire.Totals, sum *wire.Summary) error {
	for _, text := range sum.Problems {
		s.problem(Problem{Path: s.cfg.Server.Addr, Err: fmt.Errorf("%s", text), Remote: true})
		s.count.failed.Add(1)
	}
	s.dropped, s.deleted = sum.Dropped, sum.Deleted
	theirs := sum.Totals
	if s.cfg.Dry {
		return nil // nobody has done anything
	}
	mine.Failed, theirs.Failed = 0, 0
	if mine != theirs {
		return fmt.Errorf("totals differ: %+v here, %+v there: %w", mine, theirs, ErrProtocol)
	}
	return nil
}

// report is what has come of the transfer so far.
func (s *sender) report() *Report {
	snap := s.snapshot()
	t := s.totals()
	r := &Report{
		Files: t.Files, Dirs: t.Dirs, Symlinks: t.Symlinks, Links: t.Links, Bytes: t.Bytes,
		Failed: s.count.failed.Load(), Resent: s.count.resent.Load(), Damaged: s.count.damaged.Load(), CarriedAgain: s.count.carriedAgain.Load(),
		Skipped: t.Skipped, SkippedBytes: s.count.skippedBytes.Load(), Resumed: s.count.resumed.Load(), Unverified: s.count.unverified.Load(),
		Elapsed: time.Since(s.started), Transport: snap.Transport, Encrypted: s.secret != nil, Rails: snap.Rails,
	}
	r.Deleted, r.Would, r.Times = s.deleted, s.dry.would(), s.times
	if r.Times.Sender == (Spent{}) { // it did not come to an end
		r.Times.Sender = s.spent()
	}
	r.Dropped = localfs.Dropped{Owner: s.dropped.Owner, Special: s.dropped.Special, Xattr: s.dropped.Xattr, ACL: s.dropped.ACL}
	return r
}
