package wire

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func sampleOffer() TCPOffer {
	return TCPOffer{Nonce: [16]byte{1}, Addrs: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:1777"), netip.MustParseAddrPort("[2001:db8::1]:1777")}}
}

func FuzzParseTCPOffer(f *testing.F) {
	o := sampleOffer()
	f.Add(o.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := ParseTCPOffer(b)
		if err == nil && !bytes.Equal(o.Append(nil), b) {
			t.Errorf("offer written again differs: %+v of %x", o, b)
		}
	})
}

func FuzzParseTCPRail(f *testing.F) {
	r := TCPRail{Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("2001:db8::1/64")}}
	f.Add(r.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseTCPRail(b)
		if err == nil && !bytes.Equal(r.Append(nil), b) {
			t.Errorf("rail written again differs: %+v of %x", r, b)
		}
	})
}

func FuzzParseJoin(f *testing.F) {
	j := Join{Session: [16]byte{1}, Stream: 2, Epoch: 3, Slots: 4, SlotSize: 5, Proof: [32]byte{6}}
	f.Add(j.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		j, err := ParseJoin(b)
		if err == nil && !bytes.Equal(j.Append(nil), b) {
			t.Errorf("join written again differs: %+v of %x", j, b)
		}
	})
}

func TestTCPLayoutsHaveGoldenBytes(t *testing.T) {
	o := sampleOffer()
	golden(t, "tcpoffer", o.Append(nil))
	r := TCPRail{Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24")}}
	golden(t, "tcprail", r.Append(nil))
	j := Join{Session: [16]byte{1}, Stream: 2, Epoch: 3, Slots: 4, SlotSize: 5, Proof: [32]byte{6}}
	golden(t, "join", j.Append(nil))
}

// The longest of each must fit what the seam gives a transport: 1024 bytes.
func TestLongestOfferAndRailFit(t *testing.T) {
	o, r := TCPOffer{Nonce: [16]byte{1}}, TCPRail{}
	for i := range MaxTCPAddrs + 5 {
		a := netip.AddrFrom16([16]byte{0: 0x20, 15: byte(i)})
		o.Addrs = append(o.Addrs, netip.AddrPortFrom(a, 1777))
		r.Prefixes = append(r.Prefixes, netip.PrefixFrom(a, 64))
	}
	ob, rb := o.Append(nil), r.Append(nil)
	if len(ob) > maxOffer || len(rb) > maxRailInfo {
		t.Errorf("offer of %d, rail of %d bytes", len(ob), len(rb))
	}
	gotO, errO := ParseTCPOffer(ob)
	gotR, errR := ParseTCPRail(rb)
	if err := errors.Join(errO, errR); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(o.Addrs[:MaxTCPAddrs], gotO.Addrs, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(r.Prefixes[:MaxTCPPrefixes], gotR.Prefixes, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); d != "" {
		t.Error(d)
	}
}

func TestTCPLayoutsRefuse(t *testing.T) {
	nonce := make([]byte, 16)
	offer := func(b ...byte) error { _, err := ParseTCPOffer(append(nonce[:16:16], b...)); return err }
	rail := func(b ...byte) error { _, err := ParseTCPRail(b); return err }
	join := func(n int) error { _, err := ParseJoin(make([]byte, n)); return err }
	mapped := make([]byte, 19)
	mapped[0], mapped[1], mapped[12], mapped[13] = 1, 16, 0xff, 0xff
	tests := map[string]error{
		"an offer without a count":         offer(),
		"an offer of 33 addresses":         offer(MaxTCPAddrs + 1),
		"an offer that ends in an address": offer(1, 4, 127, 0, 0),
		"an offer that ends before a port": offer(1, 4, 127, 0, 0, 1, 7),
		"an address of 5 bytes":            offer(1, 5, 1, 2, 3, 4, 5, 0, 0),
		"an offer with more than it says":  offer(0, 0),
		"a rail of nothing":                rail(),
		"a rail of 17 prefixes":            rail(MaxTCPPrefixes + 1),
		"a prefix of 33 bits":              rail(1, 4, 127, 0, 0, 1, 33),
		"a rail that ends before a prefix": rail(1, 4, 127, 0, 0, 1),
		"a rail with more than it says":    rail(0, 0),
		"a mapped address":                 rail(mapped...),
		"a join of 63 bytes":               join(JoinSize - 1),
		"a join of 65 bytes":               join(JoinSize + 1),
	}
	for name, err := range tests {
		if !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
