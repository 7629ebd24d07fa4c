package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
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

func typeName(m Message) string { return fmt.Sprintf("%T", m) }

// messages has one of each type, every field set.
func messages() []Message {
	return []Message{
		&Hello{Version: 1, Software: "scp_rdma", Session: bytes.Repeat([]byte{1}, 16),
			Rails:  []RailSet{{Transport: "tcp", Rails: []Rail{{Name: "eth0", Info: []byte{3}}}}},
			Limits: Limits{Streams: 4, Slots: 5, SlotSize: 6, Window: 7}, Features: []string{"x"}, Addrs: []string{"h:1"}},
		&Bye{Code: ByeVersion, Text: "no", Version: 1},
		&Ping{N: 1}, &Pong{N: 2},
		&Open{Path: []byte("a/b"), Exact: true, Tops: 1, Contents: true, Owner: true, NumericIDs: true, Xattr: true,
			BootID: []byte("boot"), Dirs: []FileID{{Dev: 1, Ino: 2}}, Fsync: true, Source: bytes.Repeat([]byte{4}, 32),
			Compare: CompareContents, Window: 5, Verify: true, Continues: bytes.Repeat([]byte{6}, 16), Choose: ChooseOlder, Backup: []byte("~"), Delete: true, MaxDelete: 7, Dry: true, Filter: [][]byte{[]byte("- x")},
			SetUser: "u", SetGroup: "0", ACL: true, Digest: SumSHA256, Touch: true},
		&Opened{Target: []byte("a"), Grants: []string{"owner"}, Window: 9, Free: 10, Named: true},
		&StreamOpen{Stream: 1, Epoch: 2, Transport: "tcp", Local: "a", Peer: "b", Slots: 3, SlotSize: 4096, Offer: []byte{1}},
		&StreamReady{Stream: 1, Epoch: 2, Offer: []byte{1}, Error: "no", Short: true, Slots: 3},
		&Entries{List: []Entry{
			{ID: 1, Kind: KindDir, Name: []byte("d"), Mode: 0o755, MtimeSec: -1, MtimeNsec: 999999999, ACL: acl(), Default: acl()},
			{ID: 2, Parent: 1, Kind: KindFile, Name: []byte("f\n\xff"), Size: 1 << 40, Mode: 0o4644, MtimeSec: 1, Group: 3,
				GroupPos: GroupMember | GroupLast, UID: 4, GID: 5, User: "u", GroupName: "g",
				Xattrs: []Xattr{{Name: "user.x", Value: []byte{0}}}, Replaces: 6, Young: true},
			{ID: 3, Parent: 1, Kind: KindSymlink, Name: []byte("l"), Link: []byte("../x")},
			{ID: 1, Kind: KindDirEnd},
			{ID: 4, Kind: KindFile, Name: []byte("s"), Stream: true},
		}},
		&Answers{List: []Answer{{ID: 1, Action: ActionNeed}, {ID: 2, Action: ActionFailed, Text: "no"},
			{ID: 3, Action: ActionNeed, Have: []Range{{From: 0, To: 5}, {From: 7, To: 1 << 40}}},
			{ID: 4, Action: ActionCompare, Sum: bytes.Repeat([]byte{9}, DigestSize)}, {ID: 5, Action: ActionSkip, Digest: bytes.Repeat([]byte{8}, 32)}}},
		&Results{Units: []uint64{1}, Corrupt: []uint64{2}, List: []Result{{ID: 3, Status: StatusFailed, Text: "no"}, {ID: 4, Status: StatusOK, Digest: bytes.Repeat([]byte{7}, 16)}}},
		&Abort{IDs: []uint64{7}},
		&Done{Totals: Totals{1, 2, 3, 4, 5, 6, 7}, Resent: 8, Damaged: 9, CarriedAgain: 10, Clean: true, Spent: Spent{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
		&Summary{Totals: Totals{1, 2, 3, 4, 5, 6, 7}, Dropped: Dropped{1, 2, 3, 4}, Problems: []string{"p"}, Deleted: 4, Spent: Spent{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, MaxSpent}},
		&Auth{KeyID: bytes.Repeat([]byte{1}, 8), Proof: bytes.Repeat([]byte{2}, 32)},
		&Authed{Proof: bytes.Repeat([]byte{3}, 32)},
		&Inspect{}, &Inspected{Report: []byte("{}")},
		&Same{IDs: []uint64{7, 8}},
		&Fetch{Paths: [][]byte{[]byte("a/*"), {}}, Ways: []Way{{Transport: "tcp", Pairs: []RailPair{{Client: "a", Server: "b"}}}},
			Limits: Limits{Streams: 1, Slots: 2, SlotSize: 3, Window: 4}, Streams: 5, Slots: 6, SlotSize: 7, Owner: true, Xattr: true,
			SafeLinks: true, NoChecksum: true, Encrypt: true, EveryRail: true, RetryFor: -1, Filter: [][]byte{[]byte("- a\xff")}, OneFS: true, Dry: true, ACL: true, Ordered: true},
		&Trouble{Kind: TroubleOutside, Path: []byte("a\xff"), Text: "no"}, &Walked{},
		&RailHealth{Rail: "a", Best: "b", Event: RailLasts, State: MaxRailState, Part: FullPart, Expected: true, Rate: 1 << 40, Latency: 5, Slow: MaxSpent},
		&StreamJoin{Stream: 1, Epoch: 2, Offer: []byte{1}, Error: "no"},
		&Fence{Stream: 1, Epoch: 2}, &Fenced{Stream: 1, Epoch: 2, Error: "broken", Short: true, Slots: 3},
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
		if diff := cmp.Diff(m, got, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(Range{}, ACE{})); diff != "" {
			t.Errorf("%T (-want +got):\n%s", m, diff)
		}
		seen[typ] = true
	}
	for typ := TypeHello; typ <= TypeSame; typ++ {
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
		if diff := cmp.Diff(m, again, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(Range{}, ACE{})); diff != "" {
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

func BenchmarkEntriesBatch(b *testing.B) {
	batch := &Entries{}
	for i := range 256 {
		batch.List = append(batch.List, Entry{ID: uint64(i + 1), Kind: KindFile, Name: []byte("model-00001-of-00099"), Size: 4096, Mode: 0o644, MtimeSec: 1e9, MtimeNsec: 5})
	}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buf, err = AppendMessage(buf[:0], batch); err != nil {
			b.Fatal(err)
		}
		if _, err = ParseMessage(TypeEntries, buf[HeaderSize:]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/256, "ns/entry")
}

// raw writes a body without a check, as a hostile peer would.
func raw(t *testing.T, v any) []byte {
	t.Helper()
	md, err := theModes()
	if err != nil {
		t.Fatal(err)
	}
	b, err := md.enc.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Bytes that are no message of ours must not even reach the fields.
func TestParseMessageRefusesBytes(t *testing.T) {
	tests := map[string]struct {
		typ  Type
		body []byte
	}{
		"an empty body":          {TypePing, nil},
		"bytes after the body":   {TypePing, []byte{0xa1, 1, 1, 0}},
		"a key twice":            {TypePing, []byte{0xa2, 1, 1, 1, 2}},
		"an indefinite map":      {TypePing, []byte{0xbf, 1, 1, 0xff}},
		"an indefinite text":     {TypeBye, []byte{0xa2, 1, 1, 2, 0x7f, 0x61, 'a', 0xff}},
		"a text that's no UTF-8": {TypeBye, []byte{0xa2, 1, 1, 2, 0x61, 0xff}},
		"a tag":                  {TypePing, []byte{0xa1, 1, 0xc1, 1}},
		"a list of 4 GiB":        {TypeAbort, []byte{0xa1, 1, 0x9a, 0xff, 0xff, 0xff, 0xff}},
		"a list of 1025":         {TypeAbort, raw(t, &Abort{IDs: make([]uint64, maxList+1)})},
		"a map of 65":            {TypePing, append([]byte{0xb8, 65}, bytes.Repeat([]byte{1, 1}, 65)...)},
		"a deep nest":            {TypePing, append(bytes.Repeat([]byte{0x81}, 100), 1)},
		"a number too large":     {TypeBye, []byte{0xa1, 1, 0x1a, 0, 1, 0, 0}},
		"a text for a number":    {TypePing, []byte{0xa1, 1, 0x61, 'a'}},
		"no map at all":          {TypeEntries, []byte{1}},
	}
	for name, tt := range tests {
		if m, err := ParseMessage(tt.typ, tt.body); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
	if _, err := ParseMessage(200, nil); !errors.Is(err, ErrUnknownType) {
		t.Errorf("unknown type: %v", err)
	}
}

func TestParseHeaderBoundsTheBody(t *testing.T) {
	tests := map[string]struct {
		header []byte
		ok     bool
	}{
		"entries of 1 MiB":            {[]byte{0, 0, 0x10, 0, byte(TypeEntries)}, true},
		"entries of 1 MiB and a byte": {[]byte{1, 0, 0x10, 0, byte(TypeEntries)}, false},
		"entries of 4 GiB":            {[]byte{0xff, 0xff, 0xff, 0xff, byte(TypeEntries)}, false},
		"a hello of 64 KiB":           {[]byte{0, 0, 1, 0, byte(TypeHello)}, true},
		"a hello of one byte more":    {[]byte{1, 0, 1, 0, byte(TypeHello)}, false},
		"a bye of one byte more":      {[]byte{1, 0, 1, 0, byte(TypeBye)}, false},
		"a proof of 128 bytes":        {[]byte{128, 0, 0, 0, byte(TypeAuth)}, true},
		"a proof of one byte more":    {[]byte{129, 0, 0, 0, byte(TypeAuth)}, false},
		"an answer of one byte more":  {[]byte{129, 0, 0, 0, byte(TypeAuthed)}, false},
		"four bytes":                  {[]byte{0, 0, 0, 0}, false},
	}
	for name, tt := range tests {
		if _, _, err := ParseHeader(tt.header); (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A version of tomorrow may add a field; today's must not choke on it.
func TestParseMessageIgnoresFieldsOfLaterVersions(t *testing.T) {
	m, err := ParseMessage(TypePing, raw(t, map[int]any{1: 7, 60: "new"}))
	if p, ok := m.(*Ping); err != nil || !ok || p.N != 7 {
		t.Errorf("%+v, %v", m, err)
	}
}

// ParseMessage is given a buffer that is used again.
func TestParseMessageKeepsNothingOfTheBody(t *testing.T) {
	for _, m := range messages() {
		body := raw(t, m)
		got, err := ParseMessage(m.Type(), body)
		if err != nil {
			t.Fatal(err)
		}
		clear(body)
		if diff := cmp.Diff(m, got, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(Range{}, ACE{})); diff != "" {
			t.Errorf("%T (-want +got):\n%s", m, diff)
		}
	}
}
