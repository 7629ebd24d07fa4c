//go:build rdma || rdma_siw

package devicetest

import (
	"os"
	"os/exec"
	"testing"

	"scp_rdma/transport/verbs/internal/ibv"
)

// TestRealDevices asks the guest's two devices, soft-RoCE or soft-iWARP, what softnic
// is asked.
func TestRealDevices(t *testing.T) {
	p, err := ibv.Open()
	if err != nil {
		t.Fatal(err)
	}
	c := Config{
		Provider: p, Device: "rxe0", Other: "rxe1", Kind: RXE(),
		SetPort: func(t *testing.T, up bool) {
			t.Helper()
			state := map[bool]string{true: "up", false: "down"}[up]
			if out, err := exec.Command("ip", "link", "set", "eth0", state).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		},
	}
	if os.Getenv("RDMA_TYPE") == "siw" {
		c.Device, c.Other, c.Kind = "siw0", "siw1", SIW()
	}
	Run(t, c)
	if left := p.(*ibv.Provider).Leaks(); len(left) != 0 {
		t.Errorf("left open: %v", left)
	}
}
