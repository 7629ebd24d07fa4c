package engine

import (
	"testing"
)

func TestRangesCoverAnEmptyFileAtOnce(t *testing.T) {
	var r ranges
	if !r.covers(0) || r.covers(1) {
		t.Error("the empty set must cover 0 bytes and nothing more")
	}
}

// FuzzRanges compares the interval set with a plain array of bytes.
func FuzzRanges(f *testing.F) {
	f.Add([]byte{0, 4, 8, 12, 4, 8})
	f.Add([]byte{10, 20, 0, 10, 20, 30, 5, 25})
	f.Add([]byte{1, 1, 2, 1, 255, 3})
	f.Add([]byte{0, 40, 4, 30, 50, 60, 9, 55, 99, 99, 94, 3})
	f.Fuzz(func(t *testing.T, ops []byte) {
		var r ranges
		var model [256]bool
		for ; len(ops) >= 2; ops = ops[2:] {
			from, to := int64(ops[0]), int64(ops[1])
			there := from%5 != 4
			if there {
				r.add(from, to)
			} else {
				r.remove(from, to)
			}
			for i := from; i < to; i++ {
				model[i] = there
			}
			compareRanges(t, &r, &model)
		}
	})
}

func compareRanges(t *testing.T, r *ranges, model *[256]bool) {
	t.Helper()
	var got [256]bool
	last := int64(-2)
	for _, s := range r.list {
		if s.from >= s.to || s.from <= last {
			t.Fatalf("intervals not sorted, disjoint and apart: %v", r.list)
		}
		last = s.to
		for i := s.from; i < s.to; i++ {
			got[i] = true
		}
	}
	if got != *model {
		t.Fatalf("set %v does not equal the model", r.list)
	}
	prefix := int64(0)
	for prefix < 256 && model[prefix] {
		prefix++
	}
	if only := len(r.list) == 1 && r.list[0].from == 0; only && !r.covers(prefix) {
		t.Fatalf("%v does not cover its %d bytes", r.list, prefix)
	}
	if r.start() != prefix {
		t.Fatalf("%v begins with %d bytes, it says %d", r.list, prefix, r.start())
	}
	for from := range int64(len(model)) {
		to, want := min(from+3, 256), false
		for i := from; i < to; i++ {
			want = want || model[i]
		}
		if r.touches(from, to) != want || r.touches(from, from) {
			t.Fatalf("%v touches [%d, %d): %v", r.list, from, to, !want)
		}
	}
	if prefix < 255 && r.covers(prefix+1) {
		t.Fatalf("%v covers %d bytes, only %d arrived", r.list, prefix+1, prefix)
	}
}
