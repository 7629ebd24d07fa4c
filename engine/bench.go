package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"

	"scp_rdma/control"
	"scp_rdma/transport"
	"scp_rdma/wire"
)

const (
	// So many frames of so many bytes go there and are released, one after the other,
	// to see how long one takes.
	benchPings    = 64
	benchPingSize = 4096
	// benchSlack is what a measurement may take beyond its time: for joining streams,
	// and for what is under way at its end.
	benchSlack = 60 * time.Second
)

// BenchConfig describes one measurement from memory to memory: streams to a server,
// filled for some time with bytes that belong to no file. The server checks and drops them.
type BenchConfig struct {
	Server     control.DialConfig
	Wait       time.Duration       // as SendConfig's
	Transports *transport.Registry // the first whose rails pair is measured
	Rail       string              // this local one alone; "": all of them
	Streams    int                 // 0: as a transfer of much would choose; so are
	Slots      int                 // slots of each stream,
	SlotSize   int                 // and their size, bytes
	For        time.Duration
	NoChecksum bool
	Encrypt    bool
	EveryRail  bool         // the user has named them: none is spared for its low rate
	Logger     hclog.Logger // nil: silent
}

// Benched is what one measurement has shown. Slots may be fewer than were asked for:
// what the server grants a session is shared by its streams.
type Benched struct {
	Transport                string
	Streams, Slots, SlotSize int
	RTT                      time.Duration // of the control connection; 0: nobody knows
	Frame                    time.Duration // until 4 KiB were written, checked and released; the median
	Rails                    []BenchedRail
	Bytes                    uint64
	Took                     time.Duration // until the last byte was released
}

// BenchedRail is one rail's part in a measurement.
type BenchedRail struct {
	Local, Peer string
	Streams     int
	Bytes       uint64
}

// Rate is in bytes per second.
func (b *Benched) Rate() float64 { return float64(b.Bytes) / max(b.Took.Seconds(), 1e-9) }

// Bench takes one measurement, in a session of its own.
func Bench(ctx context.Context, cfg BenchConfig) (*Benched, error) {
	b := &bencher{sender: newSender(SendConfig{
		Server: cfg.Server, Wait: cfg.Wait, Transports: cfg.Transports, Logger: cfg.Logger, Source: nothing{},
		Streams: cfg.Streams, Slots: cfg.Slots, SlotSize: cfg.SlotSize, NoChecksum: cfg.NoChecksum, Encrypt: cfg.Encrypt, EveryRail: cfg.EveryRail,
	}), bench: cfg}
	b.meet, b.results = b.ask, b.judge
	err := b.session(ctx)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", errCancelled, context.Cause(ctx))
	}
	if err != nil {
		return nil, withPeer(cfg.Server.Addr, err)
	}
	return &b.found, nil
}

// bencher is a sender that sends nothing but bytes.
type bencher struct {
	*sender
	bench BenchConfig
	found Benched
}

// benchStream is a stream that is measured.
type benchStream struct {
	w    *sendWorker
	done func()
}

func (b *bencher) session(ctx context.Context) error {
	b.scout = b.sendScout(ctx)
	defer b.scout.stop()
	err := b.connect(ctx)
	if b.conn == nil {
		return err
	}
	if err == nil {
		err = b.measure(ctx)
	}
	return b.end(ctx, err)
}

// ask swaps Hellos and agrees on streams as a transfer does, but names no target.
func (b *bencher) ask(ctx context.Context) error {
	peer, err := b.hello(ctx)
	if err != nil {
		return err
	}
	all, _, err := findRoutes(b.cfg.Transports, b.scout.probed, peer, pathOf(b.conn))
	if err != nil {
		return err
	}
	b.routes = &routes{all: all}
	if err := b.onlyRail(b.routes.first()); err != nil {
		return err
	}
	b.spareSlow()
	way := b.way()
	if err := b.agree(peer.Limits, way, false); err != nil {
		return err
	}
	b.found = Benched{Transport: b.routes.first().transport.Name(), Streams: b.streams, Slots: b.slots, SlotSize: b.slotSize, RTT: way.rtt}
	if err := b.conn.Send(&wire.Inspect{Encrypt: b.cfg.Encrypt}); err != nil {
		return err
	}
	hctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	if _, err := next[*wire.Inspected](hctx, b.conn); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	close(b.opened) // there is no target to wait for
	return nil
}

// onlyRail leaves a route the rail that was asked for.
func (b *bencher) onlyRail(r *route) error {
	if b.bench.Rail == "" {
		return nil
	}
	r.lanes = slices.DeleteFunc(r.lanes, func(l *lane) bool { return l.rail != b.bench.Rail })
	if len(r.lanes) == 0 {
		return fmt.Errorf("no way to the peer from rail %q: %w", b.bench.Rail, transport.ErrUnavailable)
	}
	return nil
}

// measure joins the streams, and has them all carry at once.
func (b *bencher) measure(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, b.bench.For+benchSlack)
	defer cancel()
	c := newCrew(ctx)
	c.run(b.readControl)
	c.run(func(ctx context.Context) error {
		err := b.carry(ctx)
		if err == nil {
			err = errDone
		}
		return err
	})
	if err := c.wait(); !errors.Is(err, errDone) {
		return err
	}
	return nil
}

// carry is measure without the reading of control.
func (b *bencher) carry(ctx context.Context) (err error) {
	var streams []*benchStream
	defer func() {
		for _, st := range streams {
			err = errors.Join(err, st.w.stream.Close())
			st.done()
		}
	}()
	way := b.routes.first()
	for i := range b.streams {
		st, err := b.join(ctx, uint32(i), way.transport, way.lanes[way.homeOf(uint32(i))])
		if err != nil {
			return err
		}
		streams = append(streams, st)
	}
	if b.found.Frame, err = streams[0].ping(ctx); err != nil {
		return err
	}
	if err := b.pump(ctx, streams); err != nil {
		return err
	}
	for _, l := range way.lanes {
		b.found.Rails = append(b.found.Rails, BenchedRail{l.rail, l.count.peerName(), int(l.count.streams.Load()), l.count.bytes.Load()})
	}
	return nil
}

// join opens a stream on a rail, by the first of its ways that works.
func (b *bencher) join(ctx context.Context, id uint32, tr transport.Transport, l *lane) (*benchStream, error) {
	var errs []error
	key := streamKey{stream: id}
	for i, slots := 0, b.slots; i < len(l.pairs); key.epoch++ {
		pair := l.pairs[i]
		life := b.begin(ctx, key)
		st, err := b.tryPair(life.ctx, tr, key, pair, slots)
		if err == nil {
			l.count.streams.Add(1)
			l.count.peer.Store(&pair.Peer.Name)
			w := newSendWorker(b.sender, st, key, l.count)
			return &benchStream{w, func() { b.forget(key) }}, nil
		}
		b.forget(key)
		if short := new(shortError); errors.As(err, &short) && 0 < short.slots && short.slots < slots {
			slots = short.slots
			continue
		}
		i++
		errs = append(errs, fmt.Errorf("rail %s to %s: %w", pair.Local.Name, pair.Peer.Name, err))
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(errs...)
}

// ping is the median time of a small frame, there and released.
func (st *benchStream) ping(ctx context.Context) (time.Duration, error) {
	took := make([]time.Duration, benchPings)
	for i := range took {
		start := time.Now()
		err := st.frame(ctx, benchPingSize, i == 0)
		if err == nil {
			err = st.w.stream.Flush(ctx)
		}
		if err != nil {
			return 0, err
		}
		took[i] = time.Since(start)
	}
	slices.Sort(took)
	st.w.count.bytes.Store(0) // what counts begins now
	return took[len(took)/2], nil
}

// pump has all streams carry until the time is over.
func (b *bencher) pump(ctx context.Context, streams []*benchStream) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	workers, err := newPool(len(streams), cancel)
	if err != nil {
		return err
	}
	start := time.Now()
	for _, st := range streams {
		if err := workers.run(func() error { return st.fill(ctx, start.Add(b.bench.For), b.slots) }); err != nil {
			cancel(err)
			break
		}
	}
	if err := workers.stop(); err != nil {
		cancel(err)
	}
	b.found.Took = time.Since(start)
	for _, l := range b.routes.first().lanes {
		b.found.Bytes += l.count.bytes.Load()
	}
	return context.Cause(ctx)
}

// fill sends full slots until then, and waits for the last to be released.
func (st *benchStream) fill(ctx context.Context, end time.Time, slots int) error {
	for n := 0; n == 0 || time.Now().Before(end); n++ {
		// Zeros are what memory holds that nobody wrote to; later rounds find theirs still there.
		if err := st.frame(ctx, 0, n < slots); err != nil {
			return err
		}
	}
	return st.w.stream.Flush(ctx)
}

// frame sends a slot with so many bytes of no file, 0: full.
func (st *benchStream) frame(ctx context.Context, size int, fresh bool) error {
	slot, err := st.w.stream.Acquire(ctx)
	if err != nil {
		return err
	}
	space := st.w.space(slot)
	if size > 0 {
		space = space[:min(size, len(space))]
	}
	if fresh {
		rand.Read(space)
	}
	return st.w.send(ctx, slot, ofNoFile(len(space)))
}

// judge takes results in place of a transfer's: a frame that did not verify ends it.
func (b *bencher) judge(m *wire.Results) error {
	now := time.Now()
	for _, id := range m.Units {
		b.unit(id, now)
	}
	if len(m.Corrupt) > 0 {
		return fmt.Errorf("a frame was damaged on its way: %w", ErrVerify)
	}
	return nil
}
