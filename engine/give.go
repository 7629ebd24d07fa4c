package engine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"scp_rdma/filter"
	"scp_rdma/keys"
	"scp_rdma/localfs"
	"scp_rdma/transport"
	"scp_rdma/wire"
)

// maxGiveRetry bounds how long a client can have a server wait for streams to come back.
const maxGiveRetry = time.Hour

// given is a session in which the server sends: what it sends from, and its state.
type given struct {
	from   []string
	sender *sender // nil: it came to nothing
}

// give sends the client what it asks for. The session turns round: all that a sender does
// is done here, but for dialling.
func (r *receiver) give(ctx context.Context, m *wire.Fetch) error {
	s := newSender(SendConfig{
		Transports: r.cfg.Transports, Streams: int(m.Streams), Slots: int(m.Slots), SlotSize: int(m.SlotSize),
		Window: min(r.limits.Window, int(m.Limits.Window)), NoChecksum: m.NoChecksum, Encrypt: m.Encrypt, Limit: r.cfg.Limit, Dry: m.Dry,
		EveryRail: m.EveryRail, RetryFor: min(max(time.Duration(m.RetryFor), -1), maxGiveRetry),
		Owner: m.Owner, Xattr: m.Xattr, Observer: teller{r}, Logger: r.log,
		// It is for the client to ask itself whether to delete, and with this it knows.
		Delete: Delete{Wanted: true, Clean: func() bool { return !r.troubled.Load() }},
	})
	s.conn, s.id, s.key, s.asked, s.started = r.conn, r.id, r.key, true, r.started
	s.meter, s.seat = r.meter, r.seat
	s.tellsRails = slices.Contains(r.peer.Features, wire.FeatureRails)
	s.cfg.Server.Addr = r.conn.RemoteAddr().String()
	return s.end(ctx, r.giveBy(ctx, s, m))
}

// giveBy opens the source and sends it.
func (r *receiver) giveBy(ctx context.Context, s *sender, m *wire.Fetch) error {
	if err := r.sealed(m.Encrypt); err != nil {
		return err
	}
	s.secret = r.secret
	paths := make([]string, len(m.Paths))
	for i, p := range m.Paths {
		paths[i] = string(p)
	}
	src, err := r.offer(m, paths)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }() // only read from
	s.cfg.Source = src
	if s.cfg.Target.Tops, s.cfg.Target.Contents, err = localfs.Together(src.Tops()); err != nil {
		return err
	}
	if s.ordered = m.Ordered; s.ordered {
		if err := oneFile(src.Tops()); err != nil {
			return err
		}
	}
	all, err := waysOf(r.cfg.Transports, r.mine, r.peer, m.Ways)
	if err != nil {
		return err
	}
	s.over(all)
	r.giving = given{from: paths, sender: s}
	r.opened = true
	r.tellStarted()
	s.scout = s.walkScout(ctx)
	defer s.scout.stop()
	if err := s.agree(r.least(m.Limits), s.way(), s.count.walkDone.Load()); err != nil {
		return err
	}
	if err := s.askTarget(); err != nil {
		return err
	}
	return s.transfer(ctx)
}

// offer opens what the client may have of what it asks for.
func (r *receiver) offer(m *wire.Fetch, paths []string) (Offer, error) {
	holder := r.conn.Holder()
	switch {
	case !holder.Rights.Has(keys.RightsOpen) && !holder.Rights.Has(keys.Read):
		return nil, denied(holder.Name, "read")
	case r.cfg.NewSource == nil:
		return nil, fmt.Errorf("this server only receives: %w", localfs.ErrUsage)
	}
	var rules filter.Rules
	if err := rules.Parse(string(bytes.Join(m.Filter, []byte("\n")))); err != nil {
		return nil, fmt.Errorf("filter: %w: %w", localfs.ErrUsage, err)
	}
	return r.cfg.NewSource(holder, paths, localfs.SourceOptions{
		Exclude: rules.Excluded, OneFS: m.OneFS,
		Owners: m.Owner, Xattrs: m.Xattr, ACLs: m.ACL, SafeLinks: m.SafeLinks, Logger: r.log.Named("source"),
		Problem: func(path string, err error) { teller{r}.Problem(Problem{Path: path, Err: err}) },
		Outside: func(path, _ string) { teller{r}.tell(wire.TroubleOutside, path, "") },
	})
}

// oneFile says whether what was asked for can go in order.
func oneFile(tops []localfs.Top) error {
	t := tops[0]
	switch {
	case len(tops) > 1:
		return fmt.Errorf("%s and %d more: only one file can go to stdout: %w", t.Arg, len(tops)-1, localfs.ErrUsage)
	case t.Kind == localfs.KindDir:
		return fmt.Errorf("%s is a directory: only a file can go to stdout: %w", cmp.Or(t.Arg, "."), localfs.ErrUsage)
	case t.Kind == localfs.KindSymlink:
		return fmt.Errorf("%s is a symbolic link: name what it leads to: %w", t.Arg, localfs.ErrUsage)
	}
	return nil
}

// least is what both sides allow.
func (r *receiver) least(l wire.Limits) wire.Limits {
	mine := r.limits.told()
	return wire.Limits{
		Streams: min(l.Streams, mine.Streams), SlotSize: min(l.SlotSize, mine.SlotSize),
		Slots: min(l.Slots, mine.Slots), Window: min(l.Window, mine.Window),
	}
}

// waysOf are the routes that a client can dial, as this side has them: for each rail of the
// client's a lane.
func waysOf(reg *transport.Registry, mine probed, hello *wire.Hello, ways []wire.Way) ([]*route, error) {
	var all []*route
	for _, w := range ways {
		tr := reg.Lookup(w.Transport)
		if tr == nil || mine.errs[w.Transport] != nil {
			continue
		}
		peers := railsOf(hello.Rails, w.Transport)
		rt := &route{transport: tr}
		lanes := map[string]*lane{}
		for _, p := range w.Pairs {
			own, ok1 := findRail(mine.rails[w.Transport], p.Server)
			peer, ok2 := findRail(peers, p.Client)
			if !ok1 || !ok2 {
				return nil, fmt.Errorf("rails %q and %q of %s were not announced: %w", p.Client, p.Server, w.Transport, ErrProtocol)
			}
			l := lanes[p.Client]
			if l == nil {
				l = newLane(tr.Name(), own)
				l.far = p.Client
				lanes[p.Client] = l
				rt.lanes = append(rt.lanes, l)
			}
			l.pairs = append(l.pairs, transport.RailPair{Local: own, Peer: peer})
		}
		all = append(all, rt)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no way that both sides have: %w", transport.ErrUnavailable)
	}
	return all, nil
}

// dialled opens this end of a stream that the receiver dials, which has to open its own end
// first.
func (s *sender) dialled(ctx context.Context, tr transport.Transport, key streamKey, pair transport.RailPair, slots int) (transport.SendStream, error) {
	return s.readied(ctx, tr, key, pair, slots, nil, func(ctx context.Context, ready []byte) (transport.SendStream, error) {
		ep, err := tr.Open(ctx, transport.OpenRequest{
			Pair: pair, Role: transport.Sender, Session: s.id, Key: s.key, Offer: ready,
			Stream: key.stream, Epoch: key.epoch, Slots: slots, SlotSize: s.slotSize, Control: pathOf(s.conn),
		})
		join := &wire.StreamJoin{Stream: key.stream, Epoch: key.epoch}
		if err != nil {
			join.Error = clip(err.Error())
			return nil, errors.Join(err, s.conn.Send(join))
		}
		defer func() { _ = ep.Close() }() // a no-op once it is connected
		join.Offer = ep.Offer()
		if err := s.conn.Send(join); err != nil {
			return nil, err
		}
		return connected(ep.Connect(ctx, ready))
	})
}

// teller tells the client of what it won't get.
type teller struct{ r *receiver }

var _ Observer = teller{}

// Watch implements Observer.
func (teller) Watch(func() Snapshot) {}

// Busy implements Observer.
func (teller) Busy(error, time.Duration) {}

// Chosen implements Observer.
func (teller) Chosen(string, []error) {}

// Lost implements Observer.
func (teller) Lost(error, time.Duration) {}

// Stalled implements Observer.
func (teller) Stalled(time.Duration) {}

// RailChanged implements Observer: the sender has told the client.
func (teller) RailChanged(RailChange) {}

// Scarce implements Observer.
func (teller) Scarce(uint64, uint64) {}

// Would implements Observer.
func (teller) Would(string, int64) {}

// Problem implements Observer.
func (t teller) Problem(p Problem) {
	kind := wire.TroubleFailed
	if errors.Is(p.Err, localfs.ErrSpecial) {
		kind = wire.TroubleSpecial
	}
	t.tell(kind, p.Path, p.Err.Error())
}

// tell says it. A client that is gone need not know.
func (t teller) tell(kind wire.TroubleKind, path, text string) {
	if kind == wire.TroubleFailed {
		t.r.troubled.Store(true)
	}
	if len(path) > wire.MaxTroublePath {
		path = "..." + path[len(path)-wire.MaxTroublePath+len("..."):]
	}
	_ = t.r.conn.Send(&wire.Trouble{Kind: kind, Path: []byte(path), Text: clip(text)})
}

// name is what the client has asked for.
func (g given) name() string {
	var names []string
	for _, f := range g.from {
		names = append(names, cmp.Or(f, "."))
	}
	return strings.Join(names, " ")
}
