package engine

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"scp_rdma/localfs"
	"scp_rdma/planner"
	"scp_rdma/wire"
)

func TestOneFileWakesEveryWorkerItHasUnitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const workers = 8
		s := newSender(SendConfig{})
		s.slotSize = 4096
		s.plan = planner.New(planner.Config{SlotSize: s.slotSize, MaxChunks: wire.MaxChunks})
		s.open[1] = &item{e: &localfs.Entry{Kind: localfs.KindFile, Size: workers * 4096}}
		var took atomic.Int64
		for range workers {
			go func() {
				if _, ok, err := s.takeUnit(context.Background(), 0, nil, nil); ok && err == nil {
					took.Add(1)
				}
			}()
		}
		synctest.Wait() // all of them wait for units
		if err := s.need(1, nil); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		n := took.Load()
		if n != workers {
			t.Errorf("%d of %d workers got a unit", n, workers)
		}
		s.walked, s.open = true, nil
		s.wakeWorkers()
	})
}

// told counts what a sender tells.
type told struct {
	Observer
	stalled atomic.Int64
}

func (o *told) Stalled(time.Duration) { o.stalled.Add(1) }

// A disk that takes nothing for a while is told of, once each time.
func TestASlowDiskIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &told{}
		s := newSender(SendConfig{Observer: o})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		var mute atomic.Bool
		go func() {
			done <- s.watchStall(ctx, func() time.Time {
				if mute.Load() {
					return time.Time{}
				}
				return time.Now()
			})
		}()
		for _, step := range []struct {
			units int // sent, or with a result
			wait  time.Duration
			want  int
		}{{0, time.Minute, 0}, {2, 9 * time.Second, 0}, {0, time.Minute, 1}, {-1, 8 * time.Second, 1}, {0, time.Minute, 2}, {-1, time.Minute, 2}} {
			if step.units > 0 {
				for range step.units {
					s.record(streamKey{}, nil, filled{bytes: 1})
				}
			} else if step.units < 0 {
				s.unit(s.lastUnit, time.Now())
				s.lastUnit--
				s.heardOf()
			}
			<-time.After(step.wait)
			synctest.Wait()
			if o.stalled.Load() != int64(step.want) {
				t.Errorf("after %+v: told %d times", step, o.stalled.Load())
			}
		}
		// One that is frozen has no slow disk.
		mute.Store(true)
		s.record(streamKey{}, nil, filled{bytes: 1})
		<-time.After(time.Minute)
		synctest.Wait()
		if o.stalled.Load() != 2 {
			t.Error("a server that does not answer was said to be slow")
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A worker that waits for units ends with the session, in whichever order the contexts
// of session and stream learn of that.
func TestAWaitingWorkerEndsWithItsSession(t *testing.T) {
	for range 2000 {
		s := newSender(SendConfig{})
		s.plan = planner.New(planner.Config{SlotSize: 4096, MaxChunks: 1})
		ctx, cancel := context.WithCancel(t.Context())
		stop := context.AfterFunc(ctx, s.wakeWorkers)
		done := make(chan error, 8)
		for i := range uint32(8) {
			l := s.begin(ctx, streamKey{stream: i})
			go func() {
				_, _, err := s.takeUnit(l.ctx, 0, nil, nil)
				done <- err
			}()
		}
		cancel()
		for range 8 {
			select {
			case err := <-done:
				if err == nil {
					t.Fatal("a unit out of nothing")
				}
			case <-time.After(30 * time.Second):
				t.Fatal("a worker still waits")
			}
		}
		stop()
	}
}
