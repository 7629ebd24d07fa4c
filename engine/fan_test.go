package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"scp_rdma/engine"
	"scp_rdma/localfs"
)

// counting is a source that counts the bytes that are read of it.
type counting struct {
	engine.Source
	bytes   atomic.Int64
	entries atomic.Int64
}

func (c *counting) Next() (*localfs.Entry, error) {
	e, err := c.Source.Next()
	if err == nil {
		c.entries.Add(1)
	}
	return e, err
}

func (c *counting) ReadFile(e *localfs.Entry, p []byte) error {
	c.bytes.Add(int64(len(p)))
	return c.Source.ReadFile(e, p)
}

func (c *counting) Open(e *localfs.Entry) (localfs.SourceFile, error) {
	f, err := c.Source.Open(e)
	return countingFile{f, c}, err
}

type countingFile struct {
	localfs.SourceFile
	c *counting
}

func (f countingFile) ReadAt(p []byte, off int64) error {
	f.c.bytes.Add(int64(len(p)))
	return f.SourceFile.ReadAt(p, off)
}

// many is a tree with large files, a sparse one and small ones, and how many bytes that is.
func many(t *testing.T) (dir string, size int64) {
	t.Helper()
	dir = t.TempDir()
	files := map[string]string{"a/one": random(30<<20 + 5), "b/two": random(40<<20 + 1), "empty": ""}
	for i := range 400 {
		files[fmt.Sprintf("d%d/f%d", i%7, i)] = noise(i * 37 % 9000)
	}
	write(t, dir, files)
	for _, text := range files {
		size += int64(len(text))
	}
	return dir, size
}

// target is one of several.
type target struct {
	k       *kit
	options []func(*engine.SendConfig)
	ctx     context.Context // nil: the test's

	report *engine.Report
	err    error
}

// toAll sends one source to all targets at once. Those who take nothing for so long are
// left behind.
func toAll(t *testing.T, dir string, wait time.Duration, targets ...*target) *counting {
	t.Helper()
	src := &counting{Source: contents(t, dir)}
	f, err := engine.NewFan(src, len(targets), func() (engine.Source, error) { return contents(t, dir), nil })
	must(t, err)
	f.Patience = wait
	var work sync.WaitGroup
	for i, v := range f.Views() {
		to := targets[i]
		ctx := to.ctx
		if ctx == nil {
			ctx = t.Context()
		}
		work.Go(func() {
			defer v.Leave()
			to.report, _, to.err = to.k.pushCtx(ctx, v, to.options...)
		})
	}
	work.Wait()
	must(t, f.Close())
	return src
}

func TestSeveralTargetsReadTheSourceOnce(t *testing.T) {
	dir, size := many(t)
	half := func(dst string) { // has half of the files already
		must(t, os.CopyFS(filepath.Join(dst, "a"), os.DirFS(filepath.Join(dir, "a"))))
	}
	old(t, dir)
	for name, targets := range map[string][]*target{
		"two":                         {{k: start(t, memory)}, {k: start(t, kinds()["tcp"])}},
		"three, of which one is slow": {{k: start(t, memory)}, {k: start(t, memory)}, {k: start(t, memory, func(k *kit) { k.limit = engine.NewLimiter(40 << 20) })}},
		"one has half of it":          {{k: start(t, memory)}, {k: start(t, memory, func(k *kit) { k.dst = t.TempDir(); half(k.dst); old(t, k.dst) })}},
		"with slots of other sizes": {{k: start(t, memory)}, {k: start(t, memory), options: []func(*engine.SendConfig){func(c *engine.SendConfig) { c.SlotSize = 64 << 10 }}},
			{k: start(t, memory), options: []func(*engine.SendConfig){func(c *engine.SendConfig) { c.Encrypt = true }}}},
	} {
		t.Run(name, func(t *testing.T) {
			src := toAll(t, dir, patience, targets...)
			for i, to := range targets {
				if to.err != nil || to.report.Failed > 0 || to.report.Files+to.report.Skipped != 403 {
					t.Fatalf("target %d: %v, %+v", i, to.err, to.report)
				}
				same(t, dir, to.k.dst)
			}
			if n := src.bytes.Load(); n != size {
				t.Errorf("%d bytes were read of %d", n, size)
			}
			if n := src.entries.Load(); n != 403+9+9 {
				t.Errorf("%d entries were walked", n)
			}
		})
	}
}

// A target that fails, or is left in the midst, does not keep the others from all of it.
func TestATargetThatFailsLeavesTheOthersAlone(t *testing.T) {
	dir, size := many(t)
	ctx, cancel := context.WithCancel(t.Context())
	stuck := start(t, memory, func(k *kit) {
		var writes atomic.Int64
		k.sink = func(s engine.Sink) engine.Sink {
			return &fullDisk{Sink: s, room: 20, writes: &writes, full: cancel}
		}
	})
	good, gone := &target{k: start(t, memory)}, &target{k: stuck, ctx: ctx}
	src := toAll(t, dir, patience, good, gone)
	if gone.err == nil {
		t.Error("the one that was left has not failed")
	}
	if good.err != nil || good.report.Files != 403 {
		t.Fatalf("%v, %+v", good.err, good.report)
	}
	same(t, dir, good.k.dst)
	if n := src.bytes.Load(); n > size+48<<20 {
		t.Errorf("%d bytes were read of %d", n, size)
	}
}

// fullDisk is a sink that calls full after so many pieces.
type fullDisk struct {
	engine.Sink
	room   int64
	writes *atomic.Int64
	full   func()
}

func (d *fullDisk) CreateFile(p localfs.Put) (localfs.PendingFile, error) {
	f, err := d.Sink.CreateFile(p)
	return fullFile{f, d}, err
}

type fullFile struct {
	localfs.PendingFile
	d *fullDisk
}

func (f fullFile) WriteAt(p []byte, off int64) error {
	if f.d.writes.Add(1) == f.d.room {
		f.d.full()
	}
	return f.PendingFile.WriteAt(p, off)
}

// One that is there and takes nothing is waited for only so long.
func TestATargetThatStandsStillIsLeftBehind(t *testing.T) {
	dir, _ := many(t)
	release := make(chan struct{})
	still := start(t, memory, func(k *kit) {
		k.sink = func(s engine.Sink) engine.Sink { return &stopped{Sink: s, until: release} }
	})
	good, slow := &target{k: start(t, memory)}, &target{k: still}
	go func() { // the good one is done while the other stands still
		end := <-good.k.sessions
		good.k.sessions <- end
		close(release)
	}()
	toAll(t, dir, time.Millisecond, good, slow)
	for i, to := range []*target{good, slow} {
		if to.err != nil || to.report.Files != 403 {
			t.Fatalf("target %d: %v, %+v", i, to.err, to.report)
		}
		same(t, dir, to.k.dst)
	}
}

// stopped is a sink that writes nothing until it may.
type stopped struct {
	engine.Sink
	until <-chan struct{}
}

func (s *stopped) CreateFile(p localfs.Put) (localfs.PendingFile, error) {
	f, err := s.Sink.CreateFile(p)
	return stoppedFile{f, s}, err
}

type stoppedFile struct {
	localfs.PendingFile
	s *stopped
}

func (f stoppedFile) WriteAt(p []byte, off int64) error {
	<-f.s.until
	return f.PendingFile.WriteAt(p, off)
}

// A target whose server was lost, and found again, walks by itself from then on.
func TestATargetThatIsLostAndFoundHasAllInTheEnd(t *testing.T) {
	dir, _ := many(t)
	old(t, dir)
	r := newRelay(t)
	lost := start(t, memory, remembering(newStateful()), cutting(20, sync.OnceFunc(r.cut)))
	r.lead(lost.addr)
	good, back := &target{k: start(t, memory)}, &target{k: lost, options: []func(*engine.SendConfig){func(c *engine.SendConfig) { c.Server.Addr = r.ln.Addr().String() }}}
	toAll(t, dir, time.Millisecond, good, back)
	for i, to := range []*target{good, back} {
		if to.err != nil || to.report.Failed > 0 {
			t.Fatalf("target %d: %v, %+v", i, to.err, to.report)
		}
		same(t, dir, to.k.dst)
	}
	if back.report.Reconnected != 1 {
		t.Errorf("%+v", back.report)
	}
}

func TestTooManyTargetsAreRefused(t *testing.T) {
	for _, n := range []int{0, engine.MaxTargets + 1} {
		if _, err := engine.NewFan(contents(t, t.TempDir()), n, nil); !errors.Is(err, localfs.ErrUsage) {
			t.Errorf("%d: %v", n, err)
		}
	}
}
