package localfs

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// With Fsync a file is on the disk before it has its name, a directory with all its
// names when it is finished, and the target at the end; without, nothing is asked for.
func TestFsyncComesBeforeTheName(t *testing.T) {
	if !onFuse(t) {
		return
	}
	for _, on := range []bool{false, true} {
		f := &foldFS{}
		r, err := OpenRoot(mountFoldFS(t, f), false)
		must(t, err)
		s := r.Sink(SinkOptions{Fsync: on})
		b, err := s.Resolve(Target{Contents: true})
		must(t, err)
		d, err := s.Mkdir(b.Dir, "d")
		must(t, err)
		must(t, s.PutFile(Put{Dir: d, Name: "whole", Size: 3, Meta: Meta{Mode: 0o644}}, []byte("abc")))
		p, err := s.CreateFile(Put{Dir: d, Name: "pieces", Size: 5, Meta: Meta{Mode: 0o644}})
		must(t, err)
		must(t, p.WriteAt([]byte("abcde"), 0))
		must(t, p.Commit())
		must(t, s.FinishDir(d, Meta{Mode: 0o755}))
		must(t, s.Sync())
		must(t, s.Close())
		must(t, r.Close())
		var want []string
		for _, op := range []string{"fsync file of 3", "rename to whole", "fsync file of 5", "rename to pieces", "fsync directory of 2", "fsync directory of 1"} {
			if on || op[0] == 'r' {
				want = append(want, op)
			}
		}
		f.mu.Lock()
		if diff := cmp.Diff(want, f.ops); diff != "" {
			t.Errorf("Fsync %v (-want +got):\n%s", on, diff)
		}
		f.mu.Unlock()
	}
}
