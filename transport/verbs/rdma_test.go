//go:build rdma

package verbs

import (
	"testing"
	"time"

	"scp_rdma/transport/transporttest"
	"scp_rdma/transport/verbs/internal/ibv"
)

// TestConformanceOnRealDevices runs the suite on whatever devices the host has:
// both ends are this host, and a soft-RoCE device reaches only itself.
func TestConformanceOnRealDevices(t *testing.T) {
	for name, rails := range map[string][]string{"one device": {"rxe0"}, "two devices": nil} {
		t.Run(name, func(t *testing.T) {
			transporttest.Run(t, transporttest.Config{
				World: func(t *testing.T) transporttest.World {
					t.Helper()
					p, err := ibv.Open()
					if err != nil {
						t.Fatal(err)
					}
					c := newControl()
					end := func() *controlled {
						return &controlled{New(Config{Devices: p, Rails: rails, AckTimeout: quick, StrictRNR: !deaf(t), Heartbeat: time.Second}), c}
					}
					w := transporttest.World{Initiator: end(), Responder: end()}
					t.Cleanup(func() {
						if l, ok := p.(*ibv.Provider); ok {
							if left := l.Leaks(); len(left) != 0 {
								t.Errorf("left open: %v", left)
							}
						}
					})
					return w
				},
				Kill: kill, LargestSlot: 64 << 10, Raw: raw,
			})
		})
	}
}
