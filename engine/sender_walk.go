package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"scp_rdma/localfs"
	"scp_rdma/planner"
	"scp_rdma/wire"
)

// announceBatch: entries in one message at most. Enough to make the message's
// own cost vanish, few enough that the first files start at once.
const announceBatch = 256

// walk hands what the scout finds to announce, as far as the window goes.
func (s *sender) walk(ctx context.Context, out chan<- wire.Entry) error {
	defer close(out)
	if _, err := wait(ctx, s.opened); err != nil {
		return err
	}
	for {
		e, ok, err := s.nextFound(ctx)
		if err != nil {
			return err
		}
		if !ok {
			return s.scout.err
		}
		if err := s.admit(ctx, e); err != nil {
			return err
		}
		select {
		case out <- toWire(e, 0):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// nextFound is what the scout has found; false: that was all. What it takes to wait for
// it goes on the walk's account.
func (s *sender) nextFound(ctx context.Context) (e *localfs.Entry, ok bool, err error) {
	select {
	case e, ok = <-s.scout.found:
		return e, ok, nil
	default:
	}
	s.walking.to(DoingWalk)
	defer s.walking.to(DoingEnd)
	select {
	case e, ok = <-s.scout.found:
		return e, ok, nil
	case <-ctx.Done():
		return nil, false, context.Cause(ctx)
	}
}

// admit waits for a place in the window and enters the entry in the table. The
// end of a directory has no result and takes no place.
func (s *sender) admit(ctx context.Context, e *localfs.Entry) error {
	if e.Kind == localfs.KindDirEnd {
		return nil
	}
	if err := s.window.Acquire(ctx, 1); err != nil {
		return context.Cause(ctx)
	}
	s.mu.Lock()
	s.open[e.ID] = s.newItem(ctx, e)
	s.mu.Unlock()
	return nil
}

// announce sends what has gathered since the last message, so batches grow by
// themselves when the walk is faster than the wire.
func (s *sender) announce(_ context.Context, in <-chan wire.Entry) error {
	for e := range in {
		batch := append(make([]wire.Entry, 0, 16), e)
		for more := true; more && len(batch) < announceBatch; {
			select {
			case e, ok := <-in:
				if more = ok; ok {
					batch = append(batch, e)
				}
			default:
				more = false
			}
		}
		if err := s.conn.Send(&wire.Entries{List: batch}); err != nil {
			return err
		}
	}
	if s.asked {
		if err := s.conn.Send(&wire.Walked{}); err != nil {
			return err
		}
	}
	s.mu.Lock()
	s.walked = true
	s.wakeAll()
	s.mu.Unlock()
	return nil
}

// readControl takes the receiver's messages until the session ends. It never waits
// for anything but the next message.
func (s *sender) readControl(ctx context.Context) error {
	for {
		m, err := s.conn.Recv(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			s.gone.Store(!errors.Is(err, wire.ErrMalformed) && !errors.Is(err, wire.ErrUnknownType))
			return lost(err)
		}
		if err := s.take(m); err != nil {
			return err
		}
	}
}

func (s *sender) take(m wire.Message) error {
	switch m := m.(type) {
	case *wire.Opened:
		return s.takeOpened(m)
	case *wire.Answers:
		return s.takeAnswers(m.List)
	case *wire.Results:
		return s.results(m)
	case *wire.StreamReady:
		s.ready.put(streamKey{m.Stream, m.Epoch}, m)
		return nil
	case *wire.Fenced:
		s.takeFenced(m)
		return nil
	case *wire.Summary:
		select {
		case s.summary <- m:
			return nil
		default:
			return fmt.Errorf("two summaries: %w", ErrProtocol)
		}
	case *wire.Bye:
		return &RemoteError{Code: m.Code, Text: m.Text}
	}
	return fmt.Errorf("message %d out of place: %w", m.Type(), ErrProtocol)
}

func (s *sender) takeAnswers(list []wire.Answer) error {
	for i := range list {
		if err := s.takeAnswer(&list[i]); err != nil {
			return err
		}
	}
	return nil
}

func (s *sender) takeAnswer(a *wire.Answer) error {
	if a.Action == wire.ActionNeed && s.cfg.Dry {
		s.would(a.ID)
		return nil
	}
	if a.Action == wire.ActionNeed {
		return s.need(a.ID, a.Have)
	}
	it := s.item(a.ID)
	if it == nil {
		return nil
	}
	var err error
	switch a.Action {
	case wire.ActionDone:
		s.countDone(it.e)
		err = s.settled(it, HowMade, a.Digest)
	case wire.ActionFailed:
		s.refused(it, a.Text)
	case wire.ActionParent:
		s.count.failed.Add(1)
	case wire.ActionSkip:
		s.count.skipped.Add(1)
		s.count.skippedBytes.Add(uint64(it.e.Size))
		s.count.bytesDone.Add(uint64(it.e.Size))
		err = s.settled(it, HowThere, a.Digest)
	case wire.ActionCompare:
		return s.compareLater(it, a.Sum)
	case wire.ActionNeed:
	default:
		return fmt.Errorf("answer %d: %w", a.Action, ErrProtocol)
	}
	s.settle(it)
	return err
}

// need puts a file in line to be sent, but for the ranges that the receiver has.
func (s *sender) need(id uint64, have []wire.Range) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	it := s.open[id]
	if it == nil || it.aborted {
		return nil
	}
	if it.e.Kind != localfs.KindFile {
		return fmt.Errorf("bytes of an entry of kind %d are wanted: %w", it.e.Kind, ErrProtocol)
	}
	if it.order != nil {
		return s.needInOrder(it, have)
	}
	f := planner.File{ID: id, Size: it.e.Size, Sparse: it.e.Sparse}
	need := it.e.Size
	if len(have) > 0 {
		var there ranges
		for _, r := range have {
			there.add(r.From, r.To)
			need -= r.To - r.From
		}
		if have[len(have)-1].To > it.e.Size || need == 0 {
			return fmt.Errorf("the receiver has all of a file of %d bytes, or more: %w", it.e.Size, ErrProtocol)
		}
		for _, gap := range there.missing(it.e.Size) {
			f.Missing = append(f.Missing, planner.Range{Off: gap.from, Len: gap.to - gap.from})
		}
		it.putBack(need - it.e.Size)
		s.count.resumed.Add(uint64(it.e.Size - need))
		s.count.bytesDone.Add(uint64(it.e.Size - need))
	}
	if !it.e.Sparse { // how much of it is holes is not known here
		s.expectBytes(uint64(need))
	}
	s.plan.Add(f)
	s.wake.Signal()
	return nil
}

// expectBytes tells once that the files that are needed have no room. s.mu is held.
func (s *sender) expectBytes(n uint64) {
	before := s.needed
	s.needed += n
	if s.cfg.Observer != nil && s.free > 0 && before <= s.free && s.needed > s.free {
		s.cfg.Observer.Scarce(s.needed, s.free)
	}
}

func (s *sender) refused(it *item, text string) {
	if it.aborted {
		return // told already
	}
	s.count.failed.Add(1)
	s.problem(Problem{Path: s.cfg.Source.Path(it.e), Err: errors.New(text), Remote: true})
}

// countDone counts an entry that needed no bytes.
func (s *sender) countDone(e *localfs.Entry) {
	switch e.Kind {
	case localfs.KindDir:
		s.count.okDirs.Add(1)
	case localfs.KindSymlink:
		s.count.okSyms.Add(1)
	case localfs.KindFile:
		s.count.okLinks.Add(1)
		s.count.bytesDone.Add(uint64(e.Size))
	case localfs.KindDirEnd:
	}
}

func (s *sender) takeResults(m *wire.Results) error {
	if len(m.Units) > 0 {
		s.acked.Store(true)
		s.heardOf()
		s.routes.progress()
	}
	now := time.Now()
	for _, id := range m.Units {
		u := s.unit(id, now)
		s.count.bytesDone.Add(u.bytes)
		s.acknowledged(u)
	}
	for _, id := range m.Corrupt {
		s.count.damaged.Add(1)
		s.log.Info("a frame did not verify, sending it again", "unit", id)
		if err := s.requeue(s.unit(id, now), true); err != nil {
			return err
		}
	}
	for i := range m.List {
		r := &m.List[i]
		it := s.item(r.ID)
		if it == nil {
			continue
		}
		switch r.Status {
		case wire.StatusOK:
			s.count.okFiles.Add(1)
			s.count.okBytes.Add(uint64(it.length()))
			if err := s.settled(it, HowWritten, r.Digest); err != nil {
				return err
			}
		case wire.StatusFailed:
			s.refused(it, r.Text)
		case wire.StatusUnverified:
			s.count.unverified.Add(1)
			s.refused(it, r.Text)
		case wire.StatusAborted: // told when it was taken back
		}
		s.settle(it)
	}
	s.held.Broadcast() // a rail may have room for more
	return nil
}

// unit takes a unit out of the table of those without a result.
func (s *sender) unit(id uint64, now time.Time) sent {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.units[id]
	delete(s.units, id)
	if u.rail != nil {
		s.health.acked(u.rail, u.cost, u.data, now.Sub(u.at), now)
	}
	if l := s.live[u.key]; l != nil {
		l.acked++
	}
	return u
}
