package engine

import (
	"errors"
	"testing"

	"scp_rdma/control"
	"scp_rdma/wire"
)

func TestTotalsThatDifferAreAnError(t *testing.T) {
	s := newSender(SendConfig{Server: control.DialConfig{Addr: "server:1777"}})
	mine := wire.Totals{Files: 2, Bytes: 9}
	if err := s.compare(mine, &wire.Summary{Totals: wire.Totals{Files: 1, Bytes: 9}}); !errors.Is(err, ErrProtocol) {
		t.Errorf("a file that got lost: %v", err)
	}
	// What failed is counted by each side for itself, and said.
	sum := &wire.Summary{Totals: wire.Totals{Files: 2, Bytes: 9, Failed: 3}, Problems: []string{"finish d: no"}, Dropped: wire.Dropped{Owner: 1}}
	if err := s.compare(mine, sum); err != nil || s.count.failed.Load() != 1 || s.report().Dropped.Owner != 1 {
		t.Errorf("%v, failed %d, %+v", err, s.count.failed.Load(), s.report())
	}
}
