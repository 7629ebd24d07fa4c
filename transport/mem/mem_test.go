package mem_test

import (
	"testing"

	"scp_rdma/transport/mem"
	"scp_rdma/transport/transporttest"
)

func TestConformance(t *testing.T) {
	transporttest.Run(t, transporttest.Config{World: func(*testing.T) transporttest.World {
		tr := mem.New("m0", "m1")
		return transporttest.World{Initiator: tr, Responder: tr}
	}})
}
