package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"scp_rdma/transport"
	"scp_rdma/wire"
)

// inStreams is the receiving streams of a session, one worker each.
type inStreams struct {
	r       *receiver
	crew    *crew
	workers *pool

	mu      sync.Mutex
	running map[streamKey]context.CancelCauseFunc
	memory  map[uint32]int64 // bytes of slots of each stream
	on      map[onRail]bool  // which streams were ever joined on which rails
	name    string           // of the transport in use
	rails   []*railCount
	clocks  inClocks
}

func newInStreams(r *receiver, c *crew) (*inStreams, error) {
	// Twice the streams: one that is replaced by a newer epoch needs a moment to end.
	workers, err := newPool(2*r.limits.Streams, c.cancel)
	if err != nil {
		return nil, err
	}
	return &inStreams{
		r: r, crew: c, workers: workers,
		running: map[streamKey]context.CancelCauseFunc{}, on: map[onRail]bool{}, memory: map[uint32]int64{},
		clocks: inClocks{crowd: newCrowd(r.started, nil)},
	}, nil
}

// stop waits for the workers; the session's context has ended.
func (in *inStreams) stop() error { return in.workers.stop() }

// open gives a worker the task to open one stream and to receive from it. What
// is wrong with the request is the answer to it; only a full pool is an error.
func (in *inStreams) open(m *wire.StreamOpen) error {
	req, tr, err := in.request(m)
	if err != nil {
		return in.refuse(m, err)
	}
	ctx, cancel := context.WithCancelCause(in.crew.ctx)
	key := streamKey{m.Stream, m.Epoch}
	in.mu.Lock()
	for k, end := range in.running {
		if k.stream == key.stream {
			end(nil) // an older epoch: it is replaced
		}
	}
	in.running[key] = cancel
	in.mu.Unlock()
	err = in.workers.run(func() error {
		defer in.ended(key)
		return in.serve(ctx, tr, req, m, cancel)
	})
	if err != nil {
		in.ended(key)
		return in.refuse(m, err)
	}
	return nil
}

// maxFences is how many streams a sender may have ended that it takes no word of.
const maxFences = 4 * MaxStreams

// fence ends a stream for the sender, who hears of it when it has; at once if there
// is none.
func (in *inStreams) fence(m *wire.Fence) error {
	in.mu.Lock()
	end := in.running[streamKey{m.Stream, m.Epoch}]
	in.mu.Unlock()
	if end != nil {
		end(nil)
		return nil
	}
	if n := in.r.out.fenced(wire.Fenced{Stream: m.Stream, Epoch: m.Epoch}); n > maxFences {
		return fmt.Errorf("%d streams fenced at once: %w", n, ErrProtocol)
	}
	return nil
}

// ended forgets a stream.
func (in *inStreams) ended(key streamKey) {
	in.mu.Lock()
	end := in.running[key]
	delete(in.running, key)
	in.clocks.end(key)
	in.mu.Unlock()
	if end != nil {
		end(nil)
	}
}

// leave has nobody end a stream any more, and says whether somebody has, who waits to hear of it:
// its sender may have closed it on the way.
func (in *inStreams) leave(ctx context.Context, key streamKey) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	delete(in.running, key)
	return ctx.Err() != nil
}

func (in *inStreams) refuse(m *wire.StreamOpen, err error) error {
	ready := &wire.StreamReady{Stream: m.Stream, Epoch: m.Epoch, Error: clip(err.Error())}
	if short := new(shortError); errors.As(err, &short) {
		ready.Short, ready.Slots = true, uint32(short.slots)
	}
	return in.r.conn.Send(ready)
}

// request checks what the sender asks for against the limits, before anything
// is made for it.
func (in *inStreams) request(m *wire.StreamOpen) (transport.OpenRequest, transport.Transport, error) {
	var none transport.OpenRequest
	tr := in.r.cfg.Transports.Lookup(m.Transport)
	if tr == nil {
		return none, nil, fmt.Errorf("no transport %q here: %w", m.Transport, transport.ErrUnavailable)
	}
	local, ok := findRail(in.r.mine.rails[m.Transport], m.Peer)
	if !ok {
		return none, nil, fmt.Errorf("no rail %q here: %w", m.Peer, transport.ErrUnavailable)
	}
	peer, ok := findRail(railsOf(in.r.peer.Rails, m.Transport), m.Local)
	if !ok {
		return none, nil, fmt.Errorf("rail %q was not announced: %w", m.Local, ErrProtocol)
	}
	req := transport.OpenRequest{
		Pair: transport.RailPair{Local: local, Peer: peer}, Role: transport.Receiver,
		Session: in.r.id, Key: in.r.key, Stream: m.Stream, Epoch: m.Epoch, Offer: m.Offer,
		Slots: int(m.Slots), SlotSize: int(m.SlotSize), Control: pathOf(in.r.conn),
	}
	if f := in.r.fetch; f != nil {
		pair, err := f.pair(m.Transport, local, peer)
		if err != nil {
			return none, nil, err
		}
		req.Pair, req.Initiator, req.Offer = pair, true, nil
	}
	if err := req.Validate(); err != nil {
		return none, nil, err
	}
	return req, tr, in.fits(m)
}

// fits holds the memory of a session's streams against what one may have.
func (in *inStreams) fits(m *wire.StreamOpen) error {
	l := in.r.limits
	if int(m.Stream) >= l.Streams || int(m.SlotSize) > l.SlotSize {
		return fmt.Errorf("stream %d with slots of %d bytes, allowed are %d streams and %d bytes: %w",
			m.Stream, m.SlotSize, l.Streams, l.SlotSize, ErrProtocol)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.memory[m.Stream] = int64(m.Slots) * (int64(m.SlotSize) + transport.HeadRoom)
	var sum int64
	for _, n := range in.memory {
		sum += n
	}
	if sum > l.Memory {
		delete(in.memory, m.Stream)
		return fmt.Errorf("slots of %d bytes in all, %d allowed: %w", sum, l.Memory, ErrProtocol)
	}
	return nil
}

// book books a stream's slots. If there is room for less its sender has to come again, for
// it has made its end already.
func (in *inStreams) book(ctx context.Context, m *wire.StreamOpen, end context.CancelCauseFunc) (*lease, func(), error) {
	l := newLease(m.Stream, int(m.Slots), int(m.SlotSize), func(slots int) { end(&shortError{slots}) })
	l.whole = true
	done, err := in.r.seat.lease(ctx, l)
	return l, done, err
}

// tell says that a stream has ended, and why, if it was not to.
func (in *inStreams) tell(ctx context.Context, m *wire.StreamOpen, err error) {
	f := wire.Fenced{Stream: m.Stream, Epoch: m.Epoch}
	short := new(shortError)
	switch {
	case errors.As(context.Cause(ctx), &short):
		f.Error, f.Short, f.Slots = short.Error(), true, uint32(short.slots)
	case ctx.Err() == nil:
		f.Error = clip(err.Error())
	}
	in.r.out.fenced(f)
}

// serve is the life of one worker: its stream is opened, emptied and closed here. A
// stream that breaks is told, with what it brought before; others may take its place.
func (in *inStreams) serve(ctx context.Context, tr transport.Transport, req transport.OpenRequest, m *wire.StreamOpen, end context.CancelCauseFunc) error {
	defer end(nil)
	lease, done, err := in.book(ctx, m, end)
	if err != nil {
		in.r.log.Debug("stream not opened", "stream", m.Stream, "epoch", m.Epoch, "error", err)
		return in.refuse(m, err)
	}
	defer done()
	logger := in.r.log.With("stream", m.Stream, "epoch", m.Epoch)
	account := in.account(streamKey{m.Stream, m.Epoch})
	st, err := in.connect(ctx, tr, req, m)
	if err != nil {
		logger.Info("stream not opened", "error", err)
		done()
		in.tell(ctx, m, err)
		return nil
	}
	account.joined(st.Rail())
	w := newRecvWorker(in.r, st, streamKey{m.Stream, m.Epoch}, in.count(tr.Name(), st.Rail()), account, in.clocks.crowd)
	w.lease = lease
	in.joined(m.Stream, w.count, m.Local)
	logger.Debug("stream joined", "rail", st.Rail(), "since start", time.Since(in.r.started))
	in.clocks.crowd.change(1, 0)
	leave := in.r.slotsJoined.join(st, req.Slots, w.count)
	err = byRail(req.Pair.Local.Cores, in.streams(), func() error { return w.run(ctx) })
	leave()
	in.clocks.crowd.change(-1, 0)
	closeErr := st.Close()
	done() // its slots are gone: who is told of its end may ask for others
	switch {
	case errors.Is(err, io.EOF):
		if closeErr != nil {
			logger.Debug("stream did not end cleanly", "error", closeErr)
		}
		if in.leave(ctx, streamKey{m.Stream, m.Epoch}) {
			in.tell(ctx, m, err)
		}
		return nil
	case ctx.Err() == nil && !broke(err):
		return err // the peer breaks the rules, or nothing can be written any more
	}
	level := hclog.Info
	switch {
	case errors.As(context.Cause(ctx), new(*shortError)):
		level = hclog.Debug // it made room
	case in.crew.ctx.Err() == nil:
		w.count.broken.Add(1) // whichever end has noticed first
	}
	logger.Log(level, "stream ended", "error", err)
	in.tell(ctx, m, err)
	return nil
}

func (in *inStreams) connect(ctx context.Context, tr transport.Transport, req transport.OpenRequest, m *wire.StreamOpen) (transport.RecvStream, error) {
	ctx, cancel := within(ctx, connectTimeout+reasonWait)
	defer cancel()
	ep, err := tr.Open(ctx, req)
	if err != nil {
		return nil, errors.Join(err, in.refuse(m, err))
	}
	defer func() { _ = ep.Close() }() // a no-op once it is connected
	offer := m.Offer
	var joins <-chan *wire.StreamJoin
	if f := in.r.fetch; f != nil {
		joins = f.join.expect(streamKey{m.Stream, m.Epoch})
	}
	if err := in.r.conn.Send(&wire.StreamReady{Stream: m.Stream, Epoch: m.Epoch, Offer: ep.Offer()}); err != nil {
		return nil, err
	}
	if joins != nil {
		join, err := wait(ctx, joins)
		if err != nil {
			return nil, err
		}
		if join.Error != "" {
			return nil, &RemoteError{Code: wire.ByeNoTransport, Text: join.Error}
		}
		offer = join.Offer
	}
	st, err := ep.Connect(ctx, offer)
	if err != nil {
		return nil, err
	}
	return st.(transport.RecvStream), nil
}

// onRail is a stream on a rail.
type onRail struct {
	stream uint32
	rail   *railCount
}

// joined counts a stream on a rail, once, however often it is joined.
func (in *inStreams) joined(stream uint32, c *railCount, peer string) {
	c.peer.Store(&peer)
	in.mu.Lock()
	defer in.mu.Unlock()
	if at := (onRail{stream, c}); !in.on[at] {
		in.on[at] = true
		c.streams.Add(1)
	}
}

// count finds the counter of a rail.
func (in *inStreams) count(name, rail string) *railCount {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.name = name
	for _, c := range in.rails {
		if c.name == rail && c.transport == name {
			return c
		}
	}
	c := &railCount{transport: name, name: rail}
	in.rails = append(in.rails, c)
	return c
}

// account is the clock of a stream that is opened, until it has ended.
func (in *inStreams) account(key streamKey) *clock {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.clocks.begin(key, in.r.started)
}

// accounts are those of the streams that run, and what all have spent.
func (in *inStreams) accounts() ([]StreamReport, Spent) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.clocks.reports(), in.clocks.spent()
}

// streams is how many run.
func (in *inStreams) streams() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.running)
}

// window is the size of all slots, bytes.
func (in *inStreams) window() (n uint64) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, m := range in.memory {
		n += uint64(m)
	}
	return n
}

// counted is what the rails carried.
func (in *inStreams) counted() (string, []RailReport) {
	in.mu.Lock()
	defer in.mu.Unlock()
	var rails []RailReport
	for _, c := range in.rails {
		one := RailReport{Name: c.name, Peer: c.peerName(), Streams: int(c.streams.Load()), Bytes: c.bytes.Load()}
		if in.r.fetch != nil {
			one.RailHealth = in.r.fetch.rails.of(c.name)
		}
		rails = append(rails, one)
	}
	return in.name, rails
}
