package e2e

import (
	"path/filepath"
	"strings"
	"testing"
)

// Two servers of one user on one directory: what both are to write at once fails at one
// of them, alone, and what has the name is whole.
func TestTwoServersOnOneDirectoryNeverMixAFile(t *testing.T) {
	dir := folder(t, nobody())
	one, two := serve(t, nobody(), dir), serve(t, nobody(), dir)
	s, g := newStage(t), newGate(t, halfway)
	s.add("large", bytesOf(1, 2*halfway), g.act)
	first := one.client(t, nobody(), s.dir+"/.", "in/")
	g.waitReached(t)
	eventually(t, "it is begun", func() bool { return exists(filepath.Join(dir, "in")) && len(hidden(t, dir)) > 0 })
	src := folder(t, nobody())
	write(t, filepath.Join(src, "large"), bytesOf(2, 12<<20))
	write(t, filepath.Join(src, "small"), []byte("small"))
	r := two.send(t, nobody(), src+"/.", "in/")
	r.wants(t, 3)
	r.says(t, "large", "another transfer is writing it")
	if n := strings.Count(r.err, "another transfer"); n != 1 {
		t.Errorf("it is said %d times: %s", n, r.err)
	}
	arrived(t, filepath.Join(dir, "in/small"), []byte("small"))
	g.pass()
	if code := first.wait(t); code != 0 {
		t.Fatalf("the first ends with %d: %s", code, first.err.String())
	}
	arrived(t, filepath.Join(dir, "in/large"), bytesOf(1, 2*halfway))
	nothingHidden(t, dir)
	one.stop(t)
	two.stop(t)
}
