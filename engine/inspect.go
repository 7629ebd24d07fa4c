package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hashicorp/go-hclog"

	"scp_rdma/control"
	"scp_rdma/localfs"
	"scp_rdma/transport"
	"scp_rdma/wire"
)

const (
	// A proof is so many slots of so many bytes: more than one packet of any MTU,
	// so that a way that swallows long ones is found out, and little memory.
	proofSlots    = 4
	proofSlotSize = 256 << 10
	// proofTimeout is for the slots of one pair: longer than any transport takes to
	// find out that a way swallows packets.
	proofTimeout = 20 * time.Second
)

// InspectConfig describes a look at a server.
type InspectConfig struct {
	Server     control.DialConfig
	Wait       time.Duration // as SendConfig's
	Transports *transport.Registry
	Encrypt    bool
	Logger     hclog.Logger // nil: silent
}

// Inspection is what a look at a server has shown.
type Inspection struct {
	Report []byte      // what it tells of itself, JSON that nobody has checked; may be empty
	Pairs  []PairProof // of all transports, in the order in which a transfer would try them
	Passed []error     // why a transport has no pairs
}

// PairProof is one pair of rails, and whether bytes pass.
type PairProof struct {
	Transport, Local, Peer string
	Joined                 time.Duration // to open both ends and swap proofs
	Bytes                  int64         // written to the peer's slots and released there
	Took                   time.Duration // for them
	Err                    error         // why not
}

// Inspect asks a server what it has, pairs the rails of each transport as a
// transfer would, and proves each pair with some bytes. A pair that fails is in
// the result; an error means that there is none.
func Inspect(ctx context.Context, cfg InspectConfig) (*Inspection, error) {
	s := newSender(SendConfig{
		Server: cfg.Server, Wait: cfg.Wait, Transports: cfg.Transports, Logger: cfg.Logger, Source: nothing{}, Encrypt: cfg.Encrypt,
	})
	in := &inspector{sender: s, verdicts: make(chan verdict, 2*proofSlots)}
	s.meet, s.results = in.ask, in.judge
	err := in.session(ctx)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", errCancelled, context.Cause(ctx))
	}
	return &in.found, withPeer(cfg.Server.Addr, err)
}

// inspector is a sender that sends nothing but proofs.
type inspector struct {
	*sender
	peer     *wire.Hello
	found    Inspection
	verdicts chan verdict // room for a proof's, and for those of the one before that it didn't wait for
}

// verdict is what became of one unit of a proof.
type verdict struct {
	unit    uint64
	corrupt bool
}

func (in *inspector) session(ctx context.Context) error {
	in.scout = in.sendScout(ctx)
	defer in.scout.stop()
	err := in.connect(ctx)
	if in.conn == nil {
		return err
	}
	if err == nil {
		err = in.proveAll(ctx)
	}
	return in.end(ctx, err)
}

// ask swaps Hellos and has the server describe itself.
func (in *inspector) ask(ctx context.Context) error {
	var err error
	if in.peer, err = in.hello(ctx); err != nil {
		return err
	}
	if err := in.conn.Send(&wire.Inspect{Encrypt: in.cfg.Encrypt}); err != nil {
		return err
	}
	hctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	m, err := next[*wire.Inspected](hctx, in.conn)
	if err != nil {
		return fmt.Errorf("inspect: %w", err)
	}
	in.found.Report = m.Report
	close(in.opened) // there is no target to wait for
	return nil
}

// proveAll proves the pairs of every transport, one after the other.
func (in *inspector) proveAll(ctx context.Context) error {
	c := newCrew(ctx)
	c.run(in.readControl)
	in.slots, in.slotSize = proofSlots, min(proofSlotSize, int(in.peer.Limits.SlotSize))&^4095
	for _, tr := range in.cfg.Transports.All() {
		in.proveRails(c.ctx, tr)
	}
	c.cancel(errDone)
	if err := c.wait(); !errors.Is(err, errDone) {
		return err
	}
	return nil
}

// proveRails proves the rails of one transport: for each the first way that works.
func (in *inspector) proveRails(ctx context.Context, tr transport.Transport) {
	pairs, err := pairRails(tr, in.scout.probed, in.peer, pathOf(in.conn))
	if err != nil {
		in.found.Passed = append(in.found.Passed, err)
		return
	}
	for _, l := range lanesOf(tr.Name(), pairs) {
		for _, pair := range l.pairs {
			p := in.prove(ctx, tr, pair)
			in.found.Pairs = append(in.found.Pairs, p)
			if p.Err == nil || ctx.Err() != nil {
				break
			}
		}
	}
}

// prove opens a stream and has its slots written, released and closed.
func (in *inspector) prove(ctx context.Context, tr transport.Transport, pair transport.RailPair) PairProof {
	p := PairProof{Transport: tr.Name(), Local: pair.Local.Name, Peer: pair.Peer.Name}
	start := time.Now()
	in.fresh()
	key := streamKey{0, uint32(len(in.found.Pairs))}
	life := in.begin(ctx, key)
	defer in.forget(key)
	st, err := in.tryPair(life.ctx, tr, key, pair, in.slots)
	if err != nil {
		p.Err = err
		return p
	}
	p.Joined = time.Since(start)
	pctx, cancel := context.WithTimeout(life.ctx, proofTimeout)
	defer cancel()
	start = time.Now()
	w := newSendWorker(in.sender, st, key, &railCount{})
	for range proofSlots {
		if err = w.sendNothing(pctx); err != nil {
			break
		}
		p.Bytes += int64(in.slotSize)
	}
	if err == nil {
		err = st.Flush(pctx)
	}
	p.Took = time.Since(start)
	if err = errors.Join(err, st.Close()); err == nil {
		err = in.verdict(pctx)
	}
	p.Err = err
	return p
}

// fresh forgets the proof before: its results are for nobody.
func (in *inspector) fresh() {
	in.mu.Lock()
	clear(in.units)
	in.mu.Unlock()
	for len(in.verdicts) > 0 {
		<-in.verdicts
	}
}

// judge takes results in place of a transfer's.
func (in *inspector) judge(m *wire.Results) error {
	for i, id := range append(m.Units, m.Corrupt...) {
		if in.unit(id, time.Now()).chunks == nil {
			continue // of a proof that is over, or of none
		}
		select {
		case in.verdicts <- verdict{id, i >= len(m.Units)}:
		default:
			return fmt.Errorf("more results than units: %w", ErrProtocol)
		}
	}
	return nil
}

// verdict waits until each unit of the last proof has arrived as it was sent.
func (in *inspector) verdict(ctx context.Context) error {
	first := in.lastUnit - proofSlots
	for left := proofSlots; left > 0; {
		v, err := wait(ctx, in.verdicts)
		switch {
		case err != nil:
			return fmt.Errorf("results of the proof: %w", err)
		case v.unit <= first: // of a pair that failed
		case v.corrupt:
			return ErrVerify
		default:
			left--
		}
	}
	return nil
}

// sendNothing sends a slot full of bytes that belong to no file: the receiver
// checks their sum and drops them.
func (w *sendWorker) sendNothing(ctx context.Context) error {
	slot, err := w.stream.Acquire(ctx)
	if err != nil {
		return err
	}
	space := w.space(slot)
	rand.Read(space) // zeros are what memory that nobody wrote to holds
	return w.send(ctx, slot, ofNoFile(len(space)))
}

// ofNoFile is a unit of n bytes that the receiver checks and drops.
func ofNoFile(n int) filled {
	return filled{chunks: []wire.Chunk{{Entry: ^uint64(0), Length: uint32(n)}}, used: n}
}

// nothing is a Source without entries: no other method of it is ever called.
type nothing struct{ Source }

func (nothing) Next() (*localfs.Entry, error) { return nil, io.EOF }
