package localfs

import (
	"fmt"
	"os"
	"testing"
)

const benchSize = 4096

func benchDir(b *testing.B) string {
	b.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "localfs") //nolint:usetesting // in a file system of its own choice
	must(b, err)
	b.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// BenchmarkPutFile makes files of 4 KiB on tmpfs, in each way.
func BenchmarkPutFile(b *testing.B) {
	for name, how := range map[string]method{"link": methodLink, "proc link": methodProcLink, "rename": methodRename} {
		b.Run(name, func(b *testing.B) {
			r, err := OpenRoot(benchDir(b), false)
			must(b, err)
			defer r.Close()
			s := r.Sink(SinkOptions{})
			defer s.Close()
			base, err := s.Resolve(Target{Tops: 1})
			must(b, err)
			must(b, s.within(base.Dir, "x", func(int) error { return nil }))
			s.deviceOf(base.Dir).how = how
			data := make([]byte, benchSize)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				p := Put{Dir: base.Dir, Name: fmt.Sprint(i), Size: benchSize, Meta: Meta{Mode: 0o644}}
				must(b, s.PutFile(p, data))
			}
		})
	}
}

// benchTree is n files of 4 KiB in one directory of tmpfs.
func benchTree(b *testing.B, n int) *Source {
	b.Helper()
	dir := benchDir(b)
	for i := range n {
		must(b, os.WriteFile(fmt.Sprintf("%s/%d", dir, i), make([]byte, benchSize), 0o644))
	}
	s, err := OpenSource([]string{dir}, SourceOptions{})
	must(b, err)
	b.Cleanup(func() { s.Close() })
	return s
}

// BenchmarkReadFile reads a file of 4 KiB on tmpfs.
func BenchmarkReadFile(b *testing.B) {
	s := benchTree(b, 1)
	_, err := s.Next()
	must(b, err)
	e, err := s.Next()
	must(b, err)
	p := make([]byte, benchSize)
	b.ReportAllocs()
	for b.Loop() {
		must(b, s.ReadFile(e, p))
	}
}

// BenchmarkNext walks files of one directory on tmpfs.
func BenchmarkNext(b *testing.B) {
	s := benchTree(b, 5000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Next(); err != nil {
			s.left = s.tops // once more
		}
	}
}
