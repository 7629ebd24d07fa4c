package engine

import (
	"cmp"
	"slices"
)

// ranges is the set of bytes of a file that have arrived: sorted, disjoint,
// non-adjacent half-open intervals. Pure.
type ranges struct {
	list []span
}

type span struct{ from, to int64 }

// add puts [from, to) into the set. Bytes that were there already stay.
func (r *ranges) add(from, to int64) {
	if from >= to {
		return
	}
	// i: first interval that touches or follows; j: first that lies wholly after.
	i, _ := slices.BinarySearchFunc(r.list, from, func(s span, v int64) int { return cmp.Compare(s.to, v) })
	j := i
	for j < len(r.list) && r.list[j].from <= to {
		from, to = min(from, r.list[j].from), max(to, r.list[j].to)
		j++
	}
	r.list = slices.Replace(r.list, i, j, span{from, to})
}

// covers says whether every byte of [0, size) has arrived.
func (r *ranges) covers(size int64) bool {
	return size == 0 || len(r.list) == 1 && r.list[0] == span{0, size}
}
