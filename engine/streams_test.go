package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"scp_rdma/engine"
	"scp_rdma/localfs"
	"scp_rdma/transport/mem"
	"scp_rdma/transport/transporttest"
	"scp_rdma/wire"
)

// stream is a source of what is written to the pipe it gives.
func stream(t *testing.T) (*localfs.Stream, *os.File) {
	t.Helper()
	in, out, err := os.Pipe()
	must(t, err)
	src, err := localfs.OpenStream(in, "stdin", localfs.Meta{Mode: 0o640, MtimeSec: 1e9})
	must(t, err)
	t.Cleanup(func() { _ = errors.Join(src.Close(), in.Close(), out.Close()) })
	return src, out
}

// produce writes text to a pipe, and closes it.
func produce(t *testing.T, out *os.File, text string) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = out.WriteString(text) // whoever reads may have ended
		_ = out.Close()
	}()
	t.Cleanup(func() {
		_ = out.Close() // nobody may have read all of it
		<-done
	})
}

// asFile has a stream come under a name.
func asFile(name string) func(*engine.SendConfig) {
	return func(c *engine.SendConfig) { c.Target = localfs.Target{Path: name, Exact: true, Tops: 1} }
}

func TestAStreamArrivesOverEveryTransport(t *testing.T) {
	everywhere(t, func(t *testing.T, kind func(k *kit)) {
		k := start(t, kind)
		for _, n := range []int{0, 1, 16 << 10, 16<<10 + 1, 1_000_000} {
			src, out := stream(t)
			text := noise(n)
			produce(t, out, text)
			name := fmt.Sprint("s", n)
			r, w, err := k.push(src, asFile(name), func(c *engine.SendConfig) { c.Streams, c.Verify = 4, n == 1 })
			if err != nil || r.Files != 1 || r.Failed > 0 || r.Bytes != uint64(n) || len(w.problems) > 0 {
				t.Fatalf("%d bytes: %v, %+v, %v", n, err, r, w.problems)
			}
			if got := read(t, k.dst)[name]; got != text {
				t.Errorf("%d bytes: %d have come, and others", n, len(got))
			}
			if snap := w.snapshot(); snap.Bytes != uint64(n) || snap.BytesDone > snap.Bytes || snap.Unsized {
				t.Errorf("at the end it shows %+v", snap)
			}
			if end := waitOn(t, k.sessions); end.err != nil || end.report.Bytes != uint64(n) {
				t.Errorf("the server saw %+v", end)
			}
		}
		st, err := os.Stat(filepath.Join(k.dst, "s1"))
		if err != nil || st.Mode().Perm() != 0o640 || !st.ModTime().Equal(time.Unix(1e9, 0)) {
			t.Errorf("%v %v", st, err)
		}
	})
}

// breaks are streams that break all the time, at both ends, with slots that are large
// enough for a stream of some windows to be over soon.
func breaks(k *kit) {
	tr := mem.New()
	plan := transporttest.Plan{Seed: 3, DropAfter: 6, RecvDropAfter: 5, Spread: 8}
	k.client, k.server, k.faults = tr, tr, faults{plan, plan, 3, 1 << 20}
}

const long = wire.StreamWindow + 20_000_001

// numbered is n bytes no two pieces of which are equal, made faster than noise.
func numbered(n int) string {
	piece, b := noise(64<<10), make([]byte, n)
	for at := 0; at < n; at += len(piece) {
		copy(b[at:], piece)
		copy(b[at:], fmt.Sprint(at))
	}
	return string(b)
}

// counted is a stream that knows how much was taken of it.
type counted struct {
	*localfs.Stream
	taken atomic.Int64
	each  func(before int64) // called before each read; nil: nothing
}

func (c *counted) Read(ctx context.Context, p []byte) (int, error) {
	if c.each != nil {
		c.each(c.taken.Load())
	}
	n, err := c.Stream.Read(ctx, p)
	c.taken.Add(int64(n))
	return n, err
}

// low is a sink whose files know up to where they are there without a gap.
type low struct {
	engine.Sink
	mu   sync.Mutex
	have map[int64]int64 // begin -> end of pieces behind the first gap
	at   int64
}

func (l *low) CreateFile(p localfs.Put) (localfs.PendingFile, error) {
	f, err := l.Sink.CreateFile(p)
	return lowFile{f, l}, err
}

type lowFile struct {
	localfs.PendingFile
	l *low
}

func (f lowFile) WriteAt(p []byte, off int64) error {
	err := f.PendingFile.WriteAt(p, off)
	f.l.mu.Lock()
	defer f.l.mu.Unlock()
	f.l.have[off] = off + int64(len(p))
	for end, ok := f.l.have[f.l.at]; ok && end > f.l.at; end, ok = f.l.have[f.l.at] {
		f.l.at = end
	}
	return err
}

// A sender reads no further ahead than its window, whatever breaks, and all of it arrives.
func TestAStreamThatIsLongerThanItsWindow(t *testing.T) {
	l := &low{have: map[int64]int64{}}
	k := start(t, breaks, func(k *kit) { k.sink = func(s engine.Sink) engine.Sink { l.Sink = s; return l } })
	text := numbered(long)
	pipe, out := stream(t)
	produce(t, out, text)
	var beyond atomic.Int64
	src := &counted{Stream: pipe, each: func(before int64) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if before >= l.at+wire.StreamWindow {
			beyond.Store(before - l.at)
		}
	}}
	r, _, err := k.push(src, asFile("s"), func(c *engine.SendConfig) { c.Streams = 4 })
	if err != nil || r.Bytes != long {
		t.Fatalf("%v, %+v", err, r)
	}
	if beyond.Load() > 0 {
		t.Errorf("it has read %d bytes ahead of what is there", beyond.Load())
	}
	if got := read(t, k.dst)["s"]; got != text {
		t.Errorf("%d bytes have come, and others", len(got))
	}
}

// A program that writes nothing for long is waited for, and its bytes arrive.
func TestAStreamThatIsSlowIsWaitedFor(t *testing.T) {
	k := start(t, kinds()["tcp"])
	pipe, out := stream(t)
	asked := make(chan int64, 1000)
	src := &counted{Stream: pipe, each: func(before int64) { asked <- before }}
	go func() {
		defer func() { _ = out.Close() }()
		for at := range asked {
			if at == 5 {
				return
			}
			_, _ = fmt.Fprint(out, at)
		}
	}()
	if r, _, err := k.push(src, asFile("s")); err != nil || r.Bytes != 5 || read(t, k.dst)["s"] != "01234" {
		t.Errorf("%v, %+v, %q", err, r, read(t, k.dst)["s"])
	}
}

// Nothing has the name of a stream that broke off, be it at its begin or in the midst.
func TestAStreamThatBreaksOffLeavesNothing(t *testing.T) {
	for name, stop := range map[string]func(cancel func(), r *relay, out *os.File){
		"interrupted":         func(cancel func(), _ *relay, _ *os.File) { cancel() },
		"its server was lost": func(_ func(), r *relay, _ *os.File) { r.cut() },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRelay(t)
			tr := mem.New()
			k := start(t, remembering(newStateful()), func(k *kit) { k.client, k.server = tr, tr })
			r.lead(k.addr)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			pipe, out := stream(t)
			_, err := out.WriteString("begin")
			must(t, err)
			src := &counted{Stream: pipe}
			src.each = func(before int64) {
				if before == 5 {
					stop(cancel, r, out) // and the program at the other end writes no more
				}
			}
			_, _, err = k.pushCtx(ctx, src, asFile("s"), func(c *engine.SendConfig) { c.Server.Addr = r.ln.Addr().String() })
			if err == nil || name != "interrupted" && !strings.Contains(err.Error(), "stdin: what was read of it can't be read again") {
				t.Errorf("send: %v", err)
			}
			waitOn(t, k.sessions)
			if left := read(t, k.dst); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// A stream that can't be put anywhere is not read to its end.
func TestAStreamThatIsRefused(t *testing.T) {
	k := start(t, memory)
	must(t, os.Mkdir(filepath.Join(k.dst, "d"), 0o755))
	pipe, out := stream(t)
	src := &counted{Stream: pipe}
	r, w, err := k.push(src, asFile("d")) // nobody writes, and nobody closes out
	if err != nil || r.Failed != 1 || len(w.problems) != 1 || !strings.Contains(w.problems[0].Err.Error(), "is a directory") || src.taken.Load() != 0 {
		t.Errorf("%v, %+v, %v", err, r, w.problems)
	}
	_ = out.Close()
}

// The reader of stdin fails.
func TestAStreamThatCanNotBeRead(t *testing.T) {
	k := start(t, memory)
	dir, err := os.Open(t.TempDir())
	must(t, err)
	defer func() { _ = dir.Close() }()
	if _, err := localfs.OpenStream(dir, "stdin", localfs.Meta{}); !errors.Is(err, unix.EISDIR) {
		t.Errorf("a directory: %v", err)
	}
	pipe, out := stream(t)
	produce(t, out, "begin")
	broken := errors.New("broken")
	if _, _, err := k.push(failing{pipe, broken}, asFile("s")); !errors.Is(err, broken) {
		t.Errorf("send: %v", err)
	}
	waitOn(t, k.sessions)
	if left := read(t, k.dst); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

type failing struct {
	*localfs.Stream
	err error
}

func (f failing) Read(context.Context, []byte) (int, error) { return 0, f.err }

// A client that says too much of a stream ends its session, and nothing has its name.
func TestStreamsThatBreakTheProtocolEndTheSession(t *testing.T) {
	chunk := func(off uint64, n, flags uint32) wire.Chunk {
		return wire.Chunk{Entry: 1, Offset: off, Length: n, Flags: flags}
	}
	for name, list := range map[string][]wire.Chunk{
		"a hole":                   {chunk(0, 1, wire.ChunkHole)},
		"nothing, and no end":      {chunk(0, 0, 0)},
		"beyond the window":        {chunk(wire.StreamWindow, 1, 0)},
		"beyond all":               {chunk(1<<63-1, 1, 0)},
		"more after the end":       {chunk(10, 10, wire.ChunkSeal), chunk(20, 1, 0)},
		"another end":              {chunk(10, 10, wire.ChunkSeal), chunk(0, 5, wire.ChunkSeal)},
		"an end before its begin":  {chunk(5, 10, 0), chunk(0, 5, wire.ChunkSeal), chunk(16, 1, 0)},
		"the window has not moved": {chunk(1, 10, 0), chunk(wire.StreamWindow+1, 1, 0)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := start(t, memory)
			r := newRogue(t, k)
			r.open()
			r.say(&wire.Entries{List: []wire.Entry{{ID: 1, Kind: wire.KindFile, Name: []byte("s"), Mode: 0o644, Stream: true}}})
			if _, ok := r.hear().(*wire.Answers); !ok {
				t.Fatal("no answer")
			}
			for i, c := range list {
				h := wire.FrameHead{Unit: uint64(i + 1), Chunks: []wire.Chunk{c}}
				if c.Flags&wire.ChunkHole == 0 {
					h.DataLen = c.Length
				}
				r.frame(h)
			}
			r.refused(wire.ByeProtocol)
			if got := read(t, k.dst); len(got) != 0 {
				t.Errorf("made: %v", got)
			}
		})
	}
}

// A stream takes of an allowance what has come of it, and gives it back if it does not stay.
func TestAStreamIsBookedAsItComes(t *testing.T) {
	p := &purse{limit: 3 << 20}
	k := start(t, func(k *kit) { k.purse = p })
	for _, tt := range []struct {
		name string
		size int
		want int64 // stored in all
	}{{"fits", 2 << 20, 2 << 20}, {"too much", 2 << 20, 2 << 20}, {"the rest", 1 << 20, 3 << 20}, {"nothing left", 1, 3 << 20}} {
		pipe, out := stream(t)
		produce(t, out, noise(tt.size))
		r, _, err := k.push(pipe, asFile(tt.name), func(c *engine.SendConfig) { c.SlotSize = 64 << 10 })
		waitOn(t, k.sessions)
		if err != nil || (r.Failed == 0) != (read(t, k.dst)[tt.name] != "") {
			t.Errorf("%s: %v, %+v", tt.name, err, r)
		}
		if got := p.holds(t, k); got != tt.want {
			t.Errorf("%s: %d bytes are stored, want %d", tt.name, got, tt.want)
		}
	}
}
