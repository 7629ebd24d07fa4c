package localfs

import (
	"maps"
	"slices"
	"strings"
)

// Only is which paths below a source's arguments are walked: those that were listed, what is
// in those of them that are directories, and the directories on the way.
type Only struct {
	below map[string]*Only
	whole bool // all that is in it
}

// NewOnly makes one of a list of relative paths. A slash at the begin means nothing; ".."
// is an ErrUsage.
func NewOnly(paths []string) (*Only, error) {
	root := &Only{}
	for _, p := range paths {
		at := root
		for name := range strings.SplitSeq(p, "/") {
			switch name {
			case "", ".":
				continue
			case "..":
				return nil, usagef("%s: '..' is not allowed in a list of files", p)
			}
			if at.below == nil {
				at.below = map[string]*Only{}
			}
			if at.below[name] == nil {
				at.below[name] = &Only{}
			}
			at = at.below[name]
		}
		at.whole = true
	}
	return root, nil
}

// names lists what is walked in a directory.
func (o *Only) names() []string { return slices.Sorted(maps.Keys(o.below)) }

// in is what is walked in one of its directories; nil: everything.
func (o *Only) in(name string) *Only {
	if o == nil || o.below[name] == nil || o.below[name].whole {
		return nil
	}
	return o.below[name]
}
