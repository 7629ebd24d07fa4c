package engine_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"scp_rdma/engine"
	"scp_rdma/transport"
	"scp_rdma/transport/mem"
	"scp_rdma/transport/transporttest"
	"scp_rdma/wire"
)

func encrypted(c *engine.SendConfig) { c.Encrypt = true }

func TestATreeArrivesSealed(t *testing.T) {
	for name, kind := range kinds() {
		for _, size := range []int{0, 8192, 64 << 10} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				k := start(t, kind, func(k *kit) { k.encrypt = true })
				dir := sample(t)
				r, w, err := k.push(contents(t, dir), encrypted, func(c *engine.SendConfig) { c.SlotSize = size })
				if err != nil || len(w.problems) > 0 || r.Files != 303 {
					t.Fatalf("slots of %d: %v, %+v, problems %v", size, err, r, w.problems)
				}
				same(t, dir, k.dst)
			})
		}
	}
}

// What is damaged on its way ends its stream, for nobody knows what was meant; all that
// it carried comes again.
func TestSealedFramesThatAreDamagedComeAgain(t *testing.T) {
	for name, kind := range kinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			rng, hit := rand.New(rand.NewPCG(1, 2)), 0
			k := start(t, kind, func(k *kit) {
				k.faults.server = transporttest.Plan{Corrupt: func(_ uint64, data []byte) {
					mu.Lock()
					defer mu.Unlock()
					if rng.IntN(20) == 0 {
						hit++
						data[rng.IntN(len(data))] ^= 1 << rng.IntN(8)
					}
				}}
				k.faults.size = 64 << 10
			})
			dir := sample(t)
			r, w, err := k.push(contents(t, dir), encrypted)
			if err != nil || r.Failed != 0 || len(w.problems) > 0 {
				t.Fatalf("send: %v, %+v, %v", err, r, w.problems)
			}
			if hit < 3 || r.CarriedAgain == 0 {
				t.Errorf("%d frames were damaged, %d bytes carried again", hit, r.CarriedAgain)
			}
			same(t, dir, k.dst)
		})
	}
}

func TestAFrameThatIsDamagedEachTimeIsGivenUp(t *testing.T) {
	k := start(t, memory, func(k *kit) {
		k.faults.server = transporttest.Plan{Corrupt: func(_ uint64, data []byte) { data[0] ^= 1 }}
	})
	dir := t.TempDir()
	write(t, dir, map[string]string{"f": "contents"})
	_, _, err := k.push(contents(t, dir), encrypted, func(c *engine.SendConfig) { c.RetryFor = -1 })
	if !errors.Is(err, transport.ErrUnavailable) || !strings.Contains(err.Error(), engine.ErrForged.Error()) {
		t.Errorf("send: %v", err)
	}
	if got := read(t, k.dst); len(got) != 0 {
		t.Errorf("made: %v", got)
	}
}

func TestAServerThatWantsEncryptionTakesNothingElse(t *testing.T) {
	k := start(t, memory, func(k *kit) { k.encrypt = true })
	var remote *engine.RemoteError
	_, _, err := k.push(contents(t, sample(t)))
	if !errors.As(err, &remote) || remote.Code != wire.ByeUsage || !strings.Contains(err.Error(), "--encrypt") {
		t.Errorf("send: %v", err)
	}
	if got := read(t, k.dst); len(got) != 0 {
		t.Errorf("made: %v", got)
	}
	reg := transport.NewRegistry(k.client)
	if _, err := engine.Inspect(t.Context(), engine.InspectConfig{Server: k.dial(), Transports: reg}); !errors.As(err, &remote) {
		t.Errorf("inspect: %v", err)
	}
	in, err := engine.Inspect(t.Context(), engine.InspectConfig{Server: k.dial(), Transports: reg, Encrypt: true})
	if err != nil || len(in.Pairs) != 1 || in.Pairs[0].Err != nil {
		t.Errorf("inspect with encryption: %+v, %v", in, err)
	}
	b, err := engine.Bench(t.Context(), engine.BenchConfig{Server: k.dial(), Transports: reg, Encrypt: true, For: 1})
	if err != nil || b.Bytes == 0 {
		t.Errorf("bench with encryption: %+v, %v", b, err)
	}
}

// In an encrypted session a frame in the clear is never taken, whatever it says.
func TestAFrameInTheClearIsNoneOfAnEncryptedSession(t *testing.T) {
	for _, p := range []wire.Protection{wire.ProtectNone, wire.ProtectXXH3, wire.ProtectAEAD} {
		k := start(t, func(k *kit) { tr := mem.New(); k.client, k.server = tr, tr })
		r := newRogueFor(t, k, &wire.Open{Contents: true, Encrypt: true})
		r.open()
		r.say(&wire.Entries{List: []wire.Entry{file(1, "f", 4)}})
		r.hear()
		r.frame(wire.FrameHead{Unit: 1, DataLen: 4, Protection: p, Chunks: []wire.Chunk{{Entry: 1, Length: 4, Flags: wire.ChunkSeal}}})
		fenced, ok := r.hear().(*wire.Fenced)
		if !ok || !strings.Contains(fenced.Error, engine.ErrForged.Error()) {
			t.Errorf("protection %d: %+v", p, fenced)
		}
		r.conn.Abort()
		waitOn(t, k.sessions)
		if got := read(t, k.dst); len(got) != 0 {
			t.Errorf("made: %v", got)
		}
	}
}

func TestASealedFrameIsNoneOfASessionInTheClear(t *testing.T) {
	k := start(t, memory)
	r := newRogue(t, k)
	r.open()
	r.say(&wire.Entries{List: []wire.Entry{file(1, "f", 4)}})
	r.hear()
	r.frame(wire.FrameHead{Unit: 1, DataLen: 4, Protection: wire.ProtectAEAD, Chunks: []wire.Chunk{{Entry: 1, Length: 4, Flags: wire.ChunkSeal}}})
	r.refused(wire.ByeProtocol)
	if got := read(t, k.dst); len(got) != 0 {
		t.Errorf("made: %v", got)
	}
}
