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

// total is how many bytes are in the set.
func (r *ranges) total() (n int64) {
	for _, s := range r.list {
		n += s.to - s.from
	}
	return n
}

// remove takes [from, to) out of the set.
func (r *ranges) remove(from, to int64) {
	if from >= to {
		return
	}
	var left []span
	for _, s := range r.list {
		if s.from < from {
			left = append(left, span{s.from, min(s.to, from)})
		}
		if s.to > to {
			left = append(left, span{max(s.from, to), s.to})
		}
	}
	r.list = left
}

// start is how far the set reaches from 0 on without a gap.
func (r *ranges) start() int64 {
	if len(r.list) > 0 && r.list[0].from == 0 {
		return r.list[0].to
	}
	return 0
}

// touches says whether a byte of [from, to) is in the set.
func (r *ranges) touches(from, to int64) bool {
	i, _ := slices.BinarySearchFunc(r.list, from+1, func(s span, v int64) int { return cmp.Compare(s.to, v) })
	return i < len(r.list) && r.list[i].from < to && from < to
}

// covers says whether every byte of [0, size) has arrived.
func (r *ranges) covers(size int64) bool {
	return size == 0 || len(r.list) == 1 && r.list[0] == span{0, size}
}

// limit leaves at most n intervals, the longest, and some bytes before the size that
// are not in the set. Those that are left out are only sent once more.
func (r *ranges) limit(size int64, n int) {
	if r.covers(size) && len(r.list) > 0 {
		last := &r.list[len(r.list)-1]
		last.to -= min(last.to-last.from, leftOver)
		if last.to == last.from {
			r.list = r.list[:len(r.list)-1]
		}
	}
	if len(r.list) <= n {
		return
	}
	slices.SortFunc(r.list, func(a, b span) int { return cmp.Compare(b.to-b.from, a.to-a.from) })
	r.list = r.list[:n]
	slices.SortFunc(r.list, func(a, b span) int { return cmp.Compare(a.from, b.from) })
}

// leftOver is what is sent of a file that has arrived whole, bytes: its last chunk
// brings the word that the source has not changed.
const leftOver = 4096

// missing is what of [0, size) is not in the set.
func (r *ranges) missing(size int64) []span {
	var gaps []span
	at := int64(0)
	for _, s := range r.list {
		if s.from > at {
			gaps = append(gaps, span{at, min(s.from, size)})
		}
		at = max(at, s.to)
	}
	if at < size {
		gaps = append(gaps, span{at, size})
	}
	return gaps
}
