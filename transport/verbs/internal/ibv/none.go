//go:build !cgo || noverbs || !linux || !(amd64 || arm64)

package ibv

import (
	"fmt"

	"scp_rdma/transport"
)

// Built says that this build has no verbs.
const Built = false

// MR has no value in this build.
type MR struct{}

// Provider has no value in this build.
type Provider struct{}

// Open says that this build has no verbs.
func Open() (*Provider, error) {
	return nil, fmt.Errorf("this build has no verbs: build with cgo and the headers of libibverbs (Debian: libibverbs-dev): %w",
		transport.ErrUnavailable)
}
