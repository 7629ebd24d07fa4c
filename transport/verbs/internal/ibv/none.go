//go:build !cgo || noverbs || !linux || !(amd64 || arm64)

package ibv

import (
	"fmt"

	"scp_rdma/transport"
	"scp_rdma/transport/verbs/internal/nic"
)

// Built says that this build has no verbs.
const Built = false

// Open says that this build has no verbs.
func Open() (nic.Provider, error) {
	return nil, fmt.Errorf("this build has no verbs: build with cgo and the headers of libibverbs (Debian: libibverbs-dev): %w",
		transport.ErrUnavailable)
}
