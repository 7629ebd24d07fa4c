package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"scp_rdma/localfs"
)

const (
	// maxShown: problems of one kind that are told one by one.
	maxShown = 100
	// maxKinds bounds the kinds that are told apart: texts come from the peer too.
	maxKinds  = 64
	otherKind = "other reasons"
)

// tally counts problems by kind.
type tally map[string]uint64

// add counts one more problem and gives its number within its kind.
func (t tally) add(kind string) (counted string, n uint64) {
	if _, ok := t[kind]; !ok && len(t) >= maxKinds {
		kind = otherKind
	}
	t[kind]++
	return kind, t[kind]
}

func (t tally) total() uint64 {
	var n uint64
	for _, k := range t {
		n += k
	}
	return n
}

// kinds lists the kinds, the most frequent first.
func (t tally) kinds() []string {
	return slices.SortedFunc(maps.Keys(t), func(a, b string) int {
		return cmp.Or(cmp.Compare(t[b], t[a]), strings.Compare(a, b))
	})
}

// String is the counts in words: "3 permission denied, 1 changed while being read".
func (t tally) String() string {
	var list []string
	for _, kind := range t.kinds() {
		list = append(list, fmt.Sprintf("%d %s", t[kind], kind))
	}
	return strings.Join(list, ", ")
}

// kindOf is what problems have in common: the last cause.
func kindOf(err error) string {
	if errors.Is(err, localfs.ErrChanged) {
		return localfs.ErrChanged.Error()
	}
	text := err.Error()
	if i := strings.LastIndex(text, ": "); i >= 0 {
		text = text[i+len(": "):]
	}
	return quote(text)
}

// skippedWords is the counts of skipped entries in words: "2 fifos, 1 socket".
func skippedWords(t tally) string {
	var list []string
	for _, kind := range t.kinds() {
		switch kind {
		case "fifo", "socket", "character device", "block device":
			list = append(list, plural(t[kind], kind, kind+"s"))
		default:
			list = append(list, fmt.Sprintf("%d (%s)", t[kind], kind))
		}
	}
	return strings.Join(list, ", ")
}
