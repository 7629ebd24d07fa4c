package wire

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

func typeName(m Message) string { return fmt.Sprintf("%T", m) }

func TestFixedLayoutsHaveGoldenBytes(t *testing.T) {
	h := sampleHead()
	golden(t, "framehead", h.Append(nil))
	golden(t, "cdc", CDC{Kind: CDCData, Epoch: 1, Frame: 2, Slot: 3, HeadLen: 4, DataLen: 5}.Append(nil))
	o := sampleOffer()
	golden(t, "tcpoffer", o.Append(nil))
	r := TCPRail{Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24")}}
	golden(t, "tcprail", r.Append(nil))
	j := Join{Session: [16]byte{1}, Stream: 2, Epoch: 3, Slots: 4, SlotSize: 5, Proof: [32]byte{6}}
	golden(t, "join", j.Append(nil))
	golden(t, "preamble", AppendPreamble(nil, Preamble{Kind: KindControl, Version: 1}))
}

func TestSizes(t *testing.T) {
	h := sampleHead()
	if n := len(h.Append(nil)); n != HeadSize(2) {
		t.Errorf("head of %d bytes, want %d", n, HeadSize(2))
	}
	if n := len((CDC{Kind: CDCRequest}).Append(nil)); n != CDCSize || n > 48 {
		t.Errorf("cdc of %d bytes", n)
	}
	if n := HeadSize(MaxChunks); n > 16<<10 {
		t.Errorf("the largest head has %d bytes, the head area of a slot 16 KiB", n)
	}
}

func TestFrameHeadRefuses(t *testing.T) {
	good := func() []byte { h := sampleHead(); return h.Append(nil) }
	plain := func() []byte { h := sampleHead(); h.Protection, h.DataSum = ProtectNone, 0; return h.Append(nil) }
	set := func(b []byte, at int, v byte) []byte { b[at] = v; return b }
	tests := map[string][]byte{
		"nothing":                         {},
		"a cut head":                      good()[:FrameHeadSize-1],
		"a wrong magic":                   set(plain(), 0, 'X'),
		"an unknown protection":           set(plain(), 4, 9),
		"flags":                           set(plain(), 5, 1),
		"no chunks":                       set(plain(), 6, 0),
		"more chunks than bytes":          set(plain(), 6, 3),
		"a trailer":                       set(plain(), 28, 1),
		"a tag":                           set(plain(), 63, 1),
		"a data length beside its chunks": set(plain(), 24, 8),
		"unknown chunk flags":             set(plain(), FrameHeadSize+20, 0x81),
		"a hole of no length":             set(plain(), FrameHeadSize+ChunkSize+16, 0),
		"one flipped bit":                 set(good(), FrameHeadSize, 5),
		"a sum in a plain frame":          set(plain(), 40, 1),
	}
	for name, b := range tests {
		var h FrameHead
		if err := ParseFrameHead(b, &h); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestForeignSpeechIsNamed(t *testing.T) {
	tests := map[string]string{
		"SSH-2.0-OpenSSH_9.2\r\n": "ssh", "HTTP/1.1 400 Bad Request": "http", "GET / HTTP/1.1": "http",
		"\x16\x03\x01\x02\x00": "tls", "220 mail ESMTP": "smtp or ftp", "SS": `"SS"`, "\x00\x01": `"\x00\x01"`,
	}
	for in, want := range tests {
		_, err := ParsePreamble([]byte(in))
		var foreign *ForeignError
		if !errors.As(err, &foreign) || foreign.Speaks != want {
			t.Errorf("%q: %v, want %s", in, err, want)
		}
	}
	p, err := ParsePreamble(AppendPreamble(nil, Preamble{Kind: KindData, Version: 99}))
	if err != nil || p.Version != 99 {
		t.Errorf("another version must parse: %+v %v", p, err)
	}
	if _, err := ParsePreamble([]byte("SRDM")); !errors.Is(err, ErrMalformed) {
		t.Errorf("half a preamble: %v", err)
	}
}

func TestEntryRefuses(t *testing.T) {
	ok := Entry{ID: 2, Parent: 1, Kind: KindFile, Name: []byte("f")}
	tests := map[string]func(e *Entry){
		"no id":                   func(e *Entry) { e.ID = 0 },
		"an unknown kind":         func(e *Entry) { e.Kind = 9 },
		"no name":                 func(e *Entry) { e.Name = nil },
		"dot":                     func(e *Entry) { e.Name = []byte(".") },
		"dot dot":                 func(e *Entry) { e.Name = []byte("..") },
		"a slash":                 func(e *Entry) { e.Name = []byte("a/b") },
		"a NUL":                   func(e *Entry) { e.Name = []byte("a\x00") },
		"a name of 256 bytes":     func(e *Entry) { e.Name = bytes.Repeat([]byte("x"), 256) },
		"a negative size":         func(e *Entry) { e.Size = -1 },
		"a directory with a size": func(e *Entry) { e.Kind, e.Size = KindDir, 1 },
		"a mode beyond 07777":     func(e *Entry) { e.Mode = 0o10000 },
		"a second of nanoseconds": func(e *Entry) { e.MtimeNsec = 1e9 },
		"a file with a link text": func(e *Entry) { e.Link = []byte("x") },
		"a symlink without text":  func(e *Entry) { e.Kind = KindSymlink },
		"a symlink with NUL":      func(e *Entry) { e.Kind, e.Link = KindSymlink, []byte("a\x00b") },
		"a directory in a group":  func(e *Entry) { e.Kind, e.Group = KindDir, 1 },
		"a place in no group":     func(e *Entry) { e.GroupPos = 1 },
		"too large xattrs":        func(e *Entry) { e.Xattrs = []Xattr{{Name: "user.x", Value: make([]byte, maxXattrs)}} },
		"its own parent":          func(e *Entry) { e.Parent = e.ID },
		"an end with a name":      func(e *Entry) { e.Kind, e.Parent = KindDirEnd, 0 },
	}
	for name, change := range tests {
		e := ok
		change(&e)
		b, err := AppendMessage(nil, &Entries{List: []Entry{e}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseMessage(TypeEntries, b[HeaderSize:]); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMessageRefuses(t *testing.T) {
	tests := map[string]Message{
		"a session of 3 bytes":  &Hello{Session: []byte("abc")},
		"a key of 3 bytes":      &Hello{Key: []byte("abc")},
		"a long rail":           &Hello{Rails: []RailSet{{Rails: []Rail{{Info: make([]byte, maxRailInfo+1)}}}}},
		"a path with a NUL":     &Open{Path: []byte("a\x00")},
		"a path of 4097 bytes":  &Open{Path: bytes.Repeat([]byte("a"), maxPath+1)},
		"a long offer":          &StreamOpen{Offer: make([]byte, maxOffer+1)},
		"a long ready offer":    &StreamReady{Offer: make([]byte, maxOffer+1)},
		"a long text":           &Bye{Text: strings.Repeat("x", maxText+1)},
		"an unknown answer":     &Answers{List: []Answer{{ID: 1, Action: 9}}},
		"an unknown status":     &Results{List: []Result{{ID: 1, Status: 9}}},
		"more than 1024 aborts": &Abort{IDs: make([]uint64, maxList+1)},
		"a long problem":        &Summary{Problems: []string{strings.Repeat("x", maxText+1)}},
	}
	for name, m := range tests {
		b, err := AppendMessage(nil, m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseMessage(m.Type(), b[HeaderSize:]); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ParseMessage(200, nil); !errors.Is(err, ErrUnknownType) {
		t.Errorf("unknown type: %v", err)
	}
	if _, _, err := ParseHeader([]byte{0xff, 0xff, 0xff, 0xff, byte(TypeEntries)}); !errors.Is(err, ErrMalformed) {
		t.Errorf("a length of 4 GiB: %v", err)
	}
	if _, _, err := ParseHeader([]byte{0, 0, 4, 0, byte(TypeHello)}); !errors.Is(err, ErrMalformed) {
		t.Errorf("a hello of 256 KiB: %v", err)
	}
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
