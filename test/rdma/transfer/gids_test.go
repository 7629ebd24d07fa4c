//go:build rdma_matrix || rdma_two

package transfer

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"scp_rdma/transport/verbs"
)

// described is what scp_rdma devices --json tells of this guest.
func described(t *testing.T) (r verbs.Report) {
	t.Helper()
	out, err := exec.Command(bin(t), "devices", "--json").Output()
	check(t, err)
	check(t, json.Unmarshal(out, &r))
	return r
}

// port is the one that each device here has.
func port(t *testing.T, device string) verbs.PortReport {
	t.Helper()
	for _, d := range described(t).Devices {
		if d.Name == device && len(d.Ports) == 1 {
			return d.Ports[0]
		}
	}
	t.Fatalf("no device %s with one port", device)
	panic("unreachable")
}

// index waits until a device has a GID, and gives its index: the kernel makes it of
// the card's address by and by.
func index(t *testing.T, device, gid string) int {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		p := port(t, device)
		for _, g := range p.GIDs {
			if g.GID == gid {
				return g.Index
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s has no GID %s, but %+v", device, gid, p.GIDs)
		}
		pause()
	}
}

// global is a global IPv6 address of card k of a host.
func global(k, host int) string {
	return netip.AddrFrom16([16]byte{0xfd, 0x77, 3: byte(k + 1), 15: byte(host + 1)}).String()
}

// ip runs ip(8).
func ip(t *testing.T, args ...string) {
	t.Helper()
	run(t, "ip", args...)
}

// addresses gives each card its global IPv6 address, or takes it away.
func addresses(t *testing.T, how string, do func(*testing.T, ...string), host int) {
	t.Helper()
	for k := range devices() {
		args := []string{"-6", "addr", how, global(k, host) + "/64", "dev", fmt.Sprintf("eth%d", k)}
		if how == "add" {
			args = append(args, "nodad")
		}
		do(t, args...)
	}
}

// own is the IPv4 address of card k.
func own(k int) string { return strings.Fields(os.Getenv("RDMA_IPS"))[k] }

// pause is between two looks.
func pause() { <-time.After(50 * time.Millisecond) }
