package planner

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const testSlot = 1000

func units(p *Plan) []Unit {
	var us []Unit
	for {
		u, ok := p.Next()
		if !ok {
			return us
		}
		us = append(us, u)
	}
}

func TestNextHandsOut(t *testing.T) {
	whole := func(id uint64, n int64) Chunk { return Chunk{ID: id, Len: n, Size: n} }
	tests := map[string]struct {
		files []File
		want  []Unit
	}{
		"nothing":                          {nil, nil},
		"an empty file as a chunk of none": {[]File{{ID: 1}}, []Unit{{Chunks: []Chunk{whole(1, 0)}}}},
		"small files together": {
			[]File{{ID: 1, Size: 400}, {ID: 2, Size: 600}, {ID: 3, Size: 1}},
			[]Unit{{Chunks: []Chunk{whole(1, 400), whole(2, 600)}}, {Chunks: []Chunk{whole(3, 1)}}}},
		"no more chunks than allowed": {
			[]File{{ID: 1}, {ID: 2}, {ID: 3}, {ID: 4}, {ID: 5}},
			[]Unit{{Chunks: []Chunk{whole(1, 0), whole(2, 0), whole(3, 0), whole(4, 0)}}, {Chunks: []Chunk{whole(5, 0)}}}},
		"a file of exactly one slot whole": {[]File{{ID: 1, Size: 1000}}, []Unit{{Chunks: []Chunk{whole(1, 1000)}}}},
		"a large file in ranges": {
			[]File{{ID: 1, Size: 2001}},
			[]Unit{
				{Chunks: []Chunk{{ID: 1, Len: 1000, Size: 2001}}},
				{Chunks: []Chunk{{ID: 1, Off: 1000, Len: 1000, Size: 2001}}},
				{Chunks: []Chunk{{ID: 1, Off: 2000, Len: 1, Size: 2001}}}}},
		"a sparse file at once": {
			[]File{{ID: 1, Size: 5000, Sparse: true}},
			[]Unit{{Chunks: []Chunk{{ID: 1, Len: 5000, Size: 5000, Sparse: true}}}}},
		"only what is missing": {
			[]File{{ID: 1, Size: 5000, Missing: []Range{{Off: 100, Len: 50}, {Off: 1500, Len: 1200}}}},
			[]Unit{
				{Chunks: []Chunk{{ID: 1, Off: 100, Len: 50, Size: 5000}}},
				{Chunks: []Chunk{{ID: 1, Off: 1500, Len: 1000, Size: 5000}}},
				{Chunks: []Chunk{{ID: 1, Off: 2500, Len: 200, Size: 5000}}}}},
		"what is missing of a sparse file": {
			[]File{{ID: 1, Size: 5000, Sparse: true, Missing: []Range{{Off: 100, Len: 4000}}}},
			[]Unit{{Chunks: []Chunk{{ID: 1, Off: 100, Len: 4000, Size: 5000, Sparse: true}}}}},
		"large and small in turns": {
			[]File{{ID: 1, Size: 2000}, {ID: 2, Size: 900}, {ID: 3, Size: 900}},
			[]Unit{
				{Chunks: []Chunk{{ID: 1, Len: 1000, Size: 2000}}}, {Chunks: []Chunk{whole(2, 900)}},
				{Chunks: []Chunk{{ID: 1, Off: 1000, Len: 1000, Size: 2000}}}, {Chunks: []Chunk{whole(3, 900)}}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := New(Config{SlotSize: testSlot, MaxChunks: 4})
			for _, f := range tt.files {
				p.Add(f)
			}
			if diff := cmp.Diff(tt.want, units(p)); diff != "" {
				t.Errorf("units (-want +got):\n%s", diff)
			}
			if !p.Empty() {
				t.Error("not empty after the last unit")
			}
		})
	}
}

// Who wants less than a slot gets it: of ranges, of small files; but no half of a small file.
func TestUnitsAreCutToTheRoomThereIs(t *testing.T) {
	p := New(Config{SlotSize: testSlot, MaxChunks: 4})
	p.Add(File{ID: 1, Size: 1500})
	p.Add(File{ID: 2, Size: 200})
	p.Add(File{ID: 3, Size: 900})
	for i, want := range []struct {
		room int
		unit []Chunk
		left Left
	}{
		{300, []Chunk{{ID: 1, Len: 300, Size: 1500}}, Left{2300, 3}},
		{300, []Chunk{{ID: 2, Len: 200, Size: 200}}, Left{2100, 2}},
		{300, []Chunk{{ID: 1, Off: 300, Len: 300, Size: 1500}}, Left{1800, 2}},
		{2000, []Chunk{{ID: 3, Len: 900, Size: 900}}, Left{900, 1}},
		{899, []Chunk{{ID: 1, Off: 600, Len: 899, Size: 1500}}, Left{1, 1}},
		{899, []Chunk{{ID: 1, Off: 1499, Len: 1, Size: 1500}}, Left{}},
	} {
		u, ok := p.NextWithin(want.room)
		if diff := cmp.Diff(want.unit, u.Chunks); !ok || diff != "" || p.Left() != want.left || (u.Room == want.room) != (want.room < testSlot) {
			t.Errorf("%d: %v, room %d, %+v left (-want +got):\n%s", i, ok, u.Room, p.Left(), diff)
		}
	}
	p.GiveBack(Chunk{ID: 3, Len: 900, Size: 900})
	if u, ok := p.NextWithin(899); ok {
		t.Errorf("half of a small file: %+v", u)
	}
	p.GiveBack(Chunk{ID: 1, Off: 100, Len: 900, Size: 1500})
	if u, ok := p.NextWithin(400); !ok || u.Chunks[0].Off != 100 || u.Chunks[0].Len != 400 || p.Left() != (Left{1400, 2}) {
		t.Errorf("of what was given back: %+v, %+v left", u, p.Left())
	}
}

func TestLargeFilesTakeTurns(t *testing.T) {
	p := New(Config{SlotSize: testSlot, MaxChunks: 4, Files: 2})
	for id, size := range []int64{3000, 1500, 2000, 1001} {
		p.Add(File{ID: uint64(id + 1), Size: size})
	}
	var got [][2]int64
	for _, u := range units(p) {
		got = append(got, [2]int64{int64(u.Chunks[0].ID), u.Chunks[0].Off})
	}
	want := [][2]int64{{1, 0}, {2, 0}, {1, 1000}, {2, 1000}, {3, 0}, {1, 2000}, {3, 1000}, {4, 0}, {4, 1000}}
	if diff := cmp.Diff(want, got); diff != "" || !p.Empty() {
		t.Errorf("ID and offset (-want +got):\n%s", diff)
	}
}

func TestGivenBackComesFirst(t *testing.T) {
	p := New(Config{SlotSize: testSlot, MaxChunks: 4})
	p.Add(File{ID: 1, Size: 5000, Sparse: true})
	p.Add(File{ID: 2, Size: 5})
	u, _ := p.Next()
	rest := u.Chunks[0]
	rest.Off, rest.Len = 4000, 1000
	p.GiveBack(rest)
	u, ok := p.Next()
	if diff := cmp.Diff([]Chunk{rest}, u.Chunks); !ok || diff != "" {
		t.Errorf("after GiveBack (-want +got):\n%s", diff)
	}
}

// FuzzPlan lets random files and random takers that give parts back meet the
// promises of the package: every byte exactly once, units within their bounds,
// the same answers to the same calls.
func FuzzPlan(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(seed, 1+int(seed)*97, 1+int(seed))
	}
	f.Fuzz(func(t *testing.T, seed uint64, slot, maxChunks int) {
		cfg := Config{SlotSize: 1 + abs(slot)%5000, MaxChunks: 1 + abs(maxChunks)%64, Files: int(seed % 5)}
		a, b := play(t, seed, cfg), play(t, seed, cfg)
		if diff := cmp.Diff(a, b); diff != "" {
			t.Errorf("two equal runs differ:\n%s", diff)
		}
	})
}

func abs(n int) int {
	if n < 0 {
		return -(n + 1)
	}
	return n
}

func play(t *testing.T, seed uint64, cfg Config) []Unit {
	rng := rand.New(rand.NewPCG(seed, 1))
	p := New(cfg)
	sizes := map[uint64]int64{}
	seen := map[uint64]map[int64]int{} // file -> offset -> times; offset -1 stands for an empty file
	var all []Unit
	add := func() {
		id := uint64(len(sizes) + 1)
		size := rng.Int64N(int64(cfg.SlotSize)*[]int64{1, 4}[rng.IntN(2)] + 1)
		sizes[id], seen[id] = size, map[int64]int{}
		p.Add(File{ID: id, Size: size, Sparse: rng.IntN(4) == 0})
	}
	for range 20 {
		add()
	}
	for {
		room := cfg.SlotSize
		if rng.IntN(2) == 0 {
			room = 1 + rng.IntN(cfg.SlotSize)
		}
		before := p.Left()
		u, ok := p.NextWithin(room)
		if !ok && room < cfg.SlotSize && !p.Empty() {
			continue // another has the room
		}
		if !ok {
			break
		}
		all = append(all, u)
		small := cfg
		small.SlotSize = room
		checkUnit(t, small, u)
		if got := p.Left().Bytes + bytesOf(u); got != before.Bytes {
			t.Fatalf("%d bytes were left, and then with the unit %d", before.Bytes, got)
		}
		for _, c := range u.Chunks {
			carry(t, rng, p, c, sizes, seen[c.ID])
		}
		if rng.IntN(3) == 0 && len(sizes) < 40 {
			add()
		}
	}
	if p.Left() != (Left{}) {
		t.Errorf("left in the end: %+v", p.Left())
	}
	for id, size := range sizes {
		checkOnce(t, id, size, seen[id])
	}
	return all
}

func bytesOf(u Unit) (n int64) {
	for _, c := range u.Chunks {
		n += c.Len
	}
	return n
}

func checkUnit(t *testing.T, cfg Config, u Unit) {
	t.Helper()
	if n := len(u.Chunks); n < 1 || n > cfg.MaxChunks {
		t.Fatalf("unit of %d chunks, at most %d allowed", n, cfg.MaxChunks)
	}
	var total int64
	for _, c := range u.Chunks {
		total += c.Len
	}
	if total > int64(cfg.SlotSize) && !(len(u.Chunks) == 1 && u.Chunks[0].Sparse) {
		t.Fatalf("unit of %d bytes in a slot of %d", total, cfg.SlotSize)
	}
}

// carry takes a chunk as a stream would: now and then only its first part.
func carry(t *testing.T, rng *rand.Rand, p *Plan, c Chunk, sizes map[uint64]int64, seen map[int64]int) {
	t.Helper()
	if c.Size != sizes[c.ID] || c.Off < 0 || c.Off+c.Len > c.Size || c.Len == 0 && c.Size > 0 {
		t.Fatalf("chunk %+v of a file of %d bytes", c, sizes[c.ID])
	}
	if c.Len > 1 && rng.IntN(3) == 0 {
		rest := c
		c.Len = 1 + rng.Int64N(c.Len-1)
		rest.Off += c.Len
		rest.Len -= c.Len
		p.GiveBack(rest)
	}
	if c.Size == 0 {
		seen[-1]++
	}
	for off := c.Off; off < c.Off+c.Len; off++ {
		seen[off]++
	}
}

func checkOnce(t *testing.T, id uint64, size int64, seen map[int64]int) {
	t.Helper()
	if size == 0 && (len(seen) != 1 || seen[-1] != 1) {
		t.Errorf("empty file %d handed out %d times", id, seen[-1])
	}
	if size > 0 && int64(len(seen)) != size {
		t.Errorf("file %d: %d of %d bytes handed out", id, len(seen), size)
	}
	for off, n := range seen {
		if n != 1 {
			t.Errorf("file %d: byte %d handed out %d times", id, off, n)
		}
	}
}

func TestAGradualFileIsHandedOutAsFarAsItMayBe(t *testing.T) {
	p := New(Config{SlotSize: testSlot, MaxChunks: 4})
	c := func(off, n, size int64) []Unit {
		return []Unit{{Chunks: []Chunk{{ID: 1, Off: off, Len: n, Size: size}}}}
	}
	steps := []struct {
		name string
		do   func()
		want []Unit
	}{
		{"nothing at first", func() { p.AddGradual(1, 0, Unknown) }, nil},
		{"not what fills no slot", func() { p.Extend(1, 999) }, nil},
		{"what does", func() { p.Extend(1, 1001) }, c(0, 1000, Unknown)},
		{"not less than before", func() { p.Extend(1, 5) }, nil},
		{"exactly a slot", func() { p.Extend(1, 2000) }, c(1000, 1000, Unknown)},
		{"the end, of which nothing is left", func() { p.End(1, 2000) }, c(2000, 0, 2000)},
		{"nothing after the end", func() { p.Extend(1, 9000) }, nil},
		{"an empty one at once", func() { p.AddGradual(1, 0, 0) }, c(0, 0, 0)},
		{"nothing of one of known size", func() { p.AddGradual(1, 500, 1700) }, nil},
		{"a range of it", func() { p.Extend(1, 1600) }, c(500, 1000, 1700)},
		{"its end, and no more", func() { p.Extend(1, 5000) }, c(1500, 200, 1700)},
	}
	for _, s := range steps {
		s.do()
		if empty := p.Empty(); empty != (s.want == nil) {
			t.Errorf("%s: empty %v", s.name, empty)
		}
		if diff := cmp.Diff(s.want, units(p)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", s.name, diff)
		}
	}
}

// FuzzGradual: whatever is extended and given back, and when, every byte before the limit is
// handed out once, in order but for what was given back, and none behind it.
func FuzzGradual(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(seed, 1+int(seed)*97)
	}
	f.Fuzz(func(t *testing.T, seed uint64, slot int) {
		rng, cfg := rand.New(rand.NewPCG(seed, 2)), Config{SlotSize: 1 + abs(slot)%5000, MaxChunks: 4}
		p, size := New(cfg), rng.Int64N(20*int64(cfg.SlotSize))
		known := rng.IntN(2) == 0
		told := int64(Unknown)
		if known {
			told = size
		}
		p.AddGradual(1, 0, told)
		limit, at, seen := int64(0), int64(0), map[int64]int{}
		for done := false; !done; {
			limit = min(limit+rng.Int64N(3*int64(cfg.SlotSize)), size)
			p.Extend(1, limit)
			if done = limit == size; done && !known {
				p.End(1, size)
			}
			for u, ok := p.Next(); ok; u, ok = p.Next() {
				checkUnit(t, cfg, u)
				c := u.Chunks[0]
				if c.Off+c.Len > limit || c.Off > at {
					t.Fatalf("%+v, of which %d may be handed out and %d were", c, limit, at)
				}
				at = max(at, c.Off+c.Len)
				if rng.IntN(4) == 0 && seen[c.Off] == 0 && c.Len > 0 {
					seen[c.Off]-- // it comes once more
					p.GiveBack(c)
				}
				for off := c.Off; off < c.Off+c.Len; off += max(c.Len, 1) {
					seen[off]++
				}
			}
		}
		for off, n := range seen {
			if n != 1 {
				t.Errorf("the range at %d came %d times", off, n)
			}
		}
		if at != size || !p.Empty() {
			t.Errorf("%d bytes of %d, empty %v", at, size, p.Empty())
		}
	})
}

func TestMemoryFollowsWhatWaits(t *testing.T) {
	p := New(Config{SlotSize: testSlot, MaxChunks: 4})
	for i := range uint64(100_000) {
		p.Add(File{ID: i, Size: 10})
		if i%4 == 3 {
			p.Next()
		}
	}
	if n := cap(p.small.items); n > 64 {
		t.Errorf("line of %d places after 100000 files that never waited", n)
	}
}
