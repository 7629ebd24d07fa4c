//go:build rdma

package verbs_test

import (
	"testing"

	"scp_rdma/transport/verbs"
)

// TestHostileDevicesOnRealOnes: both ends are this host, over all its devices.
func TestHostileDevicesOnRealOnes(t *testing.T) {
	hostile(t, func(t *testing.T) (client, server verbs.Provider, leaks func() []string) {
		t.Helper()
		client, first := open(t)
		server, second := open(t)
		return client, server, func() []string { return append(first(), second()...) }
	})
}

func TestANetworkThatSwallowsRDMAIsPassedOverOnRealDevices(t *testing.T) {
	client, left := open(t)
	server, _ := open(t)
	swallowed(t, client, server)
	if left := left(); len(left) != 0 {
		t.Errorf("left open: %v", left)
	}
}
