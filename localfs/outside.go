package localfs

import (
	"fmt"
	"strings"
)

// ErrOutside: a symbolic link whose text leads out of the tree it is in.
var ErrOutside = fmt.Errorf("%w: symlink that leads outside", ErrSpecial)

// leadsOutside says whether the text of a symbolic link leads out of a tree in which its
// directory lies so many directories deep. Only the text counts, for what lies there may
// change: ".." behind a name may be anywhere, since the name may be a link as well
// (CVE-2024-12088 of rsync).
func leadsOutside(text string, depth int) bool {
	if strings.HasPrefix(text, "/") {
		return true
	}
	named := false
	for part := range strings.SplitSeq(text, "/") {
		switch part {
		case "", ".":
		case "..":
			if depth--; named || depth < 0 {
				return true
			}
		default:
			named = true
		}
	}
	return false
}

// depth is how many directories lie between a node and the one that all others are below.
func (n *dirNode) depth() int {
	d := 0
	for ; n.parent != nil && !n.holds; n = n.parent {
		d++
	}
	return d
}
