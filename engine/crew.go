package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/panjf2000/ants/v2"
	"golang.org/x/sync/semaphore"

	"scp_rdma/transport"
)

// crew is the goroutines of one session: all are waited for, the first error
// ends the others.
type crew struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup
	beside sync.WaitGroup      // of what runs apart
	heavy  *semaphore.Weighted // of those that run aside
}

func newCrew(ctx context.Context) *crew {
	ctx, cancel := context.WithCancelCause(ctx)
	return &crew{ctx: ctx, cancel: cancel, heavy: semaphore.NewWeighted(int64(runtime.GOMAXPROCS(0)))}
}

// run starts f; its error ends the session.
func (c *crew) run(f func(ctx context.Context) error) {
	c.wg.Go(func() {
		if err := f(c.ctx); err != nil {
			c.cancel(err)
		}
	})
}

// apart is run for those who may do so when all that run started has returned: workers. Who
// waits for it waits for them before.
func (c *crew) apart(f func(ctx context.Context) error) {
	c.beside.Go(func() {
		if err := f(c.ctx); err != nil {
			c.cancel(err)
		}
	})
}

// aside runs, apart, what takes long and holds up nobody: as many at once as there are cores.
func (c *crew) aside(f func(ctx context.Context) error) {
	c.apart(func(ctx context.Context) error {
		if c.heavy.Acquire(ctx, 1) != nil {
			return nil // the session has ended
		}
		defer c.heavy.Release(1)
		return f(ctx)
	})
}

// wait returns when all that run started has returned, with what ended it.
func (c *crew) wait() error {
	c.wg.Wait()
	return context.Cause(c.ctx)
}

// pool runs the workers of a session, one task per stream.
type pool struct {
	ants *ants.Pool
	wg   sync.WaitGroup
	fail func(error)
}

// poolStop bounds the wait for ants' own idle goroutines; every task has
// returned by then.
const poolStop = 5 * time.Second

// newPool makes room for n workers. A panic in one fails the session: without
// the handler ants would only log it (v2.12 worker.go).
func newPool(n int, fail func(error)) (*pool, error) {
	p := &pool{fail: fail}
	a, err := ants.NewPool(n, ants.WithNonblocking(true), ants.WithDisablePurge(true), ants.WithPanicHandler(func(v any) {
		fail(fmt.Errorf("worker: panic: %v", v))
	}))
	if err != nil {
		return nil, fmt.Errorf("worker pool: %w", err)
	}
	p.ants = a
	return p, nil
}

// run gives a worker its task; its error fails the session.
func (p *pool) run(task func() error) error {
	p.wg.Add(1)
	err := p.ants.Submit(func() {
		defer p.wg.Done()
		if err := task(); err != nil {
			p.fail(err)
		}
	})
	if err != nil {
		p.wg.Done()
		return fmt.Errorf("worker pool: %w", err)
	}
	return nil
}

// stop waits for all tasks and lets the workers go.
func (p *pool) stop() error {
	p.wg.Wait()
	if err := p.ants.ReleaseTimeout(poolStop); err != nil {
		return fmt.Errorf("worker pool: %w", err)
	}
	return nil
}

// because waits a moment for the reason why a stream's peer is gone, which it
// says on control: that is what a person wants to read.
func because(ctx context.Context, err error) error {
	if !errors.Is(err, transport.ErrPeerGone) {
		return err
	}
	t := time.NewTimer(reasonWait)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return err
	}
}

// waitFor waits for ch, d at most; 0: not at all.
func waitFor(ch <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ch:
		return true
	case <-t.C:
		return false
	}
}
