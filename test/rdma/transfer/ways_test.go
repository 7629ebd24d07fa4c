//go:build rdma_two

package transfer

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"

	"scp_rdma/internal/testkit"
)

// TestEveryWayBetweenTwoGuests sends and fetches over one wire and over both.
func TestEveryWayBetweenTwoGuests(t *testing.T) {
	o := across(t, "ways")
	if o == nil {
		return
	}
	defer o.over(t)
	src, both := source(t), strings.Join(devices(), ",")
	ways := [][]string{{"-j", "1", "-d", devices()[1]}, {"-j", "4", "-d", both}, {"-j", "4", "-d", both, "--encrypt"}}
	if !iwarp() {
		ways[2] = []string{"-j", "4", "-d", both, "--connect", "cm"}
	}
	for i, how := range ways {
		rails := devices()
		if i == 0 {
			rails = rails[1:]
		}
		o.thereAndBack(t, src, peerIP(0)+":", fmt.Sprint("way", i), how, rails...)
	}
}

// TestBothGuestsByRDMACM has the server connect by rdma_cm only, too.
func TestBothGuestsByRDMACM(t *testing.T) {
	o := across(t, "cm", "--connect", "cm", "--cm-port", "18515-18516")
	if o == nil {
		return
	}
	defer o.over(t)
	o.thereAndBack(t, source(t), peerIP(0)+":", "cm", []string{"-j", "4", "--connect", "cm", "-d", strings.Join(devices(), ",")}, devices()...)
}

// TestIPv6BetweenTwoGuests goes by GIDs of IPv6: one that is named, on the one wire on
// which the server has nothing else, and on all once nobody has anything else.
func TestIPv6BetweenTwoGuests(t *testing.T) {
	o := across(t, "six")
	if o == nil {
		return
	}
	defer o.over(t)
	src, both := source(t), strings.Join(devices(), ",")
	addresses(t, "add", ip, 0)
	addresses(t, "add", o.ip, 1)
	at := index(t, devices()[0], global(0, 0))
	if other := index(t, devices()[1], global(1, 0)); other != at {
		t.Fatalf("indices %d and %d", at, other)
	}
	go6 := carries(t, func() {
		o.thereAndBack(t, src, peerIP(0)+":", "named", []string{"-j", "4", "-d", both, "-g", strconv.Itoa(at)}, devices()...)
	})
	only(t, go6, global(0, 0), global(1, 0))

	o.ip(t, "addr", "del", peerIP(1)+"/24", "dev", "eth1")
	mixed := carries(t, func() {
		o.thereAndBack(t, src, peerIP(0)+":", "mixed", []string{"-j", "4", "-d", both}, devices()...)
	})
	only(t, mixed, own(0), global(1, 0))

	o.ip(t, "addr", "del", peerIP(0)+"/24", "dev", "eth0")
	for k := range devices() {
		ip(t, "addr", "del", own(k)+"/24", "dev", fmt.Sprintf("eth%d", k))
	}
	left := carries(t, func() {
		o.thereAndBack(t, src, "["+global(0, 1)+"]:", "left", []string{"-j", "4", "-d", both}, devices()...)
	})
	only(t, left, global(0, 0), global(1, 0))
	for k := range devices() {
		card := fmt.Sprintf("eth%d", k)
		ip(t, "addr", "add", own(k)+"/24", "dev", card)
		o.ip(t, "addr", "add", peerIP(k)+"/24", "dev", card)
	}
	addresses(t, "del", ip, 0)
	addresses(t, "del", o.ip, 1)
}

// carries says how much leaves this guest from each address while f runs, bytes.
func carries(t *testing.T, f func()) map[netip.Addr]int {
	t.Helper()
	tap := testkit.Tap(t)
	f()
	sent := map[netip.Addr]int{}
	tap(func(p []byte) {
		switch {
		case len(p) > 20 && p[0]>>4 == 4:
			sent[netip.AddrFrom4([4]byte(p[12:16]))] += len(p)
		case len(p) > 40 && p[0]>>4 == 6:
			sent[netip.AddrFrom16([16]byte(p[8:24]))] += len(p)
		}
	})
	return sent
}

// only fails the test if others than the two have sent much, or one of them little.
// Control is another address's, perhaps.
func only(t *testing.T, sent map[netip.Addr]int, two ...string) {
	t.Helper()
	const little = 1 << 20
	want := map[netip.Addr]bool{netip.MustParseAddr(two[0]): true, netip.MustParseAddr(two[1]): true}
	t.Logf("sent: %v", sent)
	for a, n := range sent {
		if want[a] != (n > little) {
			t.Errorf("%v has sent %d bytes; much was to come from %v", a, n, two)
		}
		delete(want, a)
	}
	if len(want) != 0 {
		t.Errorf("nothing came from %v", want)
	}
}

// TestAVLANBetweenTwoGuests goes by a GID of a VLAN on the first card.
func TestAVLANBetweenTwoGuests(t *testing.T) {
	o := across(t, "vlan")
	if o == nil {
		return
	}
	defer o.over(t)
	for h, do := range []func(*testing.T, ...string){ip, o.ip} {
		do(t, "link", "add", "link", "eth0", "name", "eth0.5", "type", "vlan", "id", "5")
		do(t, "link", "set", "eth0.5", "up")
		do(t, "addr", "add", fmt.Sprintf("10.77.105.%d/24", h+1), "dev", "eth0.5")
		defer do(t, "link", "del", "eth0.5")
	}
	rail := fmt.Sprint("rxe0:1:", index(t, "rxe0", "::ffff:10.77.105.1"))
	o.thereAndBack(t, source(t), peerIP(0)+":", "vlan", []string{"-j", "2", "-d", rail}, rail)
	if n := tx(t, "eth0.5"); n < 18<<20 { // nearly all of the source
		t.Errorf("the VLAN's card has sent %d bytes", n)
	}
}

// tx is how much a card has sent, bytes.
func tx(t *testing.T, card string) int {
	t.Helper()
	b, err := os.ReadFile("/sys/class/net/" + card + "/statistics/tx_bytes")
	check(t, err)
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	check(t, err)
	return n
}

// peerIP is the other guest's address on wire k.
func peerIP(k int) string { return strings.Fields(os.Getenv("RDMA_PEER_IPS"))[k] }

// payload is how much of an RDMA WRITE a packet of RoCE v2 over IPv4 carries: the path
// MTU, in all but a WRITE's last. Headers as in the IB spec, chapter 9, and annex A17.
func payload(p []byte) int {
	const ip, udp, bth, reth, icrc = 20, 8, 12, 16, 4
	const first, middle = 6, 7 // opcodes of a reliable connection
	if !isRoCE(p) || len(p) < ip+udp+bth+reth+icrc {
		return 0
	}
	n := int(binary.BigEndian.Uint16(p[2:])) - ip - udp - bth - icrc
	switch p[ip+udp] {
	case first:
		return n - reth
	case middle:
		return n
	}
	return 0
}
