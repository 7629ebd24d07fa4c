package localfs

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/go-hclog"
)

// FuzzLinks plays random meetings against a map: whatever lies in memory and
// whatever in the file, the answers are the same.
func FuzzLinks(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(seed, uint8(seed*5), uint16(50+seed*300))
	}
	f.Fuzz(func(t *testing.T, seed uint64, limit uint8, steps uint16) {
		table := newLinkTable(int(limit)%20, hclog.NewNullLogger())
		defer table.close()
		if table.max%2 == 0 { // a small file that must grow
			var err error
			table.spill, err = newSpill(1)
			must(t, err)
		}
		playLinks(t, rand.New(rand.NewPCG(seed, 7)), table, int(steps)%4000)
	})
}

func playLinks(t *testing.T, rng *rand.Rand, table *linkTable, steps int) {
	model := map[FileID]linkRecord{}
	var last uint64
	for range steps {
		id := FileID{Dev: rng.Uint64N(3), Ino: rng.Uint64N(500)}
		nlink := 2 + id.Ino%4
		r, known := model[id]
		if !known {
			last++
			r = linkRecord{number: last, left: nlink}
		}
		r.left--
		model[id] = r
		if r.left == 0 {
			delete(model, id)
		}
		want := linkGroup{number: r.number, first: !known, last: r.left == 0}
		got, err := table.meet(id, nlink)
		must(t, err)
		if got != want {
			t.Fatalf("inode %v: %+v, want %+v", id, got, want)
		}
		if len(table.mem) > table.max {
			t.Fatalf("%d groups in memory, %d allowed", len(table.mem), table.max)
		}
	}
}

func TestManyGroupsComeAndGoInASmallFile(t *testing.T) {
	sp, err := newSpill(1)
	must(t, err)
	defer sp.close()
	for i := range uint64(2000) {
		id := FileID{Dev: 1, Ino: i}
		must(t, sp.put(id, linkRecord{number: i + 1, left: 1}))
		if r, ok, err := sp.take(id); !ok || err != nil || r.number != i+1 {
			t.Fatalf("inode %d: %v %v %v", i, r, ok, err)
		}
	}
	if sp.pages != 1 {
		t.Errorf("%d pages for one group at a time", sp.pages)
	}
}

func TestABrokenSpillCostsOnlyTheLinks(t *testing.T) {
	table := newLinkTable(1, hclog.NewNullLogger())
	id := func(i uint64) FileID { return FileID{1, i} }
	for i := range uint64(3) {
		if _, err := table.meet(id(i), 2); err != nil {
			t.Fatal(err)
		}
	}
	must(t, table.close())
	for range 2 {
		if g, err := table.meet(id(2), 2); err == nil || g.number != 0 {
			t.Errorf("from a broken table: %+v, %v", g, err)
		}
	}
	if _, err := table.meet(id(7), 2); !errors.Is(err, errSpill) {
		t.Errorf("a new group: %v", err)
	}
	if g, err := table.meet(id(0), 2); err != nil || !g.last {
		t.Errorf("what is in memory: %+v, %v", g, err)
	}
}

func TestHardLinksOfAWalk(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, map[string]string{"a": "1", "b": "2", "c": "3", "out/": ""})
	for from, names := range map[string][]string{"a": {"a2", "a3"}, "b": {"out/b2"}} {
		for _, name := range names {
			must(t, os.Link(filepath.Join(dir, from), filepath.Join(dir, name)))
		}
	}
	must(t, os.Link(filepath.Join(dir, "b"), filepath.Join(t.TempDir(), "elsewhere")))
	for _, limit := range []int{0, 1, 100} {
		s, err := openSource([]string{dir + "/."}, SourceOptions{}, maxHandles, limit)
		must(t, err)
		met, first, last := map[uint64]int{}, 0, 0
		for _, e := range walkAll(t, s) {
			if e.Group != 0 {
				met[e.Group]++
			}
			if e.GroupFirst {
				first++
			}
			if e.GroupLast {
				last++
			}
		}
		if len(met) != 2 || met[1]+met[2] != 5 || first != 2 || last != 1 {
			t.Errorf("limit %d: groups %v, %d first, %d last", limit, met, first, last)
		}
		must(t, s.Close())
	}
}

func TestAFileReplacedIsNoLongerOfItsGroup(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, map[string]string{"f": "1"})
	path := filepath.Join(dir, "f")
	must(t, os.Link(path, filepath.Join(dir, "g")))
	s, err := OpenSource([]string{path}, SourceOptions{})
	must(t, err)
	defer s.Close()
	e, err := s.Next()
	must(t, err)
	must(t, os.Truncate(path, 0))
	if now, err := s.Restat(e); err != nil || now.Group != 1 || !now.GroupFirst {
		t.Errorf("changed: %+v, %v", now, err)
	}
	must(t, replaceBy("2")(t, path))
	if now, err := s.Restat(e); err != nil || now.Group != 0 || now.GroupFirst {
		t.Errorf("replaced: %+v, %v", now, err)
	}
}
