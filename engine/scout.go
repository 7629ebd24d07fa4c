package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"scp_rdma/localfs"
	"scp_rdma/transport"
	"scp_rdma/wire"
)

// scoutAhead: entries that are found before there is a session to announce them
// in, about 1 KiB each.
const scoutAhead = 1024

// scout does what can be done before the server has answered: it walks ahead, so
// that a small source is known whole when the streams are made, and looks what
// the transports have.
type scout struct {
	found  chan *localfs.Entry
	err    error // why the walk has ended; read after found is closed
	probed probed
	ready  chan struct{}   // closed when probed is there
	hope   context.Context // ends when it is known that there is no transport, with that as its cause
	cancel context.CancelCauseFunc
	work   sync.WaitGroup

	largest atomic.Uint64 // size of a file, bytes
}

// sendScout begins. stop must be called.
func (s *sender) sendScout(ctx context.Context) *scout {
	sc := s.walkScout(ctx)
	sc.work.Go(func() {
		sc.probed = probe(sc.hope, s.cfg.Transports)
		if len(sc.probed.sets) == 0 {
			_, _, err := findRoutes(s.cfg.Transports, sc.probed, &wire.Hello{}, transport.Path{})
			sc.cancel(err)
		}
		close(sc.ready)
	})
	return sc
}

// walkScout begins to walk, and no more. stop must be called.
func (s *sender) walkScout(ctx context.Context) *scout {
	sc := &scout{found: make(chan *localfs.Entry, scoutAhead), ready: make(chan struct{})}
	sc.hope, sc.cancel = context.WithCancelCause(ctx)
	if b, ok := s.cfg.Source.(boundSource); ok {
		b.Bind(sc.hope)
	}
	sc.work.Go(func() { sc.walk(sc.hope, s) })
	return sc
}

// boundSource is a Source whose Next may wait for others: it ends with ctx.
type boundSource interface{ Bind(ctx context.Context) }

// settlingSource is a Source that wants to know which entries have ended.
type settlingSource interface{ Settled(e *localfs.Entry) }

// stop ends what is still going on and waits for it.
func (sc *scout) stop() {
	sc.cancel(nil)
	sc.work.Wait()
}

func (sc *scout) walk(ctx context.Context, s *sender) {
	defer close(sc.found)
	for {
		e, err := s.cfg.Source.Next()
		if errors.Is(err, io.EOF) {
			s.count.walkDone.Store(true)
			return
		}
		if err != nil {
			sc.err = fmt.Errorf("walk: %w", err)
			return
		}
		sc.saw(s, e)
		select {
		case sc.found <- e:
		case <-ctx.Done():
			sc.err = context.Cause(ctx)
			return
		}
	}
}

// saw counts an entry.
func (sc *scout) saw(s *sender, e *localfs.Entry) {
	if e.Kind == localfs.KindDirEnd {
		return
	}
	s.count.entries.Add(1)
	if e.Kind != localfs.KindFile {
		return
	}
	s.count.files.Add(1)
	s.count.bytes.Add(uint64(e.Size))
	sc.largest.Store(max(sc.largest.Load(), uint64(e.Size)))
}
