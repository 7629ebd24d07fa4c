package wire

import (
	"bytes"
	"errors"
	"testing"
)

func sampleHead() FrameHead {
	return FrameHead{Protection: ProtectXXH3, Stream: 1, Epoch: 2, Unit: 3, DataLen: 7, DataSum: Sum([]byte("1234567")),
		Chunks: []Chunk{{Entry: 4, Offset: 5, Length: 7, Flags: ChunkSeal}, {Entry: 6, Offset: 4096, Length: 2, Flags: ChunkHole}}}
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

func TestFrameHeadHasGoldenBytes(t *testing.T) {
	h := sampleHead()
	b := h.Append(nil)
	golden(t, "framehead", b)
	if len(b) != HeadSize(len(h.Chunks)) {
		t.Errorf("head of %d bytes, want %d", len(b), HeadSize(len(h.Chunks)))
	}
	if n := HeadSize(MaxChunks); n > 16<<10 {
		t.Errorf("the largest head has %d bytes, the head area of a slot 16 KiB", n)
	}
}

// The longest file there can be, all hole, must be sayable.
func TestFrameHeadTakesTheEndOfTheLongestFile(t *testing.T) {
	h := FrameHead{Chunks: []Chunk{{Offset: 1<<63 - HoleUnit, Length: 1, Flags: ChunkHole}}}
	if err := ParseFrameHead(h.Append(nil), &FrameHead{}); err != nil {
		t.Error(err)
	}
	h.Chunks[0].Offset++
	if err := ParseFrameHead(h.Append(nil), &FrameHead{}); !errors.Is(err, ErrMalformed) {
		t.Errorf("a hole beyond any file: %v", err)
	}
	h.Chunks[0].Offset = 1<<64 - 1
	if err := ParseFrameHead(h.Append(nil), &FrameHead{}); !errors.Is(err, ErrMalformed) {
		t.Errorf("a hole that wraps around: %v", err)
	}
}

func TestParseFrameHeadReusesChunks(t *testing.T) {
	h := sampleHead()
	h.Protection, h.DataSum = ProtectNone, 0
	b := h.Append(nil)
	got := FrameHead{Chunks: make([]Chunk, 0, 8)}
	if n := testing.AllocsPerRun(100, func() {
		if err := ParseFrameHead(b, &got); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for a head, want none", n)
	}
}
