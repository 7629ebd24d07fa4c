//go:build rdma_matrix

package transfer

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestTransfersOverAllThereAre sends and fetches over each number of devices that a
// guest is booted with, of either kind.
func TestTransfersOverAllThereAre(t *testing.T) {
	src, all := source(t), devices()
	if len(all) > 1 { // the streams of the last rail are joined a second or two after the first
		large := make([]byte, 64<<20)
		rand.Read(large) // never fails
		check(t, os.WriteFile(filepath.Join(src, "larger"), large, 0o600))
	}
	s := serve(t)
	defer s.stop(t)
	streams := strconv.Itoa(2 * len(all))
	ways := [][]string{{"-j", "1", "-d", all[len(all)-1]}, {"-j", streams, "-d", strings.Join(all, ",")}}
	if !iwarp() {
		ways = append(ways, append([]string{"--connect", "cm"}, ways[1]...))
	}
	for i, how := range ways {
		rails := all
		if i == 0 {
			rails = rails[len(all)-1:]
		}
		s.thereAndBack(t, src, self, fmt.Sprint("way", i), how, rails...)
	}
}

// TestBothEndsByRDMACM has the server connect by rdma_cm only, too.
func TestBothEndsByRDMACM(t *testing.T) {
	src := source(t)
	s := serve(t, "--connect", "cm")
	s.thereAndBack(t, src, self, "cm", []string{"-j", "4", "--connect", "cm", "-d", strings.Join(devices(), ",")}, devices()...)
	code, text := s.send(t, "-d", "rxe0", "--connect", "oob", src, self)
	if code == 0 || !strings.Contains(text, "--connect cm") || !strings.Contains(text, "rxe0") {
		t.Errorf("one end by rdma_cm, the other not: exit %d: %s", code, text)
	}
	_ = s.cmd.Process.Kill() // it has told of that
	_ = s.cmd.Wait()
}

// TestGIDsOfEitherFamily goes by an IPv6 GID that is named, by whatever is left once the
// IPv4 ones are gone, and by a GID of a VLAN, which the kernel lists among its card's.
func TestGIDsOfEitherFamily(t *testing.T) {
	src := source(t)
	s := serve(t)
	defer s.stop(t)
	addresses(t, "add", ip, 0)
	ip(t, "link", "add", "link", "eth0", "name", "eth0.5", "type", "vlan", "id", "5")
	ip(t, "link", "set", "eth0.5", "up")
	ip(t, "addr", "add", "10.77.105.1/24", "dev", "eth0.5")
	rails := []string{
		fmt.Sprint("rxe0:1:", index(t, "rxe0", global(0, 0))),
		fmt.Sprint("rxe0:1:", index(t, "rxe0", "::ffff:10.77.105.1")),
	}
	for i, rail := range rails {
		s.thereAndBack(t, src, self, fmt.Sprint("gid", i), []string{"-j", "2", "-d", rail}, rail)
	}
	ip(t, "link", "del", "eth0.5")
	for k := range devices() {
		ip(t, "addr", "del", own(k)+"/24", "dev", fmt.Sprintf("eth%d", k))
	}
	for k, device := range devices() {
		for _, g := range port(t, device).GIDs {
			if strings.HasPrefix(g.GID, "::ffff:") || g.Chosen != (g.GID == global(k, 0)) {
				t.Errorf("%s, which has IPv6 only: %+v", device, g)
			}
		}
	}
	s.thereAndBack(t, src, self, "six", []string{"-j", "2"}, devices()...)
	s.thereAndBack(t, src, self, "six by rdma_cm", []string{"-j", "2", "--connect", "cm"}, devices()...)
}
