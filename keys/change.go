package keys

import (
	"cmp"
	"slices"
)

// Change is what one list of keys has, or has otherwise, that another had not.
type Change struct{ Added, Removed, Changed []Holder }

// None says whether nothing is different.
func (c Change) None() bool { return len(c.Added)+len(c.Removed)+len(c.Changed) == 0 }

// Since says what has changed since an earlier ring: a key with another name, directory, rights
// or quota has changed, and stands there as it is now. All are in the order of their names.
func (r *Ring) Since(earlier *Ring) Change {
	var c Change
	for id, h := range r.byID {
		was, ok := earlier.byID[id]
		switch {
		case !ok:
			c.Added = append(c.Added, h)
		case was != h:
			c.Changed = append(c.Changed, h)
		}
	}
	for id, h := range earlier.byID {
		if _, ok := r.byID[id]; !ok {
			c.Removed = append(c.Removed, h)
		}
	}
	for _, list := range [][]Holder{c.Added, c.Removed, c.Changed} {
		slices.SortFunc(list, func(a, b Holder) int {
			return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Key.ID().String(), b.Key.ID().String()))
		})
	}
	return c
}

// Holders lists who has a key, in the order of their names.
func (r *Ring) Holders() []Holder {
	return r.Since(&Ring{}).Added
}
