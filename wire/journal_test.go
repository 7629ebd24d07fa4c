package wire

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func sampleJournal() (JournalHead, []JournalRecord, []byte) {
	h := JournalHead{Sums: true, Size: 10 << 20, MtimeSec: -5, MtimeNsec: 7, Dev: 8, Ino: 9, Boot: [16]byte{1, 2}, MAC: [32]byte{3, 4}}
	list := []JournalRecord{
		{Range: Range{From: 0, To: 1 << 20}, Sum: 5},
		{Range: Range{From: 2 << 20, To: 10 << 20}, Hole: true},
		{Range: Range{From: 1 << 20, To: 1<<20 + 1}, Sum: math.MaxUint64},
	}
	b := h.Append(nil)
	for i := range list {
		b = list[i].Append(b, &h)
	}
	return h, list, b
}

func TestJournalHasGoldenBytes(t *testing.T) {
	h, list, b := sampleJournal()
	golden(t, "journal", b)
	got, err := ParseJournalHead(b)
	if err != nil || got != h {
		t.Fatalf("head: %+v, %v", got, err)
	}
	records, rest := ParseJournal(b, &got)
	if diff := cmp.Diff(list, records, cmpopts.IgnoreUnexported(Range{})); diff != "" || rest != 0 {
		t.Errorf("%d bytes left, records (-want +got):\n%s", rest, diff)
	}
}

// However a journal is torn, and whichever byte of it is wrong, what is read is a
// beginning of what was written.
func TestATornJournalGivesItsBeginning(t *testing.T) {
	h, list, b := sampleJournal()
	for n := JournalHeadSize; n < len(b); n++ {
		records, rest := ParseJournal(b[:n], &h)
		whole := (n - JournalHeadSize) / JournalRecordSize
		if diff := cmp.Diff(list[:whole], records, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(Range{})); diff != "" || rest != (n-JournalHeadSize)%JournalRecordSize {
			t.Fatalf("%d bytes: %d left over, records (-want +got):\n%s", n, rest, diff)
		}
		bad := bytes.Clone(b)
		bad[n] ^= 0x10
		if records, _ := ParseJournal(bad, &h); len(records) != whole {
			t.Fatalf("byte %d wrong: %d records, want %d", n, len(records), whole)
		}
	}
	other := h
	other.MAC[0]++
	if records, _ := ParseJournal(b, &other); len(records) > 0 {
		t.Errorf("records of another journal fit: %v", records)
	}
}

func TestAHeadThatIsNoneIsRefused(t *testing.T) {
	h, _, b := sampleJournal()
	for _, at := range []int{0, 4, 6, 15, 28} {
		bad := bytes.Clone(b)
		bad[at] |= 0x82
		if got, err := ParseJournalHead(bad); !errors.Is(err, ErrMalformed) && got == h {
			t.Errorf("byte %d wrong: %v", at, err)
		}
	}
	if _, err := ParseJournalHead(b[:JournalHeadSize-1]); !errors.Is(err, ErrMalformed) {
		t.Errorf("too short: %v", err)
	}
}

func FuzzParseJournal(f *testing.F) {
	_, _, b := sampleJournal()
	f.Add(b)
	f.Add(b[:len(b)-3])
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseJournalHead(b)
		if err != nil {
			return
		}
		records, rest := ParseJournal(b, &h)
		out := h.Append(nil)
		for _, r := range records {
			if r.From < 0 || r.To <= r.From || r.To > h.Size {
				t.Errorf("range %v of a file of %d bytes", r.Range, h.Size)
			}
			out = r.Append(out, &h)
		}
		if !bytes.Equal(out, b[:len(b)-rest]) {
			t.Error("a journal written again differs")
		}
	})
}

func TestADigestIsOfTheBytesAndNotOfTheirPieces(t *testing.T) {
	text := bytes.Repeat([]byte("contents "), 1000)
	a, b, c := NewDigest(), NewDigest(), NewDigest()
	a.Add(text)
	b.Add(text[:77])
	b.Add(text[77:])
	c.Add(text[1:])
	if !bytes.Equal(a.Sum(), b.Sum()) || bytes.Equal(a.Sum(), c.Sum()) || len(a.Sum()) != DigestSize {
		t.Errorf("digests %x, %x, %x", a.Sum(), b.Sum(), c.Sum())
	}
}
