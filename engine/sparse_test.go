package engine

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"scp_rdma/wire"
)

// holes answers like lseek for a file of size with the given data ranges.
func holes(size int64, data ...span) func(int64) (int64, int64, error) {
	return func(off int64) (int64, int64, error) {
		for _, d := range data {
			if off < d.to {
				return max(off, d.from), d.to, nil
			}
		}
		return size, size, nil
	}
}

func TestLayout(t *testing.T) {
	const k = 1024
	tests := map[string]struct {
		next           func(int64) (int64, int64, error)
		off, end, size int64
		want           []part
		wantNext       int64
	}{
		"one hole": {holes(1 << 40), 0, 1 << 40, 1 << 40, []part{{0, 1 << 40, true}}, 1 << 40},
		"a hole that ends the file in mid unit": {holes(8*k+100, span{0, 4 * k}), 0, 8*k + 100, 8*k + 100,
			[]part{{0, 4 * k, false}, {4 * k, 4*k + 100, true}}, 8*k + 100},
		"a hole cut to whole units, the rest as data": {holes(20*k, span{5 * k, 6 * k}), 0, 20 * k, 20 * k,
			[]part{{0, 4 * k, true}, {4 * k, 2 * k, false}, {6 * k, 14 * k, true}}, 20 * k},
		"data up to the room": {holes(100*k, span{0, 100 * k}), 0, 100 * k, 100 * k, []part{{0, 16 * k, false}}, 16 * k},
		"room over several ranges": {holes(100*k, span{0, 8 * k}, span{16 * k, 100 * k}), 0, 100 * k, 100 * k,
			[]part{{0, 8 * k, false}, {8 * k, 8 * k, true}, {16 * k, 8 * k, false}}, 24 * k},
		"a range that ends before the file": {holes(100 * k), 0, 10 * k, 100 * k,
			[]part{{0, 8 * k, true}, {8 * k, 2 * k, false}}, 10 * k},
		"a file that answers nonsense": {func(off int64) (int64, int64, error) { return off, off, nil }, 0, 10, 10,
			[]part{{0, 10, false}}, 10},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, next, err := layout(tt.next, tt.off, tt.end, tt.size, 16*k)
			if err != nil || next != tt.wantNext {
				t.Fatalf("next %d, %v", next, err)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(part{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	bad := errors.New("bad disk")
	if _, _, err := layout(func(int64) (int64, int64, error) { return 0, 0, bad }, 0, 1, 1, 1); !errors.Is(err, bad) {
		t.Errorf("error lost: %v", err)
	}
}

// FuzzLayout: parts follow each other without gaps, fit the room, and their
// records give their lengths back.
func FuzzLayout(f *testing.F) {
	f.Add(int64(100_000), []byte{1, 5, 9, 30}, int64(16<<10))
	f.Add(int64(1<<50), []byte{3}, int64(4096))
	f.Fuzz(func(t *testing.T, size int64, cuts []byte, room int64) {
		size, room = 1+max(size, -size-1)%(1<<50), 1+max(room, -room-1)%(1<<20)
		var data []span
		at := int64(0)
		for i := 0; i+1 < len(cuts); i += 2 {
			from := at + int64(cuts[i])*512
			at = from + 1 + int64(cuts[i+1])*512
			if at > size {
				break
			}
			data = append(data, span{from, at})
		}
		for off := int64(0); off < size; {
			parts, next, err := layout(holes(size, data...), off, size, size, room)
			if err != nil || next <= off {
				t.Fatalf("at %d: next %d, %v", off, next, err)
			}
			used := int64(0)
			for _, p := range parts {
				if p.off != off || p.n <= 0 || chunkLen(p.chunk(1), size) != p.n {
					t.Fatalf("part %+v at %d, its record says %d", p, off, chunkLen(p.chunk(1), size))
				}
				off += p.n
				if !p.hole {
					used += p.n
				}
				if err := inFileBounds(p.chunk(1), size); err != nil {
					t.Fatalf("the gate refuses %+v: %v", p, err)
				}
			}
			if used > room || off != next || len(parts) > wire.MaxChunks {
				t.Fatalf("%d bytes in room of %d, %d parts, at %d of %d", used, room, len(parts), off, next)
			}
			if len(parts) > 100 {
				return // enough seen
			}
		}
	})
}
