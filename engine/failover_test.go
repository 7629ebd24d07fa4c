package engine_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"scp_rdma/engine"
	"scp_rdma/transport"
	"scp_rdma/transport/mem"
	"scp_rdma/transport/transporttest"
)

// Every stream breaks again and again, at one end or the other: nothing is lost,
// and what had arrived isn't written late into a file that has its name.
func TestStreamsThatBreakLoseNothing(t *testing.T) {
	for name, kind := range kinds() {
		for side, plan := range map[string]transporttest.Plan{
			"sender": {DropAfter: 6}, "receiver": {RecvDropAfter: 3}, "both": {DropAfter: 7, RecvDropAfter: 5},
		} {
			t.Run(name+", "+side, func(t *testing.T) {
				k := start(t, kind, func(k *kit) { k.faults.server = plan })
				k.client = transporttest.Faulty(k.client, transporttest.Plan{DropAfter: plan.DropAfter})
				dir := sample(t)
				// More frames than slots: some have certainly arrived before the stream breaks.
				r, w, err := k.push(contents(t, dir), func(c *engine.SendConfig) { c.SlotSize, c.Slots = 64<<10, 4 })
				if err != nil || r.Failed != 0 || len(w.problems) > 0 {
					t.Fatalf("send: %v, %+v, %v", err, r, w.problems)
				}
				same(t, dir, k.dst)
				if end := waitOn(t, k.sessions); end.err != nil {
					t.Errorf("receiver: %v", end.err)
				}
			})
		}
	}
}

// perRail is a transport of which one rail is another's.
type perRail struct {
	transport.Transport
	rail  string
	other transport.Transport
}

func (p perRail) Open(ctx context.Context, req transport.OpenRequest) (transport.Endpoint, error) {
	if req.Pair.Local.Name == p.rail {
		return p.other.Open(ctx, req)
	}
	return p.Transport.Open(ctx, req)
}

// A rail that is gone for good leaves everything to the other.
func TestARailThatBreaksLeavesItsShareToTheOther(t *testing.T) {
	tr := mem.New("a", "b")
	k := start(t, func(k *kit) { k.server = tr })
	var joins atomic.Int64
	k.client = perRail{tr, "b", transporttest.Faulty(tr, transporttest.Plan{DropAfter: 2, Connect: func(transport.OpenRequest) error {
		if joins.Add(1) > 1 {
			return transport.ErrPeerGone
		}
		return nil
	}})}
	dir := sample(t)
	r, _, err := k.push(contents(t, dir), func(c *engine.SendConfig) { c.SlotSize = 64 << 10 })
	if err != nil || len(r.Rails) != 2 || r.Rails[0].Bytes < 2*r.Rails[1].Bytes {
		t.Fatalf("send: %v, %+v", err, r)
	}
	same(t, dir, k.dst)
}

// The only rail is away for a while.
func TestARailThatComesBackCarriesOn(t *testing.T) {
	k := start(t, kinds()["mem"])
	var since atomic.Int64
	k.client = transporttest.Faulty(k.client, transporttest.Plan{DropAfter: 9, Connect: func(transport.OpenRequest) error {
		first := since.CompareAndSwap(0, time.Now().UnixNano())
		if away := time.Since(time.Unix(0, since.Load())); !first && away < time.Second {
			return transport.ErrPeerGone
		}
		return nil
	}})
	dir := sample(t)
	r, _, err := k.push(contents(t, dir), func(c *engine.SendConfig) { c.SlotSize, c.Slots, c.Streams = 64<<10, 4, 1 })
	if err != nil {
		t.Fatalf("send: %v, %+v", err, r)
	}
	same(t, dir, k.dst)
}

func TestWhenNoRailComesBackTheTransferEndsWithTheReasonAndNamesNothingHalf(t *testing.T) {
	for name, kind := range kinds() {
		t.Run(name, func(t *testing.T) {
			k := start(t, kind)
			var joins atomic.Int64
			k.client = transporttest.Faulty(k.client, transporttest.Plan{DropAfter: 3, Connect: func(transport.OpenRequest) error {
				if joins.Add(1) > 2 {
					return transport.ErrPeerGone
				}
				return nil
			}})
			dir := sample(t)
			_, _, err := k.push(contents(t, dir), func(c *engine.SendConfig) { c.SlotSize, c.RetryFor = 64<<10, time.Second })
			if !errors.Is(err, transport.ErrPeerGone) || !strings.Contains(err.Error(), "no rail has come back within 1s") {
				t.Errorf("send: %v", err)
			}
			waitOn(t, k.sessions)
			if _, err := os.Lstat(filepath.Join(k.dst, "large")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("half a file got its name: %v", err)
			}
		})
	}
}

// What broke over one transport goes on over the next.
func TestTheNextTransportTakesOverInTheMiddle(t *testing.T) {
	best, good := named{mem.New(), "best"}, mem.New()
	k := start(t, func(k *kit) { k.server, k.others = best, []transport.Transport{good} })
	var joins atomic.Int64
	breaks := transporttest.Faulty(best, transporttest.Plan{DropAfter: 3, Connect: func(transport.OpenRequest) error {
		if joins.Add(1) > 2 {
			return transport.ErrPeerGone
		}
		return nil
	}})
	dir := sample(t)
	r, w, err := k.push(contents(t, dir), func(c *engine.SendConfig) {
		c.Transports, c.SlotSize = transport.NewRegistry(named{breaks, "best"}, good), 64<<10
	})
	if err != nil || r.Transport != "mem" || len(r.Rails) != 2 || len(w.chosen) != 2 {
		t.Fatalf("send: %v, %+v, %+v", err, r, w.chosen)
	}
	same(t, dir, k.dst)
}
