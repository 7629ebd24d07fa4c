package transport

import "testing"

func TestMemoryGoesWithTheLastHolder(t *testing.T) {
	for name, make := range map[string]func(int) (*Slab, error){"plain": NewSlab, "huge": NewHugeSlab} {
		for _, n := range []int{1, 4096, hugePage, hugePage + 4097} {
			s, err := make(n)
			if err != nil {
				t.Fatal(err)
			}
			if b := s.Bytes(); len(b) != n || cap(b) != n {
				t.Fatalf("%s: %d bytes of %d", name, len(b), n)
			}
			s.Bytes()[n-1] = 1
			s.Lend(3)
			s.Lend(3) // is in somebody's hands: counts once
			if !s.Hold() {
				t.Error("no hold on memory that is there")
			}
			s.Drop()
			s.Drop() // the first holder
			if s.Bytes() == nil {
				t.Error("gone while a slot is lent")
			}
			if s.Back(4) || !s.Back(3) || s.Back(3) {
				t.Error("lent slots aren't known")
			}
			if s.Bytes() != nil || s.Hold() {
				t.Error("there after the last holder")
			}
			if s.Lend(1); s.Back(1) {
				t.Error("lent what is gone")
			}
		}
	}
}
