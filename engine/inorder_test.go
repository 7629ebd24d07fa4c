package engine_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"scp_rdma/engine"
	"scp_rdma/transport"
	"scp_rdma/transport/mem"
	"scp_rdma/wire"
)

// sink keeps what it gets, and looks at each piece.
type sink struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	each func(ctx context.Context, have int) error // nil: nothing
}

func (s *sink) Write(ctx context.Context, p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf.Write(p)
	if s.each != nil {
		return len(p), s.each(ctx, s.buf.Len())
	}
	return len(p), nil
}

// fetchOut fetches one file in order.
func (k *kit) fetchOut(out engine.StreamWriter, path string, options ...func(*engine.FetchConfig)) (*engine.Report, *watch, error) {
	k.t.Helper()
	w := &watch{}
	cfg := engine.FetchConfig{
		Server: k.dial(), Transports: transport.NewRegistry(k.client), Streams: 4, Paths: []string{path}, Out: out, Observer: w,
		Slots: k.faults.slots, SlotSize: k.faults.size,
	}
	for _, o := range options {
		o(&cfg)
	}
	r, err := engine.Fetch(k.t.Context(), cfg)
	return r, w, err
}

func TestAFileIsFetchedInOrderOverEveryTransport(t *testing.T) {
	everywhere(t, func(t *testing.T, kind func(k *kit)) {
		k := start(t, kind)
		for _, n := range []int{0, 1, 16 << 10, 1_000_001} {
			text := noise(n)
			write(t, k.dst, map[string]string{"f": text})
			var out sink
			r, w, err := k.fetchOut(&out, "f", func(c *engine.FetchConfig) { c.Encrypt = n == 1 })
			if err != nil || r.Files != 1 || r.Bytes != uint64(n) || r.Failed > 0 || len(w.problems) > 0 {
				t.Fatalf("%d bytes: %v, %+v, %v", n, err, r, w.problems)
			}
			if out.buf.String() != text {
				t.Errorf("%d bytes: %d have come, and others", n, out.buf.Len())
			}
		}
	})
}

func TestAFileThatIsLongerThanItsWindow(t *testing.T) {
	k := start(t, breaks)
	text := numbered(long)
	write(t, k.dst, map[string]string{"f": text})
	var out sink
	r, _, err := k.fetchOut(&out, "f")
	if err != nil || r.Bytes != long {
		t.Fatalf("%v, %+v", err, r)
	}
	if out.buf.String() != text {
		t.Errorf("%d bytes have come, and others", out.buf.Len())
	}
}

// A reader that has gone ends the transfer with the reason.
func TestAReaderThatIsGoneEndsTheFetch(t *testing.T) {
	everywhere(t, func(t *testing.T, kind func(k *kit)) {
		k := start(t, kind)
		write(t, k.dst, map[string]string{"f": noise(3_000_000)})
		gone := errors.New("nobody reads")
		out := sink{each: func(_ context.Context, have int) error {
			if have > 100_000 {
				return gone
			}
			return nil
		}}
		if _, _, err := k.fetchOut(&out, "f"); !errors.Is(err, gone) {
			t.Errorf("fetch: %v", err)
		}
	})
}

// A reader that has stopped reading does not keep a transfer from being interrupted.
func TestAReaderThatStandsStillCanBeInterrupted(t *testing.T) {
	k := start(t, memory)
	write(t, k.dst, map[string]string{"f": numbered(wire.StreamWindow + 9_000_000)})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := sink{each: func(ctx context.Context, _ int) error {
		cancel()
		<-ctx.Done()
		return context.Cause(ctx)
	}}
	_, err := engine.Fetch(ctx, engine.FetchConfig{
		Server: k.dial(), Transports: transport.NewRegistry(k.client), Paths: []string{"f"}, Out: &out,
	})
	if err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("fetch: %v", err)
	}
}

// What was written is not written again when the server was lost and is found.
func TestAFetchInOrderGoesOnWhereItsServerWasLost(t *testing.T) {
	const size = wire.StreamWindow + 9_000_000 // not all of it is there when the server goes
	for changed, want := range map[bool]string{false: "", true: "has changed since the server was lost"} {
		r := newRelay(t)
		tr := mem.New()
		k := start(t, func(k *kit) { k.client, k.server = tr, tr })
		r.lead(k.addr)
		text := numbered(size)
		write(t, k.dst, map[string]string{"f": text})
		old(t, k.dst)
		var cut sync.Once
		out := sink{each: func(ctx context.Context, _ int) (err error) {
			cut.Do(func() {
				r.cut()
				<-ctx.Done() // the next session begins when this one is over
				err = context.Cause(ctx)
				if changed {
					write(t, k.dst, map[string]string{"f": "else"})
				}
			})
			return err
		}}
		rep, w, err := k.fetchOut(&out, "f", func(c *engine.FetchConfig) { c.Server.Addr = r.ln.Addr().String() })
		if changed {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("fetch: %v", err)
			}
			continue
		}
		if err != nil || rep.Reconnected != 1 || w.lost.Load() != 1 {
			t.Fatalf("%v, %+v", err, rep)
		}
		if out.buf.String() != text {
			t.Errorf("%d bytes have come, and others", out.buf.Len())
		}
	}
}

// A file that changes while it is read can't be taken back: that is an error.
func TestAFileThatChangesWhileItIsFetchedInOrderFails(t *testing.T) {
	k := start(t, memory)
	write(t, k.dst, map[string]string{"f": numbered(wire.StreamWindow + 9_000_000)})
	old(t, k.dst)
	change := sync.OnceFunc(func() {
		f, err := os.OpenFile(filepath.Join(k.dst, "f"), os.O_WRONLY, 0)
		must(t, err)
		_, err = f.WriteString("else")
		must(t, errors.Join(err, f.Close()))
	})
	// More than the window is left when the first byte is written.
	out := sink{each: func(context.Context, int) error { change(); return nil }}
	r, w, err := k.fetchOut(&out, "f")
	if err != nil || r.Failed != 1 || r.Files != 0 || len(w.problems) != 1 || !strings.Contains(w.problems[0].Err.Error(), "changed while being read") {
		t.Errorf("%v, %+v, %v", err, r, w.problems)
	}
}

// What is no single file does not go to stdout.
func TestOnlyOneFileIsFetchedInOrder(t *testing.T) {
	k := serving(t)
	must(t, os.Symlink("large", filepath.Join(k.dst, "link")))
	for path, want := range map[string]string{"": "is a directory", "a": "is a directory", "d*": "and 6 more", "link": "is a symbolic link", "no": "no such file"} {
		_, _, err := k.fetchOut(&sink{}, path)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", path, err)
		}
	}
}
