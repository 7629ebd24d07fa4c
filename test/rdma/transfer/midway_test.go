//go:build rdma || rdma_siw || rdma_matrix || rdma_two || rdma_power

package transfer

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"scp_rdma/internal/testkit"
)

// midway starts a client and waits until both devices have carried something.
func (s *server) midway(t *testing.T, args ...string) (*exec.Cmd, *testkit.Output) {
	t.Helper()
	before := [2]int{moved("rxe0"), moved("rxe1")}
	cmd, out := exec.Command(bin(t), args...), &testkit.Output{}
	cmd.Env, cmd.Stdout, cmd.Stderr = s.env, out, out
	check(t, cmd.Start())
	until(t, out, func() bool { return moved("rxe0")-before[0] > 4<<20 && moved("rxe1")-before[1] > 4<<20 })
	return cmd, out
}

// until waits for a condition.
func until(t *testing.T, out *testkit.Output, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("it doesn't happen: %s", out)
		}
	}
}

// moved is how many bytes a device has sent: soft-RoCE counts packets only, of at most
// 4096 bytes. One that is gone has sent nothing.
func moved(device string) int {
	b, _ := os.ReadFile(fmt.Sprintf("/sys/class/infiniband/%s/ports/1/hw_counters/sent_pkts", device))
	n, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return n * 4096
}
