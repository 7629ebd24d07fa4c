package engine_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"scp_rdma/engine"
	"scp_rdma/transport"
	"scp_rdma/transport/mem"
	"scp_rdma/transport/transporttest"
	"scp_rdma/wire"
)

func TestCorruptFramesAreSentAgain(t *testing.T) {
	var mu sync.Mutex
	hits, hit := map[uint64]int{}, 0
	k := start(t, func(k *kit) {
		tr := mem.New()
		k.client = tr
		k.server = transporttest.Faulty(tr, transporttest.Plan{Corrupt: func(frame uint64, data []byte) {
			mu.Lock()
			defer mu.Unlock()
			// The same bytes twice at most: five times in a row would be an error.
			if sum := wire.Sum(data); len(data) > 0 && frame%3 != 0 && hits[sum] < 2 {
				hits[sum]++
				hit++
				data[int(frame)%len(data)] ^= 1
			}
		}})
	})
	dir := sample(t)
	r, w, err := k.push(contents(t, dir), func(c *engine.SendConfig) { c.SlotSize = 64 << 10 })
	if err != nil || r.Failed != 0 || len(w.problems) > 0 {
		t.Fatalf("send: %v, %+v, %v", err, r, w.problems)
	}
	if hit < 50 {
		t.Errorf("only %d frames were corrupted", hit)
	}
	same(t, dir, k.dst)
}

// Ten thousand frames of a transfer are damaged, each in a byte of its own: all are
// found, all are healed, and the count is told.
func TestTenThousandDamagedFramesAreFoundAndHealed(t *testing.T) {
	const want = 10_000
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(1, 2))
	last, damaged := map[uint64]bool{}, uint64(0)
	k := start(t, func(k *kit) {
		tr := mem.New()
		k.client = tr
		k.server = transporttest.Faulty(tr, transporttest.Plan{Corrupt: func(_ uint64, data []byte) {
			mu.Lock()
			defer mu.Unlock()
			// Every other time a chunk comes: never five times in a row.
			sum := wire.Sum(data)
			if len(data) == 0 || last[sum] || damaged == want {
				delete(last, sum)
				return
			}
			last[sum] = true
			damaged++
			data[rng.IntN(len(data))] ^= 1 << rng.IntN(8)
		}})
	})
	dir := t.TempDir()
	text := make([]byte, 44<<20)
	for i := range text {
		text[i] = byte(rng.Uint32())
	}
	write(t, dir, map[string]string{"file": string(text)})
	r, _, err := k.push(contents(t, dir), func(c *engine.SendConfig) { c.SlotSize = 4096 })
	if err != nil || damaged != want || r.Damaged != damaged {
		t.Fatalf("%d frames were damaged, the report says %d: %v", damaged, r.Damaged, err)
	}
	same(t, dir, k.dst)
}

func TestAChunkThatNeverVerifiesIsAnError(t *testing.T) {
	k := start(t, func(k *kit) {
		tr := mem.New()
		k.client = tr
		k.server = transporttest.Faulty(tr, transporttest.Plan{Corrupt: func(_ uint64, data []byte) { data[0] ^= 1 }})
	})
	dir := t.TempDir()
	write(t, dir, map[string]string{"f": "contents"})
	_, _, err := k.push(contents(t, dir))
	if !errors.Is(err, engine.ErrVerify) {
		t.Errorf("send: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(k.dst, "f")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a corrupt file got its name: %v", err)
	}
}

func TestTheNextCandidateIsTriedWhenOneFails(t *testing.T) {
	k := start(t, func(k *kit) {
		tr := mem.New("a", "b")
		k.server = tr
		k.client = transporttest.Faulty(tr, transporttest.Plan{Connect: func(req transport.OpenRequest) error {
			if req.Pair.Local.Name == req.Pair.Peer.Name {
				return transport.ErrPeerGone
			}
			return nil
		}})
	})
	dir := sample(t)
	r, _, err := k.push(contents(t, dir))
	if err != nil || len(r.Rails) != 2 {
		t.Fatalf("send: %v, %+v", err, r)
	}
	same(t, dir, k.dst)
}

func TestARailThatCannotBeJoinedIsNoTransport(t *testing.T) {
	k := start(t, func(k *kit) {
		tr := mem.New()
		k.server = tr
		k.client = transporttest.Faulty(tr, transporttest.Plan{Connect: func(transport.OpenRequest) error { return transport.ErrPeerGone }})
	})
	if _, _, err := k.push(contents(t, sample(t))); !errors.Is(err, transport.ErrUnavailable) {
		t.Errorf("send: %v", err)
	}
}

// unsynced is a sink whose disk fails at the very end.
type unsynced struct{ engine.Sink }

func (unsynced) Sync() error { return errors.New("input/output error") }

func TestADiskThatFailsAtTheEndFailsTheTransfer(t *testing.T) {
	k := start(t, kinds()["mem"], func(k *kit) {
		k.sink = func(s engine.Sink) engine.Sink { return unsynced{s} }
	})
	_, _, err := k.push(contents(t, sample(t)), func(c *engine.SendConfig) { c.Fsync = true })
	if err == nil || !strings.Contains(err.Error(), "input/output error") {
		t.Errorf("send: %v", err)
	}
	if end := waitOn(t, k.sessions); end.err == nil {
		t.Error("the server saw nothing wrong")
	}
}
