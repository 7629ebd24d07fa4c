//go:build rdma

package verbs_test

import (
	"testing"

	"scp_rdma/transport/verbs"
	"scp_rdma/transport/verbs/internal/ibv"
)

// TestHostileDevicesOnRealOnes: both ends are this host's first device.
func TestHostileDevicesOnRealOnes(t *testing.T) {
	hostile(t, func(t *testing.T) (client, server verbs.Provider, leaks func() []string) {
		t.Helper()
		var left []func() []string
		open := func() verbs.Provider {
			p, err := ibv.Open()
			check(t, err)
			if l, ok := p.(*ibv.Provider); ok {
				left = append(left, l.Leaks)
			}
			return p
		}
		return open(), open(), func() (all []string) {
			for _, l := range left {
				all = append(all, l()...)
			}
			return all
		}
	})
}
