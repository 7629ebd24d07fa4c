package engine_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"scp_rdma/engine"
	"scp_rdma/localfs"
)

func TestFilesAreReadBackBeforeTheyGetTheirNames(t *testing.T) {
	for name, kind := range kinds() {
		t.Run(name, func(t *testing.T) {
			k := start(t, kind, remembering(newStateful()))
			dir := sample(t)
			write(t, dir, map[string]string{"huge": random(20 << 20)})
			r, w, err := k.push(contents(t, dir), func(c *engine.SendConfig) { c.Verify, c.NoChecksum = true, name == "mem" })
			if err != nil || r.Failed > 0 || r.Files != 304 || len(w.problems) > 0 {
				t.Fatalf("send: %v, %+v, %v", err, r, w.problems)
			}
			same(t, dir, k.dst)
		})
	}
}

// lying is a disk that gives back other bytes of some files than were written.
type lying struct{ engine.Sink }

type lyingFile struct{ localfs.PendingFile }

func (f lyingFile) ReadAt(p []byte, off int64) error {
	err := f.PendingFile.ReadAt(p, off)
	p[len(p)/2] ^= 4
	return err
}

func (l lying) CreateFile(p localfs.Put) (localfs.PendingFile, error) {
	f, err := l.Sink.CreateFile(p)
	if err != nil || p.Name != "bad" {
		return f, err
	}
	return lyingFile{f}, nil
}

func TestADiskThatLiesIsFound(t *testing.T) {
	k := start(t, func(k *kit) { k.sink = func(s engine.Sink) engine.Sink { return lying{s} } })
	dir := t.TempDir()
	write(t, dir, map[string]string{"good": "contents", "bad": "contents"})
	r, w, err := k.push(contents(t, dir), func(c *engine.SendConfig) { c.Verify = true })
	if err != nil || r.Failed != 1 || r.Unverified != 1 || len(w.problems) != 1 || !strings.Contains(w.problems[0].Err.Error(), "offset 0") {
		t.Errorf("send: %v, %+v, %v", err, r, w.problems)
	}
	if _, err := os.Lstat(filepath.Join(k.dst, "bad")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it got its name: %v", err)
	}
}

// full is a disk that takes so many pieces of large files, and tells at the start that
// it has little room.
type full struct {
	engine.Sink
	room atomic.Int64
}

func (f *full) Free() (uint64, error) { return 10 << 20, nil }

func (f *full) CreateHalf(p localfs.Put) (localfs.HalfFile, error) {
	h, err := f.Sink.CreateHalf(p)
	return &fullHalf{h, f}, err
}

type fullHalf struct {
	localfs.HalfFile
	f *full
}

func (h *fullHalf) WriteAt(p []byte, off int64) error {
	if h.f.room.Add(-1) < 0 {
		return unix.ENOSPC
	}
	return h.HalfFile.WriteAt(p, off)
}

func TestADiskThatFillsUpKeepsWhatHasArrived(t *testing.T) {
	m := newStateful()
	k := start(t, remembering(m))
	dir := t.TempDir()
	write(t, dir, map[string]string{"huge": random(32 << 20)})
	old(t, dir)
	// A sparse file needs nobody knows how little.
	sparse, err := os.Create(filepath.Join(dir, "sparse"))
	must(t, errors.Join(err, sparse.Truncate(1<<30), sparse.Close()))
	old(t, dir)
	roomy := start(t, remembering(m), func(c *kit) {
		c.sink = func(s engine.Sink) engine.Sink { return &full{Sink: s} }
	})
	only := t.TempDir()
	must(t, os.Rename(filepath.Join(dir, "sparse"), filepath.Join(only, "sparse")))
	if _, w, err := roomy.push(contents(t, only)); w.scarce.Load() != 0 {
		t.Errorf("warned of a sparse file: %v", err)
	}
	small := start(t, remembering(m), into(k.dst), func(c *kit) {
		c.key, c.ring, c.left = k.key, k.ring, true
		c.sink = func(s engine.Sink) engine.Sink {
			f := &full{Sink: s}
			f.room.Store(20)
			return f
		}
	})
	_, w, err := small.push(contents(t, dir))
	if err == nil || !strings.Contains(err.Error(), "no space left") || w.scarce.Load() != 1 {
		t.Fatalf("send: %v, warned %d times", err, w.scarce.Load())
	}
	waitOn(t, small.sessions)
	r, w, err := k.push(contents(t, dir))
	if err != nil || r.Resumed < 18<<20 || w.scarce.Load() != 0 {
		t.Fatalf("again: %v, %+v", err, r)
	}
	same(t, dir, k.dst)
}

// Holes are told and kept, also where the half file has something in their place that
// no journal knows.
func TestHolesSurviveThatATransferBreaksOff(t *testing.T) {
	m := newStateful()
	k := start(t, remembering(m))
	dir := t.TempDir()
	path := filepath.Join(dir, "sparse")
	f, err := os.Create(path)
	must(t, err)
	const size = 96 << 20
	must(t, f.Truncate(size))
	text := []byte(random(1 << 20))
	for off := int64(0); off < size; off += 4 << 20 {
		_, err := f.WriteAt(text, off)
		must(t, err)
	}
	must(t, f.Close())
	old(t, dir)
	k.broken(m, dir, 14)
	for _, path := range hidden(t, k.dst) {
		if strings.HasSuffix(path, ".part") {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			must(t, err)
			_, err = f.WriteAt(text, size-2<<20)
			must(t, errors.Join(err, f.Close()))
		}
	}
	r, _, err := k.push(contents(t, dir))
	if err != nil || r.Resumed < 30<<20 {
		t.Fatalf("send: %v, %+v", err, r)
	}
	same(t, dir, k.dst)
	var want, got unix.Stat_t
	must(t, errors.Join(unix.Stat(path, &want), unix.Stat(filepath.Join(k.dst, "sparse"), &got)))
	if got.Blocks > want.Blocks+256 {
		t.Errorf("%d blocks, the source has %d", got.Blocks, want.Blocks)
	}
}

// Names of one inode are names of one inode again, whichever of them is there already.
func TestAGroupOfHardLinksComesOutRightWhateverIsThere(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, dst string){
		"nothing": func(t *testing.T, dst string) {
			must(t, errors.Join(os.Remove(dst+"/a"), os.Remove(dst+"/b"), os.Remove(dst+"/c")))
		},
		"all":         func(*testing.T, string) {},
		"the first":   func(t *testing.T, dst string) { must(t, errors.Join(os.Remove(dst+"/b"), os.Remove(dst+"/c"))) },
		"all but one": func(t *testing.T, dst string) { must(t, os.Remove(dst+"/a")) },
		"files of their own": func(t *testing.T, dst string) {
			must(t, os.Remove(dst+"/b"))
			write(t, dst, map[string]string{"b": "linked"})
			st, err := os.Stat(dst + "/a")
			must(t, errors.Join(err, os.Chtimes(dst+"/b", st.ModTime(), st.ModTime())))
		},
		"a directory": func(t *testing.T, dst string) { must(t, errors.Join(os.Remove(dst+"/a"), os.Mkdir(dst+"/a", 0o755))) },
	} {
		t.Run(name, func(t *testing.T) {
			k := start(t, remembering(newStateful()))
			dir := t.TempDir()
			write(t, dir, map[string]string{"a": "linked", "other": "o"})
			must(t, errors.Join(os.Link(dir+"/a", dir+"/b"), os.Link(dir+"/a", dir+"/c")))
			old(t, dir)
			if _, _, err := k.push(contents(t, dir)); err != nil {
				t.Fatal(err)
			}
			change(t, k.dst)
			r, _, err := k.push(contents(t, dir))
			if err != nil || r.Skipped+r.Files+r.Links+r.Failed != 4 || (r.Failed == 1) != (name == "a directory") {
				t.Fatalf("send: %v, %+v", err, r)
			}
			var st [3]unix.Stat_t
			for i, n := range []string{"/a", "/b", "/c"} {
				must(t, unix.Stat(k.dst+n, &st[i]))
			}
			if st[1].Ino != st[2].Ino || (st[0].Ino != st[1].Ino) != (name == "a directory") {
				t.Errorf("inodes %d, %d, %d", st[0].Ino, st[1].Ino, st[2].Ino)
			}
		})
	}
}

// A server that is killed when it has just named a file leaves its journal; one that
// was sent meanwhile by another way, half of it. With the file there, they go.
func TestWhatIsLeftOfAWholeFileGoes(t *testing.T) {
	for _, suffixes := range [][]string{{".journal"}, {".part", ".journal"}} {
		m := newStateful()
		k := start(t, remembering(m))
		dir := t.TempDir()
		write(t, dir, map[string]string{"large": random(16 << 20)})
		old(t, dir)
		k.broken(m, dir, 10)
		aside := t.TempDir()
		for _, path := range hidden(t, k.dst) {
			for _, s := range suffixes {
				if strings.HasSuffix(path, s) {
					must(t, os.Link(path, filepath.Join(aside, filepath.Base(path))))
				}
			}
		}
		if _, _, err := k.push(contents(t, dir)); err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(aside)
		must(t, err)
		for _, e := range entries {
			must(t, os.Rename(filepath.Join(aside, e.Name()), filepath.Join(k.dst, e.Name())))
		}
		changed := time.Now()
		<-time.After(time.Until(changed.Add(1100 * time.Millisecond))) // what is younger may be in use
		r, _, err := k.push(contents(t, dir))
		if err != nil || r.Skipped != 1 {
			t.Fatalf("send: %v, %+v", err, r)
		}
		same(t, dir, k.dst)
	}
}

// tampering is a sink in which somebody removes half a file's journal between the
// answer that tells its ranges and the first piece.
type tampering struct {
	engine.Sink
	opened atomic.Int64
	remove func()
}

func (s *tampering) OpenHalf(p localfs.Put) (localfs.HalfFile, []byte, error) {
	if s.opened.Add(1) == 2 {
		s.remove()
	}
	return s.Sink.OpenHalf(p)
}

func TestHalfAFileThatIsTamperedWithAfterItsRangesWereToldFails(t *testing.T) {
	m := newStateful()
	k := start(t, remembering(m))
	dir := t.TempDir()
	write(t, dir, map[string]string{"large": random(16 << 20), "small": "s"})
	old(t, dir)
	k.broken(m, dir, 10)
	other := start(t, remembering(m), into(k.dst), func(c *kit) {
		c.key, c.ring = k.key, k.ring
		c.sink = func(s engine.Sink) engine.Sink {
			return &tampering{Sink: s, remove: func() {
				for _, path := range hidden(t, k.dst) {
					if strings.HasSuffix(path, ".journal") {
						must(t, os.Remove(path))
					}
				}
			}}
		}
	})
	r, w, err := other.push(contents(t, dir))
	if err != nil || r.Failed != 1 || len(w.problems) != 1 {
		t.Fatalf("send: %v, %+v, %v", err, r, w.problems)
	}
	if _, err := os.Lstat(filepath.Join(k.dst, "large")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it got its name: %v", err)
	}
	if r, _, err := k.push(contents(t, dir)); err != nil || r.Failed > 0 {
		t.Fatalf("again: %v, %+v", err, r)
	}
	same(t, dir, k.dst)
}
