package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"scp_rdma/engine"
	"scp_rdma/localfs"
	"scp_rdma/transport"
	"scp_rdma/wire"
)

// noise is n bytes no two parts of which are equal.
func noise(n int) string {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b) // never fails
	return string(b)
}

// sample has small, empty and large files, and directories.
func sample(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{"empty": "", "a/b/c/deep": "deep", "large": noise(6_400_000)}
	for i := range 300 {
		files[fmt.Sprintf("d%d/f%d", i%7, i)] = strings.Repeat("x", i*37%9000)
	}
	write(t, dir, files)
	if err := os.Mkdir(filepath.Join(dir, "empty-dir"), 0o750); err != nil {
		t.Fatal(err)
	}
	return dir
}

func same(t *testing.T, want, got string) {
	t.Helper()
	if diff := cmp.Diff(read(t, want), read(t, got)); diff != "" {
		t.Errorf("trees differ (-want +got):\n%.2000s", diff)
	}
}

func TestATreeArrivesOverEveryTransport(t *testing.T) {
	for name, kind := range kinds() {
		for _, streams := range []int{1, 4, 16} {
			t.Run(fmt.Sprintf("%s with %d streams", name, streams), func(t *testing.T) {
				t.Parallel()
				k := start(t, kind)
				dir := sample(t)
				r, w, err := k.push(contents(t, dir), func(c *engine.SendConfig) { c.Streams = streams })
				if err != nil || len(w.problems) > 0 {
					t.Fatalf("send: %v, problems %v", err, w.problems)
				}
				same(t, dir, k.dst)
				if r.Files != 303 || r.Dirs != 11 || r.Failed != 0 || r.Transport != name {
					t.Errorf("report %+v", r)
				}
				if s := waitOn(t, k.sessions); s.err != nil || s.report.Files != r.Files || s.report.Bytes != r.Bytes {
					t.Errorf("the server saw %+v", s)
				}
			})
		}
	}
}

func TestEveryQueueAtSizeOneDoesNotDeadlock(t *testing.T) {
	everywhere(t, func(t *testing.T, kind func(k *kit)) {
		k := start(t, kind)
		dir := t.TempDir()
		write(t, dir, map[string]string{"a/b/c/d/e/f": noise(50_000), "a/1": "1", "a/2": "2", "z": ""})
		for _, l := range []string{"a/l1", "a/b/l2", "l3"} {
			if err := os.Link(filepath.Join(dir, "a/1"), filepath.Join(dir, l)); err != nil {
				t.Fatal(err)
			}
		}
		r, _, err := k.push(contents(t, dir), func(c *engine.SendConfig) {
			c.Window, c.Slots, c.SlotSize, c.Streams = 1, 1, 4096, 3
		})
		if err != nil || r.Links != 3 || r.Failed != 0 {
			t.Fatalf("send: %v, %+v", err, r)
		}
		same(t, dir, k.dst)
	})
}

func TestSeveralClientsAtOnce(t *testing.T) {
	k := start(t)
	errs := make(chan error, 4)
	dirs := make([]string, 4)
	for i := range dirs {
		dirs[i] = sample(t)
		src := contents(t, dirs[i])
		go func() {
			_, _, err := k.push(src, func(c *engine.SendConfig) { c.Target.Path = fmt.Sprint("t", i) })
			errs <- err
		}()
	}
	for range dirs {
		if err := waitOn(t, errs); err != nil {
			t.Error(err)
		}
	}
	for i, dir := range dirs {
		same(t, dir, filepath.Join(k.dst, fmt.Sprint("t", i)))
	}
}

// bent changes what a source says of its files.
type bent struct {
	*localfs.Source
	readFile func(e *localfs.Entry, p []byte) error
	verify   func(e *localfs.Entry) error
}

func (b *bent) ReadFile(e *localfs.Entry, p []byte) error {
	if b.readFile != nil {
		if err := b.readFile(e, p); err != nil {
			return err
		}
	}
	return b.Source.ReadFile(e, p)
}

func (b *bent) Open(e *localfs.Entry) (localfs.SourceFile, error) {
	f, err := b.Source.Open(e)
	if err != nil || b.verify == nil {
		return f, err
	}
	return &bentFile{f, e, b}, nil
}

type bentFile struct {
	localfs.SourceFile
	e *localfs.Entry
	b *bent
}

func (f *bentFile) Verify() error {
	if err := f.b.verify(f.e); err != nil {
		return err
	}
	return f.SourceFile.Verify()
}

func TestAFileThatChangesIsSentOnceMore(t *testing.T) {
	everywhere(t, func(t *testing.T, kind func(k *kit)) {
		k := start(t, kind)
		dir := sample(t)
		var small, large atomic.Int32
		once := func(n *atomic.Int32, name string) func(e *localfs.Entry) error {
			return func(e *localfs.Entry) error {
				if e.Name == name && n.Add(1) == 1 {
					return localfs.ErrChanged
				}
				return nil
			}
		}
		changeSmall := once(&small, "f9")
		src := &bent{Source: contents(t, dir), verify: once(&large, "large"),
			readFile: func(e *localfs.Entry, _ []byte) error { return changeSmall(e) }}
		r, w, err := k.push(src, func(c *engine.SendConfig) { c.SlotSize = 64 << 10 })
		if err != nil || r.Resent != 2 || r.Failed != 0 || len(w.problems) != 0 {
			t.Fatalf("send: %v, %+v, %v", err, r, w.problems)
		}
		same(t, dir, k.dst)
	})
}

func TestAFileThatGoesOnChangingIsReportedAndNeverNamed(t *testing.T) {
	everywhere(t, func(t *testing.T, kind func(k *kit)) {
		k := start(t, kind)
		dir := sample(t)
		changing := func(e *localfs.Entry) error {
			if e.Name == "large" || e.Name == "f9" {
				return localfs.ErrChanged
			}
			return nil
		}
		src := &bent{Source: contents(t, dir), verify: changing,
			readFile: func(e *localfs.Entry, _ []byte) error { return changing(e) }}
		r, w, err := k.push(src)
		if err != nil || r.Failed != 2 || len(w.problems) != 2 || r.Files != 301 {
			t.Fatalf("send: %v, %+v, %v", err, r, w.problems)
		}
		for _, p := range w.problems {
			if !errors.Is(p.Err, localfs.ErrChanged) || !strings.HasPrefix(p.Path, dir) {
				t.Errorf("problem %+v", p)
			}
		}
		for _, name := range []string{"large", "d2/f9"} {
			if _, err := os.Lstat(filepath.Join(k.dst, name)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s got its name: %v", name, err)
			}
		}
	})
}

func TestAHardLinkIsWholeWhenTheFirstOfItsGroupFails(t *testing.T) {
	everywhere(t, func(t *testing.T, kind func(k *kit)) {
		k := start(t, kind)
		dir := t.TempDir()
		write(t, dir, map[string]string{"first": "contents"})
		for _, l := range []string{"second", "third"} {
			if err := os.Link(filepath.Join(dir, "first"), filepath.Join(dir, l)); err != nil {
				t.Fatal(err)
			}
		}
		var n atomic.Int32
		src := &bent{Source: contents(t, dir), readFile: func(*localfs.Entry, []byte) error {
			if n.Add(1) == 1 {
				return io.ErrUnexpectedEOF
			}
			return nil
		}}
		r, _, err := k.push(src)
		if err != nil || r.Failed != 1 || r.Files != 1 || r.Links != 1 {
			t.Fatalf("send: %v, %+v", err, r)
		}
		if got := read(t, k.dst); len(got) != 2 {
			t.Errorf("arrived: %v", got)
		}
	})
}

// badSink fails some files.
type badSink struct {
	engine.Sink
	err error
}

func (b *badSink) PutFile(p localfs.Put, data []byte) error {
	if p.Name == "f9" {
		return b.err
	}
	return b.Sink.PutFile(p, data)
}

func (b *badSink) Mkdir(d *localfs.Dir, name string) (*localfs.Dir, error) {
	if name == "d3" {
		return nil, b.err
	}
	return b.Sink.Mkdir(d, name)
}

func TestWhatTheReceiverCannotMakeIsReportedAndTheRestArrives(t *testing.T) {
	everywhere(t, func(t *testing.T, kind func(k *kit)) {
		k := start(t, kind, func(k *kit) {
			k.sink = func(s engine.Sink) engine.Sink { return &badSink{Sink: s, err: os.ErrPermission} }
		})
		dir := sample(t)
		r, w, err := k.push(contents(t, dir))
		if err != nil {
			t.Fatal(err)
		}
		// d3, the 43 files in it, and f9 in d2.
		if r.Failed != 45 || r.Files != 303-44 || len(w.problems) != 2 {
			t.Errorf("%+v, problems %v", r, w.problems)
		}
		for _, p := range w.problems {
			if !p.Remote || !strings.Contains(p.Err.Error(), "permission denied") {
				t.Errorf("problem %+v", p)
			}
		}
	})
}

func TestAFullDiskEndsTheSessionWithItsName(t *testing.T) {
	everywhere(t, func(t *testing.T, kind func(k *kit)) {
		k := start(t, kind, func(k *kit) {
			k.sink = func(s engine.Sink) engine.Sink { return &badSink{Sink: s, err: fmt.Errorf("put: %w", errNoSpace)} }
		})
		_, _, err := k.push(contents(t, sample(t)))
		var remote *engine.RemoteError
		if !errors.As(err, &remote) || !strings.Contains(err.Error(), "no space left") {
			t.Errorf("send: %v", err)
		}
		if s := waitOn(t, k.sessions); !errors.Is(s.err, errNoSpace) {
			t.Errorf("server: %v", s.err)
		}
	})
}

func TestClientInterruptedLeavesNothingHalf(t *testing.T) {
	everywhere(t, func(t *testing.T, kind func(k *kit)) {
		k := start(t, kind)
		dir := sample(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		reason := errors.New("ctrl-c")
		src := &bent{Source: contents(t, dir), verify: func(*localfs.Entry) error { cancel(reason); <-ctx.Done(); return nil }}
		_, _, err := k.pushCtx(ctx, src, func(c *engine.SendConfig) { c.SlotSize = 64 << 10 })
		if !errors.Is(err, reason) {
			t.Errorf("send: %v", err)
		}
		s := waitOn(t, k.sessions)
		var remote *engine.RemoteError
		if !errors.As(s.err, &remote) || remote.Code != wire.ByeCancelled {
			t.Errorf("server: %v", s.err)
		}
		if _, err := os.Lstat(filepath.Join(k.dst, "large")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a file got its name without its seal: %v", err)
		}
	})
}

func TestServerThatStopsSaysSo(t *testing.T) {
	k := start(t)
	dir := sample(t)
	src := &bent{Source: contents(t, dir), verify: func(*localfs.Entry) error {
		k.stop()
		err := waitOn(t, k.done)
		k.done = nil
		if !errors.Is(err, engine.ErrCut) {
			t.Errorf("serve: %v", err)
		}
		return nil
	}}
	_, _, err := k.push(src, func(c *engine.SendConfig) { c.RetryFor = 200 * time.Millisecond })
	var remote *engine.RemoteError
	if !errors.As(err, &remote) || remote.Code != wire.ByeCancelled || !strings.Contains(err.Error(), "stopping") {
		t.Errorf("send: %v", err)
	}
}

func TestServeOnceEndsAfterTheFirstSession(t *testing.T) {
	k := start(t, func(k *kit) { k.once, k.grace = true, patience })
	if _, _, err := k.push(contents(t, sample(t))); err != nil {
		t.Fatal(err)
	}
	if err := waitOn(t, k.done); err != nil {
		t.Error(err)
	}
	k.done = nil
}

func TestTargetInsideItsSourceIsRefused(t *testing.T) {
	k := start(t)
	_, _, err := k.push(contents(t, filepath.Dir(k.dst)))
	if err == nil || !strings.Contains(err.Error(), "inside") {
		t.Errorf("send: %v", err)
	}
	if got := read(t, k.dst); len(got) != 0 {
		t.Errorf("arrived: %v", got)
	}
}

func TestUnknownRailIsNoTransport(t *testing.T) {
	k := start(t, func(k *kit) { k.client = brokenProbe{} })
	_, _, err := k.push(contents(t, sample(t)))
	if !errors.Is(err, transport.ErrUnavailable) {
		t.Errorf("send: %v", err)
	}
}

type brokenProbe struct{ transport.Transport }

func (brokenProbe) Name() string { return "broken" }

func (brokenProbe) Probe(context.Context) ([]transport.Rail, error) {
	return nil, fmt.Errorf("no such rail: %w", transport.ErrUnavailable)
}
