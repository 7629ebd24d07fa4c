package wire

import (
	"bytes"
	"errors"
	"testing"
)

func FuzzParseCDC(f *testing.F) {
	for _, c := range []CDC{{Kind: CDCData, Epoch: 1, Frame: 2, Slot: 3, HeadLen: 4, DataLen: 5}, {Kind: CDCCredit, Grant: 9},
		{Kind: CDCRequest}, {Kind: CDCDone, Frame: 8}, {Kind: CDCClosed}, {Kind: CDCHeartbeat, Epoch: 7}, {Kind: CDCAnswer, Grant: 9}} {
		f.Add(c.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseCDC(b)
		if err == nil && !bytes.Equal(c.Append(nil), b) {
			t.Errorf("cdc written again differs: %+v of %x", c, b)
		}
	})
}

func TestCDCHasGoldenBytes(t *testing.T) {
	b := CDC{Kind: CDCData, Epoch: 1, Frame: 2, Slot: 3, HeadLen: 4, DataLen: 5}.Append(nil)
	golden(t, "cdc", b)
	if len(b) != CDCSize || CDCSize > 48 {
		t.Errorf("cdc of %d bytes, want %d and no more than 48", len(b), CDCSize)
	}
}

// A field that its kind has no use for must be zero: it is free for later versions.
func TestCDCRefuses(t *testing.T) {
	tests := map[string][]byte{
		"a data CDC that grants":      CDC{Kind: CDCData, Grant: 1}.Append(nil),
		"a credit with a slot":        CDC{Kind: CDCCredit, Slot: 1}.Append(nil),
		"a credit with a frame":       CDC{Kind: CDCCredit, Frame: 1}.Append(nil),
		"an answer with a slot":       CDC{Kind: CDCAnswer, Slot: 1}.Append(nil),
		"a request with a grant":      CDC{Kind: CDCRequest, Grant: 1}.Append(nil),
		"a done with a length":        CDC{Kind: CDCDone, DataLen: 1}.Append(nil),
		"a closed with a frame":       CDC{Kind: CDCClosed, Frame: 1}.Append(nil),
		"a heartbeat with a length":   CDC{Kind: CDCHeartbeat, HeadLen: 1}.Append(nil),
		"kind 0":                      CDC{}.Append(nil),
		"an unknown kind":             CDC{Kind: CDCAnswer + 1}.Append(nil),
		"39 bytes":                    CDC{Kind: CDCRequest}.Append(nil)[:CDCSize-1],
		"41 bytes":                    append(CDC{Kind: CDCRequest}.Append(nil), 0),
		"flags":                       {0: byte(CDCRequest), 1: 1, CDCSize - 1: 0},
		"reserved bytes at the front": {0: byte(CDCRequest), 3: 1, CDCSize - 1: 0},
		"reserved bytes at the end":   {0: byte(CDCRequest), CDCSize - 1: 1},
	}
	for name, b := range tests {
		if c, err := ParseCDC(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
}
