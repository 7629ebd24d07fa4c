package tree

import (
	"maps"
	"strings"

	"golang.org/x/sys/unix"
)

// Growing has Compare ask whether what the second tree has so far is right, while it
// is still being made: names may be missing, directories have no mode and time yet.
// Files and symlinks that have their names must be right in everything.
//
// One Growing is for one pair of trees. A file that was found right, and that lstat(2)
// shows not to have been touched since, is not read again.
type Growing struct {
	Hidden string // names that begin so may be there; those that the first tree has are compared

	right, fresh map[string]stamp // by path; fresh are those of this run
	Read         int              // files read by the last Compare
}

// stamp tells one state of a file from another. Whatever is done to it changes the ctime.
type stamp struct {
	ino          uint64
	size         int64
	mtime, ctime unix.Timespec
}

// begin starts a run.
func (g *Growing) begin() {
	if g != nil {
		g.fresh, g.Read = map[string]stamp{}, 0
	}
}

// end remembers what a run without differences has found right.
func (g *Growing) end(ok bool) {
	if g == nil || !ok {
		return
	}
	if g.right == nil {
		g.right = map[string]stamp{}
	}
	maps.Copy(g.right, g.fresh)
}

// known says whether the file was found right before.
func (g *Growing) known(b place, path string) bool {
	if g == nil {
		return false
	}
	now := stamp{b.st.Ino, b.st.Size, b.st.Mtim, b.st.Ctim}
	if g.right[path] == now {
		return true
	}
	g.fresh[path] = now
	g.Read++
	return false
}

// mayLack says whether names of the first tree may be missing in the second.
func (g *Growing) mayLack() bool { return g != nil }

// mayHave says whether the second tree may have a name that the first hasn't.
func (g *Growing) mayHave(name string) bool {
	return g != nil && g.Hidden != "" && strings.HasPrefix(name, g.Hidden)
}
