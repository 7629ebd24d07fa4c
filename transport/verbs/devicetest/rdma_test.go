//go:build rdma

package devicetest

import (
	"os/exec"
	"testing"

	"scp_rdma/transport/verbs/internal/ibv"
)

// TestRealDevices asks the guest's two soft-RoCE devices what softnic is asked.
func TestRealDevices(t *testing.T) {
	p, err := ibv.Open()
	if err != nil {
		t.Fatal(err)
	}
	Run(t, Config{
		Provider: p, Device: "rxe0", Other: "rxe1", Kind: RXE(),
		SetPort: func(t *testing.T, up bool) {
			t.Helper()
			state := map[bool]string{true: "up", false: "down"}[up]
			if out, err := exec.Command("ip", "link", "set", "eth0", state).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		},
	})
	if left := p.(*ibv.Provider).Leaks(); len(left) != 0 {
		t.Errorf("left open: %v", left)
	}
}
