package engine_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"scp_rdma/engine"
	"scp_rdma/transport"
	"scp_rdma/transport/mem"
	"scp_rdma/transport/transporttest"
)

// bench takes one measurement of the server.
func (k *kit) bench(set func(*engine.BenchConfig)) (*engine.Benched, error) {
	cfg := engine.BenchConfig{Server: k.dial(), Transports: transport.NewRegistry(k.client), For: 20 * time.Millisecond}
	set(&cfg)
	return engine.Bench(k.t.Context(), cfg)
}

func TestBenchCarriesBytesOnEveryRailAndOpensNoTarget(t *testing.T) {
	for name, kind := range kinds() {
		t.Run(name, func(t *testing.T) {
			k := start(t, kind, func(k *kit) {
				k.once = true // what only measures is no session
				k.sink = func(s engine.Sink) engine.Sink { t.Error("a target was opened"); return s }
			})
			got, err := k.bench(func(c *engine.BenchConfig) { c.Streams, c.Slots, c.SlotSize = 4, 3, 64<<10 })
			if err != nil {
				t.Fatal(err)
			}
			if got.Transport != name || got.Streams != 4 || got.Slots != 3 || got.SlotSize != 64<<10 || got.Took <= 0 || got.Frame <= 0 {
				t.Errorf("%+v", got)
			}
			var sum uint64
			streams := 0
			for _, r := range got.Rails {
				sum += r.Bytes
				streams += r.Streams
				if r.Bytes == 0 || r.Peer == "" {
					t.Errorf("rail %+v", r)
				}
			}
			if sum != got.Bytes || sum%(64<<10) != 0 || streams != 4 {
				t.Errorf("%+v", got)
			}
		})
	}
}

// A server books bytes: larger slots are fewer.
func TestSlotsOfAnySizeFitWhatAServerAllows(t *testing.T) {
	const mib = 1 << 20
	k := start(t, func(k *kit) { k.limits.Memory, k.quota.Sessions = 20*mib, 8 })
	for _, size := range []int{4096, 64 << 10, mib, 4 * mib, 16 * mib} {
		got, err := k.bench(func(c *engine.BenchConfig) { c.Streams, c.Slots, c.SlotSize = 16, 64, size })
		if err != nil {
			t.Errorf("slots of %d bytes: %v", size, err)
			continue
		}
		if all := got.Streams * got.Slots * (got.SlotSize + transport.HeadRoom); all > 20*mib || got.SlotSize != size || size > mib && all < 10*mib {
			t.Errorf("%+v", got)
		}
	}
}

func TestBenchMeasuresOneRailAlone(t *testing.T) {
	k := start(t, func(k *kit) { tr := mem.New("a", "b"); k.client, k.server = tr, tr })
	got, err := k.bench(func(c *engine.BenchConfig) { c.Rail = "b" })
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Rails) != 1 || got.Rails[0].Local != "b" || got.Rails[0].Bytes != got.Bytes {
		t.Errorf("%+v", got)
	}
	if _, err := k.bench(func(c *engine.BenchConfig) { c.Rail = "c" }); !errors.Is(err, transport.ErrUnavailable) {
		t.Errorf("a rail that isn't there: %v", err)
	}
}

// rated is a transport whose host knows what its rails carry, bit/s.
type rated struct {
	transport.Transport
	rates map[string]uint64
}

func (r rated) Probe(ctx context.Context) ([]transport.Rail, error) {
	rails, err := r.Transport.Probe(ctx)
	rails = slices.Clone(rails) // another host has the same ones
	for i := range rails {
		rails[i].Rate = r.rates[rails[i].Name]
	}
	return rails, err
}

// As a transfer does: a slow rail carries only if it was named, and a fast one has more streams.
func TestBenchHasRailsCarryAsATransferDoes(t *testing.T) {
	for name, tt := range map[string]struct {
		rates map[string]uint64
		named bool
		want  map[string]int // streams of 4
	}{
		"slow":           {map[string]uint64{"a": 100e9, "b": 1e9}, false, map[string]int{"a": 4, "b": 0}},
		"slow and named": {map[string]uint64{"a": 100e9, "b": 1e9}, true, map[string]int{"a": 3, "b": 1}},
		"equal":          {map[string]uint64{"a": 100e9, "b": 100e9}, false, map[string]int{"a": 2, "b": 2}},
	} {
		t.Run(name, func(t *testing.T) {
			k := start(t, func(k *kit) { tr := mem.New("a", "b"); k.client, k.server = rated{tr, tt.rates}, tr })
			got, err := k.bench(func(c *engine.BenchConfig) { c.EveryRail, c.Streams = tt.named, 4 })
			if err != nil {
				t.Fatal(err)
			}
			have := map[string]int{}
			for _, r := range got.Rails {
				if have[r.Local] = r.Streams; (r.Bytes > 0) != (r.Streams > 0) {
					t.Errorf("%+v", r)
				}
			}
			if !maps.Equal(have, tt.want) {
				t.Errorf("streams %v, want %v", have, tt.want)
			}
		})
	}
}

func TestBenchFindsDamage(t *testing.T) {
	k := start(t, func(k *kit) {
		tr := mem.New("a")
		k.client = tr
		frames := 0
		k.server = transporttest.Faulty(tr, transporttest.Plan{Corrupt: func(_ uint64, data []byte) {
			if frames++; frames == 70 { // after those that are counted one by one
				data[0] ^= 1
			}
		}})
	})
	if _, err := k.bench(func(c *engine.BenchConfig) { c.Streams, c.For = 1, time.Minute }); !errors.Is(err, engine.ErrVerify) {
		t.Errorf("damage: %v", err)
	}
}
