package bench

import (
	"crypto/rand"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"scp_rdma/wire"
)

// BenchmarkBytes is what each step costs that a byte goes through, on one core and in
// pieces of a slot of 1 MiB: what docs/planning.md and bench/model count with. The
// copy alone, of memory that no cache holds, is what a core has to give at most. Time of
// the processor counts, so that other work on the machine disturbs little.
//
//	go test -run '^$' -bench Bytes -benchtime 2s -count 5 ./bench
func BenchmarkBytes(b *testing.B) {
	const slot, all = 1 << 20, 512 << 20
	far := make([]byte, all) // larger than a core's share of any cache
	rand.Read(far)           // never fails
	each := func(b *testing.B, again func(), do func(p []byte, off int64)) {
		spent, n := time.Duration(0), 0
		from := processor(b)
		for ; b.Loop(); n++ {
			off := n * slot % all
			if off == 0 && n > 0 && again != nil {
				spent += processor(b) - from
				again()
				from = processor(b)
			}
			do(far[off:off+slot], int64(off))
		}
		report(b, spent+processor(b)-from, n)
	}
	near := make([]byte, slot)
	b.Run("copy", func(b *testing.B) { each(b, nil, func(p []byte, _ int64) { copy(near, p) }) })
	b.Run("xxh3, cached", func(b *testing.B) { each(b, nil, func([]byte, int64) { wire.Sum(near) }) })
	b.Run("xxh3", func(b *testing.B) { each(b, nil, func(p []byte, _ int64) { wire.Sum(p) }) })
	file := func(b *testing.B) *os.File {
		f, err := os.Create(filepath.Join(folder(b), "file"))
		must(b, err)
		b.Cleanup(func() { must(b, f.Close()) })
		return f
	}
	b.Run("pread", func(b *testing.B) {
		f := file(b)
		_, err := f.Write(far)
		must(b, err)
		each(b, nil, func(_ []byte, off int64) { _, err = f.ReadAt(near, off); must(b, err) })
	})
	b.Run("pwrite, pages that are there", func(b *testing.B) {
		f := file(b)
		_, err := f.Write(far)
		must(b, err)
		each(b, nil, func(p []byte, off int64) { _, err = f.WriteAt(p, off); must(b, err) })
	})
	b.Run("pwrite, new pages", func(b *testing.B) {
		f := file(b)
		each(b, func() { must(b, f.Truncate(0)) }, func(p []byte, off int64) { _, err := f.WriteAt(p, off); must(b, err) })
	})
	b.Run("pread and xxh3: what a sender does", func(b *testing.B) {
		f := file(b)
		_, err := f.Write(far)
		must(b, err)
		each(b, nil, func(_ []byte, off int64) { _, err = f.ReadAt(near, off); must(b, err); wire.Sum(near) })
	})
	b.Run("xxh3 and pwrite, new pages: what a receiver does", func(b *testing.B) {
		f := file(b)
		each(b, func() { must(b, f.Truncate(0)) }, func(p []byte, off int64) { wire.Sum(p); _, err := f.WriteAt(p, off); must(b, err) })
	})
	b.Run("socket", socketBytes)
}

// processor is the time that this process has had of all cores.
func processor(b *testing.B) time.Duration {
	var u unix.Rusage
	must(b, unix.Getrusage(unix.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// report says what n slots of 1 MiB took.
func report(b *testing.B, took time.Duration, n int) {
	b.ReportMetric(float64(n)/1024/took.Seconds(), "GiB/cpu-s")
	b.ReportMetric(0, "ns/op")
}

// socketBytes is a slot through a pair of sockets by one goroutine that writes and
// reads in turns, so that no core does anything beside it.
func socketBytes(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(b, err)
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	must(b, err)
	defer c.Close()
	s, err := l.Accept()
	must(b, err)
	defer s.Close()
	const piece = 64 << 10
	out, in := make([]byte, 1<<20), make([]byte, 1<<20)
	from, n := processor(b), 0
	for ; b.Loop(); n++ {
		for off := 0; off < len(out); off += piece {
			_, err := c.Write(out[off : off+piece])
			must(b, err)
			for k := 0; k < piece; {
				got, err := s.Read(in[off+k : off+piece])
				must(b, err)
				k += got
			}
		}
	}
	report(b, processor(b)-from, n)
}

// BenchmarkWriters is two writers of pieces of a slot, into one file and into a file
// each. File systems let one writer at a time into a file, so the second gives nothing
// to one file. Needs two idle cores: time on the clock counts.
func BenchmarkWriters(b *testing.B) {
	const slot, all = 1 << 20, 256 << 20
	for _, c := range []struct {
		name           string
		writers, files int
	}{{"1 writer", 1, 1}, {"2 writers, 1 file", 2, 1}, {"2 writers, 2 files", 2, 2}} {
		b.Run(c.name, func(b *testing.B) {
			dir := folder(b)
			b.SetBytes(int64(c.writers) * all)
			for b.Loop() {
				b.StopTimer()
				var files []*os.File
				for range c.files {
					f, err := os.CreateTemp(dir, "")
					must(b, err)
					files = append(files, f)
				}
				b.StartTimer()
				var work sync.WaitGroup
				for w := range c.writers {
					p := make([]byte, slot)
					work.Go(func() {
						for off := int64(0); off < all; off += slot {
							if _, err := files[w%c.files].WriteAt(p, off*int64(c.writers)+int64(w)*slot); err != nil {
								b.Error(err)
							}
						}
					})
				}
				work.Wait()
				b.StopTimer()
				for _, f := range files {
					must(b, f.Close())
					must(b, os.Remove(f.Name()))
				}
				b.StartTimer()
			}
		})
	}
}
