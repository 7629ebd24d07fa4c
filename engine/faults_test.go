package engine_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"scp_rdma/engine"
	"scp_rdma/transport"
	"scp_rdma/transport/mem"
	"scp_rdma/transport/transporttest"
)

func TestCorruptFramesAreSentAgain(t *testing.T) {
	var hit atomic.Int32
	k := start(t, func(k *kit) {
		tr := mem.New()
		k.client = tr
		k.server = transporttest.Faulty(tr, transporttest.Plan{Corrupt: func(frame uint64, data []byte) {
			if frame*2654435761>>7%4 == 0 && len(data) > 0 { // scattered: no chunk meets it five times
				data[int(frame)%len(data)] ^= 1
				hit.Add(1)
			}
		}})
	})
	dir := sample(t)
	r, w, err := k.push(contents(t, dir), func(c *engine.SendConfig) { c.SlotSize = 64 << 10 })
	if err != nil || r.Failed != 0 || len(w.problems) > 0 {
		t.Fatalf("send: %v, %+v, %v", err, r, w.problems)
	}
	if hit.Load() < 5 {
		t.Errorf("only %d frames were corrupted", hit.Load())
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

func TestAStreamThatBreaksEndsTheSessionAndNamesNothingHalf(t *testing.T) {
	for name, kind := range kinds() {
		t.Run(name, func(t *testing.T) {
			k := start(t, kind)
			k.client = transporttest.Faulty(k.client, transporttest.Plan{DropAfter: 3})
			dir := sample(t)
			_, _, err := k.push(contents(t, dir), func(c *engine.SendConfig) { c.SlotSize = 64 << 10 })
			if !errors.Is(err, transporttest.ErrDropped) && !errors.Is(err, transport.ErrPeerGone) {
				var remote *engine.RemoteError
				if !errors.As(err, &remote) {
					t.Errorf("send: %v", err)
				}
			}
			waitOn(t, k.sessions)
			if _, err := os.Lstat(filepath.Join(k.dst, "large")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("half a file got its name: %v", err)
			}
		})
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
