package engine_test

import (
	"testing"
	"time"

	"scp_rdma/engine"
)

// A limit holds, whoever sets it and whichever way the files go: 5 MiB less the burst of
// 1 MiB, at 8 MiB/s, take half a second.
func TestNobodyIsFasterThanALimit(t *testing.T) {
	const size, rate, least = 5 << 20, 8 << 20, 480 * time.Millisecond
	took := func(t *testing.T, r *engine.Report, err error) {
		t.Helper()
		if err != nil || r.Bytes != size {
			t.Fatalf("%v, %+v", err, r)
		}
		if r.Elapsed < least {
			t.Errorf("it took %v", r.Elapsed)
		}
	}
	dir := t.TempDir()
	write(t, dir, map[string]string{"f": noise(size)})
	for _, server := range []bool{false, true} {
		k := start(t, func(k *kit) {
			if server {
				k.limit = engine.NewLimiter(rate)
			}
		})
		var mine *engine.Limiter
		if !server {
			mine = engine.NewLimiter(rate)
		}
		r, _, err := k.push(contents(t, dir), func(c *engine.SendConfig) { c.Limit = mine })
		took(t, r, err)
		if !server {
			mine = engine.NewLimiter(rate)
		}
		_, r, _, err = k.fetch([]string{"f"}, func(c *engine.FetchConfig) { c.Limit = mine })
		took(t, r, err)
	}
}
