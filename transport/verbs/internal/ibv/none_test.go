//go:build !cgo || noverbs || !linux || !(amd64 || arm64)

package ibv

import (
	"errors"
	"strings"
	"testing"

	"scp_rdma/transport"
)

func TestABuildWithoutVerbsSaysSo(t *testing.T) {
	_, err := Open()
	if !errors.Is(err, transport.ErrUnavailable) || !strings.Contains(err.Error(), "libibverbs-dev") || Built {
		t.Error(err)
	}
}
