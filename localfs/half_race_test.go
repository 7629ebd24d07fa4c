package localfs

import (
	"errors"
	"io/fs"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// Sessions that begin, go on with, keep, discard and commit one file all at once: who
// has it has it alone, and by its name.
func TestManySessionsWantOneFile(t *testing.T) {
	const sessions, rounds = 4, 300
	for place, dir := range places(t) {
		t.Run(place, func(t *testing.T) {
			var holders, commits atomic.Int32
			var wg sync.WaitGroup
			for i := range sessions {
				s := begin(t, dir, SinkOptions{})
				wg.Go(func() {
					for n := range rounds {
						h, err := s.anyHalf(i + n)
						if err != nil {
							if !errors.Is(err, ErrInUse) && !errors.Is(err, fs.ErrNotExist) {
								t.Error(err)
							}
							continue
						}
						if holders.Add(1) != 1 {
							t.Error("two have it")
						}
						var st unix.Stat_t
						if err := unix.Lstat(partOf(s, "f"), &st); err != nil || fileID(&st) != h.ID() {
							t.Errorf("its name is another's: %v", err)
						}
						err = errors.Join(h.WriteAt([]byte("text"), 0), h.Note([]byte("j")))
						holders.Add(-1)
						switch (i + n) % 3 {
						case 0:
							h.Keep()
						case 1:
							h.Discard()
						default:
							err = errors.Join(err, h.Commit())
							commits.Add(1)
						}
						if err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			if commits.Load() == 0 {
				t.Error("never committed")
			}
			if text := picture(t, dir)["f"]; text != "text" {
				t.Errorf("contents %q", text)
			}
		})
	}
}

// anyHalf goes on with the file or begins it anew.
func (s *session) anyHalf(n int) (HalfFile, error) {
	p := filePut(s.base.Dir, "f", "text")
	if n%2 == 0 {
		return s.CreateHalf(p)
	}
	h, _, err := s.OpenHalf(p)
	if errors.Is(err, ErrUnsafe) && errors.Is(err, fs.ErrNotExist) {
		err = fs.ErrNotExist // just begun
	}
	return h, err
}
