//go:build rdma || rdma_siw || rdma_matrix

package verbs

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"scp_rdma/transport/transporttest"
	"scp_rdma/transport/verbs/internal/ibv"
	"scp_rdma/transport/verbs/internal/nic"
	"scp_rdma/wire"
)

// conforms runs the suite on the host's devices: both ends are this host, and a
// software device reaches only itself.
func conforms(t *testing.T, cfg Config, iwarp bool) {
	t.Helper()
	if iwarp || cfg.Connect == CM {
		warm(t)
	}
	transporttest.Run(t, transporttest.Config{
		World: func(t *testing.T) transporttest.World {
			t.Helper()
			p, err := ibv.Open()
			if err != nil {
				t.Fatal(err)
			}
			c := newControl()
			mine := cfg
			mine.Devices, mine.AckTimeout, mine.StrictRNR, mine.Heartbeat = p, quick, !deaf(t), time.Second
			w := transporttest.World{Initiator: &controlled{New(mine), c}, Responder: &controlled{New(mine), c}}
			t.Cleanup(func() {
				if l, ok := p.(*ibv.Provider); ok {
					if left := l.Leaks(); len(left) != 0 {
						t.Errorf("left open: %v", left)
					}
				}
			})
			return w
		},
		Kill: kill, LargestSlot: 64 << 10, Raw: raw, Cuts: iwarp,
	})
}

// warm has librdmacm open the devices for itself: two descriptors of each, which it
// keeps as long as the process lives (rdma-core 44, ucma_put_device).
func warm(t *testing.T) {
	t.Helper()
	p, err := ibv.Open()
	if err != nil {
		t.Fatal(err)
	}
	cm, err := p.Connector()
	if err != nil {
		t.Fatal(err)
	}
	rails, err := New(Config{Devices: p}).Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rails {
		rail, err := wire.ParseVerbsRail(r.Info)
		if err != nil {
			t.Fatal(err)
		}
		a := netip.AddrFrom16(rail.GIDs[0].GID).Unmap()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var c nic.Conn
		if c, err = cm.Dial(ctx, a, netip.AddrPortFrom(a, 9)); err == nil {
			err = c.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
