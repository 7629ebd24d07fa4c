package engine_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"scp_rdma/engine"
	"scp_rdma/transport/mem"
	"scp_rdma/transport/transporttest"
	"scp_rdma/wire"
)

// ill are transports on which something goes wrong all the time. The first word of a
// name is the transport's. Small slots, and few: a sample is some hundred frames.
func ill() map[string]func(k *kit) {
	const slots, size = 4, 16 << 10
	breaks := func(seed uint64) transporttest.Plan {
		return transporttest.Plan{Seed: seed, DropAfter: 3, RecvDropAfter: 3, Spread: 38}
	}
	slow := transporttest.Plan{Delay: 3 * time.Millisecond}
	all := func(seed uint64) transporttest.Plan {
		p := breaks(seed)
		p.Spread, p.Delay, p.Corrupt = 90, time.Millisecond, damage(seed)
		return p
	}
	return map[string]func(k *kit){
		"mem with delays": func(k *kit) { memory(k); k.faults = faults{slow, slow, slots, size} },
		"tcp with delays": func(k *kit) { k.faults = faults{slow, slow, slots, size} },
		"mem that loses credits": func(k *kit) {
			tr := mem.New().Lossy(3, 1)
			k.client, k.server, k.faults = tr, tr, faults{slots: slots, size: size}
		},
		"mem whose streams break": func(k *kit) {
			memory(k)
			k.faults = faults{transporttest.Plan{}, breaks(2), slots, size}
		},
		"tcp whose streams break": func(k *kit) { k.faults = faults{breaks(3), breaks(4), slots, size} },
		"mem that damages frames": func(k *kit) {
			memory(k)
			k.faults = faults{transporttest.Plan{}, transporttest.Plan{Corrupt: damage(5)}, slots, size}
		},
		"mem with all of it": func(k *kit) {
			tr := mem.New().Lossy(5, 6)
			k.client, k.server, k.faults = tr, tr, faults{all(7), all(8), slots, size}
		},
	}
}

// damage changes every fifth frame or so; the same bytes twice at most, for five times
// in a row would be an error.
func damage(seed uint64) func(uint64, []byte) {
	var mu sync.Mutex
	rng, hits := rand.New(rand.NewPCG(seed, 1)), map[uint64]int{}
	return func(_ uint64, data []byte) {
		mu.Lock()
		defer mu.Unlock()
		if sum := wire.Sum(data); len(data) > 0 && rng.IntN(5) == 0 && hits[sum] < 2 {
			hits[sum]++
			data[rng.IntN(len(data))] ^= 1 << rng.IntN(8)
		}
	}
}

// everywhere runs a test over every transport, well and ill.
func everywhere(t *testing.T, test func(t *testing.T, kind func(k *kit))) {
	for _, kinds := range []map[string]func(k *kit){kinds(), ill()} {
		for name, kind := range kinds {
			t.Run("over "+name, func(t *testing.T) {
				t.Parallel()
				test(t, kind)
			})
		}
	}
}

func TestATreeArrivesWhateverGoesWrong(t *testing.T) {
	for name, kind := range ill() {
		t.Run("over "+name, func(t *testing.T) {
			t.Parallel()
			k := start(t, kind)
			dir := sample(t)
			r, w, err := k.push(contents(t, dir), func(c *engine.SendConfig) { c.Streams = 4 })
			if err != nil || len(w.problems) > 0 || r.Files != 303 || r.Dirs != 11 || r.Failed != 0 {
				t.Fatalf("send: %v, %+v, problems %v", err, r, w.problems)
			}
			same(t, dir, k.dst)
			if s := waitOn(t, k.sessions); s.err != nil || s.report.Files != r.Files || s.report.Bytes != r.Bytes {
				t.Errorf("the server saw %+v", s)
			}
			k.suffered(r)
		})
	}
}

// suffered fails the test unless what the plans say has happened.
func (k *kit) suffered(r *engine.Report) {
	k.t.Helper()
	client, server := k.client.(*transporttest.Faults), k.server.(*transporttest.Faults)
	if p := k.faults.server; p.RecvDropAfter > 0 && (server.Dropped() < 3 || r.CarriedAgain == 0) {
		k.t.Errorf("%d streams broke, %d bytes were carried again", server.Dropped(), r.CarriedAgain)
	}
	if p := k.faults.client; p.DropAfter > 0 && client.Dropped() < 3 {
		k.t.Errorf("%d streams broke", client.Dropped())
	}
	if p := k.faults.server; p.Corrupt != nil && r.Damaged < 20 {
		k.t.Errorf("%d frames were damaged", r.Damaged)
	}
	if tr, ok := client.Transport.(*mem.Transport); ok && strings.Contains(k.t.Name(), "credits") && tr.Lost() < 5 {
		k.t.Errorf("%d credits were lost", tr.Lost())
	}
}

// Each of two rails is taken away and comes back, by turns, five times; in the end
// both have carried, and nothing was lost.
func TestRailsThatGoAndComeByTurnsLoseNothing(t *testing.T) {
	tr := mem.New("a", "b")
	k := start(t, func(k *kit) {
		k.client, k.server = tr, tr
		k.faults = faults{transporttest.Plan{Delay: time.Millisecond}, transporttest.Plan{}, 4, 16 << 10}
	})
	sides := map[string]*transporttest.Faults{"client": k.client.(*transporttest.Faults), "server": k.server.(*transporttest.Faults)}
	for name, at := range sides {
		t.Run("at the "+name, func(t *testing.T) {
			dir := t.TempDir()
			text := make([]byte, 24<<20)
			_, _ = rand.NewChaCha8([32]byte{1}).Read(text) // never fails
			write(t, dir, map[string]string{name: string(text)})
			src := contents(t, dir)
			done := make(chan error, 1)
			var r *engine.Report
			go func() {
				var err error
				r, _, err = k.push(src, func(c *engine.SendConfig) { c.Streams = 4 })
				done <- err
			}()
			turns := 0
			for ; turns < 5; turns++ {
				rail := []string{"a", "b"}[turns%2]
				reached(t, func() bool { return at.Streams(rail) > 0 || len(done) > 0 })
				at.Kill(rail)
				if at.Streams(rail) != 0 {
					t.Errorf("streams are joined on a rail that is away")
				}
				reached(t, func() bool { return at.Streams([]string{"b", "a"}[turns%2]) > 0 || len(done) > 0 })
				at.Restore(rail)
			}
			if err := waitOn(t, done); err != nil || len(r.Rails) != 2 || r.CarriedAgain == 0 {
				t.Fatalf("send: %v, %+v", err, r)
			}
			got, err := os.ReadFile(filepath.Join(k.dst, name))
			if err != nil || string(got) != string(text) {
				t.Errorf("%d bytes arrived, other ones: %v", len(got), err)
			}
			if at.Dropped() < 5 {
				t.Errorf("only %d streams broke in %d turns", at.Dropped(), turns)
			}
		})
	}
}

// reached waits until ok.
func reached(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal("it never comes to that")
		}
	}
}
