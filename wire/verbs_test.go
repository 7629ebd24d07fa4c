package wire

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func sampleVerbsRail() VerbsRail {
	return VerbsRail{Link: VerbsEthernet, Port: 1, MTU: 4096, LID: 0x102, GIDs: []VerbsGID{
		{GID: [16]byte{10: 0xff, 11: 0xff, 12: 192, 13: 0, 14: 2, 15: 1}, Type: VerbsGIDRoCEv2, Index: 3, Bits: 120},
		{GID: [16]byte{0: 0xfe, 1: 0x80, 15: 1}, Type: VerbsGIDRoCEv1, Index: 0, Bits: 64},
	}}
}

func sampleVerbsOffer() VerbsOffer {
	return VerbsOffer{
		Link: VerbsIB, GIDType: VerbsGIDIB, MTU: 2048, LID: 7, QPN: 0x010203, PSN: 0x040506, Addr: 0x0708090a0b0c0d0e, RKey: 0x0f101112,
		GID: [16]byte{0: 1}, Peer: [16]byte{0: 2}, Nonce: [16]byte{0: 3},
	}
}

// With rdma_cm.
func sampleIWARP() (VerbsRail, VerbsOffer) {
	r, o := sampleVerbsRail(), sampleVerbsOffer()
	r.Link, r.GIDs = VerbsIWARP, []VerbsGID{{GID: r.GIDs[0].GID, Type: VerbsGIDIP, Bits: 120}}
	o.Link, o.GIDType, o.CM, o.Port = VerbsIWARP, VerbsGIDIP, true, 0x1314
	return r, o
}

func FuzzParseVerbsRail(f *testing.F) {
	r := sampleVerbsRail()
	f.Add(r.Append(nil))
	r, _ = sampleIWARP()
	f.Add(r.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseVerbsRail(b)
		if err == nil && !bytes.Equal(r.Append(nil), b) {
			t.Errorf("rail written again differs: %+v of %x", r, b)
		}
	})
}

func FuzzParseVerbsOffer(f *testing.F) {
	o := sampleVerbsOffer()
	f.Add(o.Append(nil))
	_, o = sampleIWARP()
	f.Add(o.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := ParseVerbsOffer(b)
		if err == nil && !bytes.Equal(o.Append(nil), b) {
			t.Errorf("offer written again differs: %+v of %x", o, b)
		}
	})
}

func TestVerbsLayoutsHaveGoldenBytes(t *testing.T) {
	r, o := sampleVerbsRail(), sampleVerbsOffer()
	golden(t, "verbsrail", r.Append(nil))
	golden(t, "verbsoffer", o.Append(nil))
	imm := o
	imm.Imm = true
	golden(t, "verbsoffer-imm", imm.Append(nil))
	if got, err := ParseVerbsOffer(imm.Append(nil)); err != nil || got != imm {
		t.Errorf("%+v, %v", got, err)
	}
	virtual := VerbsRail{Link: VerbsIB, Port: 1, MTU: 4096, LID: 0x102, NeedsGRH: true, GIDs: []VerbsGID{{GID: [16]byte{0: 0xfe, 1: 0x80, 15: 1}, Type: VerbsGIDIB, Bits: 64}}}
	golden(t, "verbsrail-grh", virtual.Append(nil))
	if got, err := ParseVerbsRail(virtual.Append(nil)); err != nil || !got.NeedsGRH {
		t.Errorf("%+v, %v", got, err)
	}
	ri, oi := sampleIWARP()
	golden(t, "verbsrail-iwarp", ri.Append(nil))
	golden(t, "verbsoffer-cm", oi.Append(nil))
	gotRI, errRI := ParseVerbsRail(ri.Append(nil))
	gotOI, errOI := ParseVerbsOffer(oi.Append(nil))
	if d := cmp.Diff(ri, gotRI) + cmp.Diff(oi, gotOI); d != "" || errRI != nil || errOI != nil {
		t.Error(d, errRI, errOI)
	}
	gotR, errR := ParseVerbsRail(r.Append(nil))
	gotO, errO := ParseVerbsOffer(o.Append(nil))
	if err := errors.Join(errR, errO); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(r, gotR) + cmp.Diff(o, gotO); d != "" {
		t.Error(d)
	}
	if !r.GIDs[0].Is4() || r.GIDs[1].Is4() {
		t.Error("which GID is an IPv4 address?")
	}
}

func TestTheLongestVerbsRailFits(t *testing.T) {
	r := sampleVerbsRail()
	for len(r.GIDs) < MaxVerbsGIDs+5 {
		r.GIDs = append(r.GIDs, r.GIDs[0])
	}
	b := r.Append(nil)
	got, err := ParseVerbsRail(b)
	if err != nil || len(got.GIDs) != MaxVerbsGIDs || len(b) > maxRailInfo || VerbsOfferSize > maxOffer {
		t.Errorf("%d bytes, %d GIDs, %v", len(b), len(got.GIDs), err)
	}
}

func TestVerbsLayoutsRefuse(t *testing.T) {
	rail := func(change func(b []byte) []byte) error {
		r := sampleVerbsRail()
		_, err := ParseVerbsRail(change(r.Append(nil)))
		return err
	}
	offer := func(change func(b []byte) []byte) error {
		o := sampleVerbsOffer()
		_, err := ParseVerbsOffer(change(o.Append(nil)))
		return err
	}
	set := func(at int, v byte) func([]byte) []byte {
		return func(b []byte) []byte { b[at] = v; return b }
	}
	cut := func(b []byte) []byte { return b[:len(b)-1] }
	more := func(b []byte) []byte { return append(b, 0) }
	none := func([]byte) []byte { return nil }
	for name, err := range map[string]error{
		"a rail of nothing":              rail(none),
		"a rail cut short":               rail(cut),
		"a rail with more than it says":  rail(more),
		"a rail of 33 GIDs":              rail(set(7, MaxVerbsGIDs+1)),
		"a link layer of its own":        rail(set(0, 4)),
		"no link layer":                  rail(set(0, 0)),
		"port 0":                         rail(set(1, 0)),
		"flags that nobody knows":        rail(set(6, 2)),
		"an MTU of 4098":                 rail(set(2, 2)),
		"an MTU of 0":                    rail(set(3, 0)),
		"a GID of type 0":                rail(set(8+16, 0)),
		"a GID of type 5":                rail(set(8+16, 5)),
		"a prefix of 129 bits":           rail(set(8+18, 129)),
		"a GID of zeros":                 rail(func(b []byte) []byte { clear(b[8:24]); return b }),
		"an offer of nothing":            offer(none),
		"an offer cut short":             offer(cut),
		"an offer with a byte too many":  offer(more),
		"an offer of another link layer": offer(set(0, 9)),
		"an offer of another GID type":   offer(set(1, 5)),
		"an offer with an MTU of 8192":   offer(set(3, 32)),
		"a QPN of 25 bits":               offer(set(11, 1)),
		"a PSN of 25 bits":               offer(set(15, 1)),
		"a port of rdma_cm without it":   offer(set(6, 1)),
		"flags of its own":               offer(set(28, 4)),
		"an offer with a hidden byte":    offer(set(31, 1)),
	} {
		if !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestImmediateDataStandForACDC(t *testing.T) {
	want := CDC{Kind: CDCData, Epoch: 7, Frame: 1 << 40, Slot: 1023, HeadLen: 16384, DataLen: 1 << 24}
	imm := VerbsImm(want.Slot, int(want.HeadLen))
	if imm != 0x03ff4000 {
		t.Errorf("%#x", imm)
	}
	if got, err := ImmCDC(imm, want.HeadLen+want.DataLen, want.Epoch, want.Frame); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := ImmCDC(imm, want.HeadLen-1, 7, 0); !errors.Is(err, ErrMalformed) {
		t.Errorf("a head that is longer than all: %v", err)
	}
}
