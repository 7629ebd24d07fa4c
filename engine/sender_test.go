package engine

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"

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
				if _, ok, err := s.takeUnit(context.Background(), 0); ok && err == nil {
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
