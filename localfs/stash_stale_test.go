package localfs

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The stash of a session that was killed goes with the next session that needs one; that
// of a session which runs, one made just now and what only looks like one stay.
func TestAStashThatWasLeftGoes(t *testing.T) {
	dir := t.TempDir()
	running := begin(t, dir, SinkOptions{})
	must(t, running.PutFile(groupPut(running.base.Dir, "a", "x", 1, false), []byte("x")))
	stale := filepath.Join(dir, ".scp_rdma.0123456789abcdef.links")
	plant(t, stale, map[string]string{"1": "x", "2": "y"})
	other := filepath.Join(dir, ".scp_rdma.0123456789abcdeg.links")
	plant(t, other, map[string]string{"1": "x"})
	made := time.Now()
	eventually(t, "they are old", func() bool { return time.Since(made) > orphanAge })
	young := filepath.Join(dir, ".scp_rdma.aaaabbbbccccdddd.links")
	plant(t, young, map[string]string{"1": "x"})
	next := begin(t, dir, SinkOptions{})
	must(t, next.PutFile(groupPut(next.base.Dir, "c", "x", 1, false), []byte("x")))
	for path, stays := range map[string]bool{stale: false, other: true, young: true} {
		if _, err := os.Lstat(path); (err == nil) != stays {
			t.Errorf("%s: %v", path, err)
		}
	}
	running.mustLink(t, running.base.Dir, "b", 1, true)
	must(t, os.RemoveAll(other))
	must(t, os.RemoveAll(young))
}
