//go:build rdma || rdma_matrix

package verbs_test

import (
	"testing"

	"scp_rdma/transport/verbs"
	"scp_rdma/transport/verbs/internal/ibv"
)

// open opens the host's devices, and says what of them is open.
func open(t *testing.T) (verbs.Provider, func() []string) {
	t.Helper()
	p, err := ibv.Open()
	check(t, err)
	return p, p.(*ibv.Provider).Leaks
}
