package wire

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// golden compares bytes with testdata/name.hex: the layouts are a promise to
// every other build of the same version.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name+".hex")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, []byte(hex.Dump(got)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != hex.Dump(got) {
		t.Errorf("%s changed:\n%s\nwant:\n%s", name, hex.Dump(got), want)
	}
}

// messages has one of each type, every field set.
func messages() []Message {
	return []Message{
		&Hello{Version: 1, Software: "scp_rdma", Session: bytes.Repeat([]byte{1}, 16), Key: bytes.Repeat([]byte{2}, 32),
			Rails:  []RailSet{{Transport: "tcp", Rails: []Rail{{Name: "eth0", Info: []byte{3}}}}},
			Limits: Limits{Streams: 4, Slots: 5, SlotSize: 6, Window: 7}, Features: []string{"x"}},
		&Bye{Code: ByeVersion, Text: "no", Version: 1},
		&Ping{N: 1}, &Pong{N: 2},
		&Open{Path: []byte("a/b"), Exact: true, Tops: 1, Contents: true, Owner: true, NumericIDs: true, Xattr: true,
			BootID: []byte("boot"), Dirs: []FileID{{Dev: 1, Ino: 2}}},
		&Opened{Target: []byte("a"), Grants: []string{"owner"}, Window: 9},
		&StreamOpen{Stream: 1, Epoch: 2, Transport: "tcp", Local: "a", Peer: "b", Slots: 3, SlotSize: 4096, Offer: []byte{1}},
		&StreamReady{Stream: 1, Epoch: 2, Offer: []byte{1}, Error: "no"},
		&Entries{List: []Entry{
			{ID: 1, Kind: KindDir, Name: []byte("d"), Mode: 0o755, MtimeSec: -1, MtimeNsec: 999999999},
			{ID: 2, Parent: 1, Kind: KindFile, Name: []byte("f\n\xff"), Size: 1 << 40, Mode: 0o4644, MtimeSec: 1, Group: 3,
				GroupPos: GroupMember | GroupLast, UID: 4, GID: 5, User: "u", GroupName: "g",
				Xattrs: []Xattr{{Name: "user.x", Value: []byte{0}}}, Replaces: 6},
			{ID: 3, Parent: 1, Kind: KindSymlink, Name: []byte("l"), Link: []byte("../x")},
			{ID: 1, Kind: KindDirEnd},
		}},
		&Answers{List: []Answer{{ID: 1, Action: ActionNeed}, {ID: 2, Action: ActionFailed, Text: "no"}}},
		&Results{Units: []uint64{1}, Corrupt: []uint64{2}, List: []Result{{ID: 3, Status: StatusFailed, Text: "no"}}},
		&Abort{IDs: []uint64{7}},
		&Done{Totals: Totals{1, 2, 3, 4, 5, 6}},
		&Summary{Totals: Totals{1, 2, 3, 4, 5, 6}, Dropped: Dropped{1, 2, 3}, Problems: []string{"p"}},
	}
}

func TestEveryTypeRoundTripsWithGoldenBytes(t *testing.T) {
	seen := map[Type]bool{}
	for _, m := range messages() {
		b, err := AppendMessage(nil, m)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, strings.ToLower(strings.TrimPrefix(typeName(m), "*wire.")), b)
		typ, n, err := ParseHeader(b[:HeaderSize])
		if err != nil || typ != m.Type() || n != len(b)-HeaderSize {
			t.Fatalf("header of %T: %v %d %v", m, typ, n, err)
		}
		got, err := ParseMessage(typ, b[HeaderSize:])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%T (-want +got):\n%s", m, diff)
		}
		seen[typ] = true
	}
	for typ := TypeHello; typ <= TypeSummary; typ++ {
		if !seen[typ] {
			t.Errorf("type %d has no message in this test", typ)
		}
	}
}

// FuzzParseMessage: whatever parses must survive being written and read again.
func FuzzParseMessage(f *testing.F) {
	for _, m := range messages() {
		b, err := AppendMessage(nil, m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(byte(m.Type()), b[HeaderSize:])
	}
	f.Fuzz(func(t *testing.T, typ byte, body []byte) {
		m, err := ParseMessage(Type(typ), body)
		if err != nil {
			return
		}
		b, err := AppendMessage(nil, m)
		if err != nil {
			t.Fatalf("%T parsed but can't be written: %v", m, err)
		}
		again, err := ParseMessage(Type(typ), b[HeaderSize:])
		if err != nil {
			t.Fatalf("%T written but can't be read: %v", m, err)
		}
		if diff := cmp.Diff(m, again, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%T (-first +second):\n%s", m, diff)
		}
	})
}

func FuzzParseHeader(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, n, err := ParseHeader(b); err == nil && (n < 0 || n > MaxMessage) {
			t.Errorf("length %d accepted", n)
		}
	})
}

func sampleHead() FrameHead {
	return FrameHead{Protection: ProtectXXH3, Stream: 1, Epoch: 2, Unit: 3, DataLen: 7, DataSum: Sum([]byte("1234567")),
		Chunks: []Chunk{{Entry: 4, Offset: 5, Length: 7, Flags: ChunkSeal}, {Entry: 6, Offset: 4096, Length: 2, Flags: ChunkHole}}}
}

func FuzzParseFrameHead(f *testing.F) {
	h := sampleHead()
	f.Add(h.Append(nil))
	h.Protection, h.DataSum = ProtectNone, 0
	f.Add(h.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		var h FrameHead
		if ParseFrameHead(bytes.Clone(b), &h) != nil {
			return
		}
		if got := h.Append(nil); !bytes.Equal(got, b) {
			t.Errorf("head written again differs:\n%x\n%x", got, b)
		}
	})
}

func FuzzParseCDC(f *testing.F) {
	for _, c := range []CDC{{Kind: CDCData, Epoch: 1, Frame: 2, Slot: 3, HeadLen: 4, DataLen: 5}, {Kind: CDCCredit, Grant: 9},
		{Kind: CDCRequest}, {Kind: CDCDone, Frame: 8}, {Kind: CDCClosed}, {Kind: CDCHeartbeat, Epoch: 7}} {
		f.Add(c.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseCDC(b)
		if err == nil && !bytes.Equal(c.Append(nil), b) {
			t.Errorf("cdc written again differs: %+v of %x", c, b)
		}
	})
}

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

func FuzzParsePreamble(f *testing.F) {
	f.Add(AppendPreamble(nil, Preamble{Kind: KindControl, Version: 1}))
	f.Add([]byte("SSH-2.0-OpenSSH"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParsePreamble(b)
		if err == nil && !bytes.Equal(AppendPreamble(nil, p), b[:PreambleSize]) {
			t.Errorf("preamble written again differs: %+v of %x", p, b)
		}
	})
}
