package localfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// aligned is memory as slots have it.
func aligned(t testing.TB, n int) []byte {
	t.Helper()
	mem, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(mem) })
	return mem
}

// forget drops a file from the page cache.
func forget(t testing.TB, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := errors.Join(f.Sync(), unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)); err != nil {
		t.Fatal(err)
	}
}

// opened is a file of a source that reads in one way.
func opened(t testing.TB, path string, how Direct) *sourceFile {
	t.Helper()
	s, err := OpenSource([]string{path}, SourceOptions{Direct: how})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	e, err := s.Next()
	if err != nil {
		t.Fatal(err)
	}
	f, err := s.Open(e)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f.(*sourceFile)
}

func TestEveryWayOfReadingGivesTheSameBytes(t *testing.T) {
	const size = 300<<10 + 77
	want := make([]byte, size)
	rnd := rand.NewChaCha8([32]byte{1})
	_, _ = rnd.Read(want)
	n := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // not a secret
	mem := aligned(t, 512<<10)
	for where, dir := range places(t) {
		path := filepath.Join(dir, "file")
		must(t, os.WriteFile(path, want, 0o600))
		for _, how := range []Direct{DirectAuto, DirectCold, DirectAlways, DirectNever} {
			for _, state := range []string{"cached", "not cached", "half"} {
				forget(t, path)
				f := opened(t, path, how)
				switch state {
				case "cached":
					_, err := os.ReadFile(path)
					must(t, err)
				case "half":
					_, err := unix.Pread(f.fd, make([]byte, 100<<10), 5000)
					must(t, err)
				}
				for range 40 {
					off, at := n.Int64N(size), n.IntN(8192)
					if n.IntN(2) == 0 {
						off, at = off&^4095, at&^4095
					}
					p := mem[at : at+int(min(n.Int64N(200<<10), size-off))]
					if n.IntN(2) == 0 {
						p = p[:len(p):len(p)] // no room behind
					}
					clear(mem)
					must(t, f.ReadAt(p, off))
					if !bytes.Equal(p, want[off:off+int64(len(p))]) {
						t.Fatalf("%s, %s, way %d: %d bytes at %d into %d differ", where, state, how, len(p), off, at)
					}
					if !bytes.Equal(mem[:at], make([]byte, at)) {
						t.Fatal("written before the memory that was given")
					}
					if behind := mem[at+len(p):]; len(p) == cap(p) && !bytes.Equal(behind, make([]byte, len(behind))) {
						t.Fatal("written behind memory that has no room")
					}
				}
			}
		}
	}
}

// What is read straight from the device leaves the page cache as it was. A disk that is quick
// enough answers who asks the cache in passing, and then the cache is read; and what it fetches
// for that just now can't be forgotten. So not every try counts.
func TestDirectReadsLeaveTheCacheAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(path, make([]byte, 1<<20+100), 0o600))
	mem := aligned(t, 2<<20)
	for how, want := range map[Direct]bool{DirectLocal: false, DirectCold: false, DirectAlways: false, DirectNever: true} {
		for tries := 1; ; tries++ {
			there := cachedAfter(t, path, how, mem)
			// Asking in passing has fetched the page that was asked for.
			if want && there == 16 || !want && there <= 1 {
				break
			}
			if tries == 200 {
				t.Fatalf("way %d: %d of 16 ranges are in the cache", how, there)
			}
		}
	}
}

// cachedAfter says how much of the first MiB is in the cache once a file that was not was read.
func cachedAfter(t *testing.T, path string, how Direct, mem []byte) (ranges int) {
	t.Helper()
	forget(t, path)
	f := opened(t, path, how)
	if f.direct.open() < 0 {
		t.Fatal("no O_DIRECT on the disk of this test: set TMPDIR to one that has it")
	}
	must(t, f.ReadAt(mem[:1<<20+100], 0))
	for off := int64(0); off < 1<<20; off += 64 << 10 {
		if f.direct.cached(off) {
			ranges++
		}
	}
	return ranges
}

// Whoever sends without a copy says so, and means files that are opened later.
func TestDirectIsPreferredOnRequest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(path, make([]byte, 8192), 0o600))
	s, err := OpenSource([]string{path}, SourceOptions{})
	must(t, err)
	defer s.Close()
	e, err := s.Next()
	must(t, err)
	for _, want := range []Direct{DirectLocal, DirectCold} {
		f, err := s.Open(e)
		must(t, err)
		if got := f.(*sourceFile).direct.mode; got != want {
			t.Errorf("way %d, want %d", got, want)
		}
		must(t, f.Close())
		s.PreferDirect()
	}
}

func TestAFileThatGotShorterIsAChangeInEveryWay(t *testing.T) {
	mem := aligned(t, 1<<20)
	for where, dir := range places(t) {
		for _, how := range []Direct{DirectAuto, DirectCold, DirectAlways, DirectNever} {
			for _, left := range []int64{0, 4096, 5000, 100 << 10} {
				path := filepath.Join(dir, "file")
				must(t, os.WriteFile(path, make([]byte, 200<<10), 0o600))
				f := opened(t, path, how)
				must(t, os.Truncate(path, left))
				forget(t, path)
				if err := f.ReadAt(mem[:200<<10], 0); !errors.Is(err, ErrChanged) {
					t.Errorf("%s, way %d, %d left: %v", where, how, left, err)
				}
			}
		}
	}
}

// BenchmarkColdRead reads a file of 512 MiB that is not in the page cache, by
// MiB into slots.
func BenchmarkColdRead(b *testing.B) {
	const size = 512 << 20
	path := filepath.Join(b.TempDir(), "file")
	f, err := os.Create(path)
	must(b, err)
	_, err = io.CopyN(f, rand.NewChaCha8([32]byte{2}), size)
	must(b, errors.Join(err, f.Close()))
	for _, how := range []Direct{DirectNever, DirectCold, DirectAlways} {
		for _, workers := range []int64{1, 2, 4} {
			b.Run(fmt.Sprintf("way %d with %d workers", how, workers), func(b *testing.B) {
				b.SetBytes(size)
				for b.Loop() {
					b.StopTimer()
					forget(b, path)
					f := opened(b, path, how)
					b.StartTimer()
					done := make(chan error)
					for w := range workers {
						mem := aligned(b, 1<<20)
						go func() {
							var err error
							for off := w << 20; off < size && err == nil; off += workers << 20 {
								err = f.ReadAt(mem, off)
							}
							done <- err
						}()
					}
					for range workers {
						must(b, <-done)
					}
				}
			})
		}
	}
}

// What a network's file system does without its cache is for nobody to know.
func TestOnlyLocalDisksAreReadWithoutTheCacheUnasked(t *testing.T) {
	for kind, want := range map[int64]bool{
		unix.EXT4_SUPER_MAGIC: true, unix.XFS_SUPER_MAGIC: true, unix.BTRFS_SUPER_MAGIC: true, unix.OVERLAYFS_SUPER_MAGIC: true,
		unix.NFS_SUPER_MAGIC: false, unix.FUSE_SUPER_MAGIC: false, unix.SMB2_SUPER_MAGIC: false, unix.TMPFS_MAGIC: false, 0: false,
	} {
		if localDisk(kind) != want {
			t.Errorf("file system %#x is one of a local disk: %v", kind, !want)
		}
	}
	path := filepath.Join("/dev/shm", filepath.Base(t.TempDir()))
	must(t, os.WriteFile(path, make([]byte, 8192), 0o600))
	defer os.Remove(path)
	if f := opened(t, path, DirectLocal); f.direct.open() >= 0 {
		t.Error("memory was opened as a disk is")
	}
}
