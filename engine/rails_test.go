package engine_test

import (
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"scp_rdma/bench/null"
	"scp_rdma/control"
	"scp_rdma/engine"
	"scp_rdma/keys"
	"scp_rdma/localfs"
	"scp_rdma/transport"
	"scp_rdma/transport/mem"
	"scp_rdma/transport/transporttest"
)

// A wire of these tests carries wireRate where nothing slows it, bytes per second: such that
// what the engine does by the clock counts for no more than it does over real ones.
const (
	wireRate = 64 << 20
	wireSlot = 64 << 10
)

// wires is a transfer over two wires, a and b, in virtual time: nothing but they take any.
type wires struct {
	files, size int64
	streams     int
	fetch       bool
	ordered     bool                              // from stdin or to stdout
	slots       int                               // of a stream; 0: 4
	both        func(tr *transporttest.Throttled) // before the transfer; nil: both are well
	later       func(tr *transporttest.Throttled) // beside it; nil: nothing happens
}

// pipes are a server's port without a kernel.
type pipes struct {
	come chan net.Conn
	gone chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.come:
		return c, nil
	case <-p.gone:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error   { close(p.gone); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p pipes) dial(context.Context, string, string) (net.Conn, error) {
	near, a := net.Pipe()
	b, far := net.Pipe()
	// What an end says is taken from it before the other listens, as a kernel would.
	pass := func(to, from net.Conn) {
		_, _ = io.Copy(to, from) // either end may go at any time
		_ = to.Close()
	}
	go pass(a, b)
	go pass(b, a)
	p.come <- far
	return near, nil
}

// nothingFrom is an offer of files that nobody reads.
type nothingFrom struct{ *null.Source }

func (nothingFrom) Close() error { return nil }

func (s nothingFrom) Tops() []localfs.Top {
	return []localfs.Top{{Name: "file1", Kind: localfs.KindFile, Arg: "file1"}}
}

// spout is a source of bytes that come in order.
type spout struct {
	null.Source
	left int64
	told bool
}

func (s *spout) Next() (*localfs.Entry, error) {
	if s.told {
		return nil, io.EOF
	}
	s.told = true
	return &localfs.Entry{ID: 1, Kind: localfs.KindFile, Name: "file1", Stream: true, Size: 0, Meta: localfs.Meta{Mode: 0o644}}, nil
}

func (s *spout) Read(_ context.Context, p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	n := min(s.left, int64(len(p)))
	s.left -= n
	return int(n), nil
}

// drain takes what comes in order.
type drain struct{}

func (drain) Write(_ context.Context, p []byte) (int, error) { return len(p), nil }

// railway is what came of a transfer over wires.
type railway struct {
	took   time.Duration
	report *engine.Report
	seen   *watch
	tr     *transporttest.Throttled
}

// serveWires runs a server behind pipes that keeps nothing, and says how it is reached and when it
// has ended.
func serveWires(ctx context.Context, t *testing.T, cfg engine.ServeConfig) (at control.DialConfig, served <-chan error) {
	t.Helper()
	key := keys.New()
	port := pipes{make(chan net.Conn), make(chan struct{})}
	ln, err := control.Listen(t.Context(), control.ListenConfig{Addr: "pipe:1", Listener: port, Keys: keys.Single("tests", key)})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Listener, cfg.Grace = ln, time.Minute
	cfg.NewSink = func(keys.Holder, localfs.SinkOptions) (engine.Sink, error) { return &null.Sink{}, nil }
	ends := make(chan error, 1)
	go func() { ends <- engine.Serve(ctx, cfg) }()
	return control.DialConfig{Addr: "pipe:1", Key: &key, Connect: port.dial}, ends
}

// run carries it, and fails the test unless all of it arrives.
func (w wires) run(t *testing.T) (out railway) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		out.tr, out.seen = transporttest.Throttle(mem.New("a", "b"), 1), &watch{}
		out.tr.Rate("a", wireRate)
		out.tr.Rate("b", wireRate)
		if w.both != nil {
			w.both(out.tr)
		}
		at, served := serveWires(t.Context(), t, engine.ServeConfig{
			Transports: transport.NewRegistry(out.tr), Once: true,
			NewSource: func(keys.Holder, []string, localfs.SourceOptions) (engine.Offer, error) {
				return nothingFrom{w.source()}, nil
			},
		})
		if w.later != nil {
			done := make(chan struct{})
			go func() { w.later(out.tr); close(done) }()
			defer func() { <-done }()
		}
		began := time.Now()
		var err error
		out.report, err = w.carry(t.Context(), at, out)
		out.took = time.Since(began)
		if err != nil || out.report.Files != uint64(w.files) || out.report.Bytes != uint64(w.files*w.size) || len(out.seen.problems) > 0 {
			t.Errorf("%v, %+v, %v", err, out.report, out.seen.problems)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return out
}

func (w wires) source() *null.Source { return &null.Source{Files: w.files, Size: w.size} }

// carry sends, or fetches.
func (w wires) carry(ctx context.Context, at control.DialConfig, out railway) (*engine.Report, error) {
	reg, slots := transport.NewRegistry(out.tr), w.slots
	if slots == 0 {
		slots = 4
	}
	if w.fetch {
		cfg := engine.FetchConfig{
			Server: at, Transports: reg, Paths: []string{"file*"}, Streams: w.streams, Slots: slots, SlotSize: wireSlot, NoChecksum: true, Observer: out.seen,
			NewSink: func(localfs.SinkOptions) (engine.Sink, error) { return &null.Sink{}, nil },
		}
		if w.ordered {
			cfg.Paths, cfg.Out = []string{"file1"}, drain{}
		}
		return engine.Fetch(ctx, cfg)
	}
	var src engine.Source = w.source()
	target := localfs.Target{Contents: true}
	if w.ordered {
		src, target = &spout{left: w.size}, localfs.Target{Path: "x", Exact: true, Tops: 1}
	}
	return engine.Send(ctx, engine.SendConfig{
		Server: at, Transports: reg, Source: src, Target: target, Streams: w.streams, Slots: slots, SlotSize: wireSlot, NoChecksum: true, Observer: out.seen,
	})
}

// well, slower and later are what happens to the wires.
func slower(part float64) func(*transporttest.Throttled) {
	return func(tr *transporttest.Throttled) { tr.Rate("b", wireRate*part) }
}

func later(when time.Duration, part float64) func(*transporttest.Throttled) {
	return func(tr *transporttest.Throttled) {
		<-time.After(when)
		tr.Rate("b", wireRate*part)
	}
}

// What two rails carry together is 0.9 and more of what both do alone, whatever is slow about
// one of them, and whether there is one stream on each or four. In virtual time both numbers
// are exact. In brackets what is reached, and what was before slow rails were given less.
func TestASlowRailDoesNotHoldBackTheOther(t *testing.T) {
	const large, inOrder = 64 << 20, 192 << 20
	midway := func(part float64) float64 { // what it takes at best, s
		const before = 300 * time.Millisecond
		return before.Seconds() + (large/float64(wireRate)-2*before.Seconds())/(1+part)
	}
	for name, c := range map[string]struct {
		w    wires
		best float64 // s; 0: by the rates at the start
		part float64
		slow bool
	}{
		"both are well [0.99, 0.99]":                     {wires{files: 1, size: large, streams: 8}, 0, 1, false},
		"small files, both are well [0.98, 0.98]":        {wires{files: 20_000, size: 2 << 10, streams: 8}, 0, 1, false},
		"a tenth [0.99, 0.87]":                           {wires{files: 1, size: large, streams: 8, both: slower(0.1)}, 0, 0.1, true},
		"a tenth, one stream each [0.99, 0.96]":          {wires{files: 1, size: large, streams: 2, both: slower(0.1)}, 0, 0.1, true},
		"a hundredth [0.99, 0.40]":                       {wires{files: 1, size: large, streams: 8, both: slower(0.01)}, 0, 0.01, true},
		"a hundredth, one stream each [0.99, 0.72]":      {wires{files: 1, size: large, streams: 2, both: slower(0.01)}, 0, 0.01, true},
		"fetched, a tenth [0.99, 0.87]":                  {wires{files: 1, size: large, streams: 8, fetch: true, both: slower(0.1)}, 0, 0.1, true},
		"a tenth midway [0.97, 0.84]":                    {wires{files: 1, size: large, streams: 8, later: later(300*time.Millisecond, 0.1)}, midway(0.1), 0, true},
		"a hundredth midway [0.99, 0.32]":                {wires{files: 1, size: large, streams: 8, later: later(300*time.Millisecond, 0.01)}, midway(0.01), 0, true},
		"small files, a tenth [0.98, 0.89]":              {wires{files: 20_000, size: 2 << 10, streams: 8, both: slower(0.1)}, 0, 0.1, true},
		"from stdin, a tenth [0.98, 0.46]":               {wires{files: 1, size: inOrder, streams: 8, slots: 64, ordered: true, both: slower(0.1)}, 0, 0.1, true},
		"from stdin, a hundredth [0.99, 0.04]":           {wires{files: 1, size: inOrder, streams: 8, slots: 64, ordered: true, both: slower(0.01)}, 0, 0.01, true},
		"to stdout, a tenth [0.92, 0.41]":                {wires{files: 1, size: inOrder, streams: 8, slots: 64, ordered: true, fetch: true, both: slower(0.1)}, 0, 0.1, true},
		"to stdout, a hundredth, few slots [0.99, 0.89]": {wires{files: 1, size: inOrder, streams: 2, ordered: true, fetch: true, both: slower(0.01)}, 0, 0.01, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := c.w.run(t)
			if c.best == 0 {
				c.best = float64(c.w.files*c.w.size) / (wireRate * (1 + c.part))
			}
			got := c.best / r.took.Seconds()
			t.Logf("%.3f in %v, %d MiB over a, %d over b", got, r.took, r.tr.Bytes("a")>>20, r.tr.Bytes("b")>>20)
			if got < 0.9 {
				t.Errorf("%.3f of both alone", got)
			}
			if slow := len(r.seen.rails) > 0; slow != c.slow || slow && r.seen.rails[0].Rail != "b" {
				t.Errorf("told of rails: %+v", r.seen.rails)
			}
			for _, rail := range r.report.Rails {
				if slow := rail.Slow > 0; slow != (c.slow && rail.Name == "b") || rail.Rate == 0 || rail.Latency == 0 {
					t.Errorf("reported at the end: %+v", rail)
				}
			}
		})
	}
}

// A rail that is well again gets its share again, also if it was as good as gone.
func TestARailThatIsWellAgainCarriesAgain(t *testing.T) {
	for name, part := range map[string]float64{"from a tenth": 0.1, "from a hundredth": 0.01} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const size, ill = 384 << 20, 1.5
			w := wires{files: 1, size: size, streams: 8, both: slower(part), later: later(ill*1000*time.Millisecond, 1)}
			r := w.run(t)
			best := ill + (size/float64(wireRate)-ill*(1+part))/2
			t.Logf("%.3f in %v", best/r.took.Seconds(), r.took)
			if got := best / r.took.Seconds(); got < 0.9 {
				t.Errorf("%.3f of both alone", got)
			}
			if n := len(r.seen.rails); n < 2 || r.seen.rails[0].State == engine.RailCarries || r.seen.rails[n-1].State != engine.RailCarries {
				t.Errorf("told of rails: %+v", r.seen.rails)
			}
		})
	}
}

// Nobody is slow where all are: rails whose frames take their time by chance, and a disk that
// stands still now and then.
func TestWhatBefallsAllRailsIsNoFaultOfOne(t *testing.T) {
	jitter := func(times float64) func(*transporttest.Throttled) {
		return func(tr *transporttest.Throttled) {
			tr.Jitter("a", times)
			tr.Jitter("b", times)
		}
	}
	stops := func(tr *transporttest.Throttled) {
		for range 3 {
			<-time.After(150 * time.Millisecond)
			tr.Stop(time.Second)
		}
	}
	for name, w := range map[string]wires{
		"up to 3 times as long":                   {both: jitter(3)},
		"up to 20 times as long":                  {both: jitter(20)},
		"up to 20 times, one stream each":         {both: jitter(20), streams: 2},
		"up to 20 times, small files":             {both: jitter(20), files: 20_000, size: 2 << 10},
		"a disk that stops":                       {later: stops},
		"a disk that stops, one stream each":      {later: stops, streams: 2},
		"streams that are not a multiple of them": {streams: 3, both: jitter(3)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if w.files == 0 {
				w.files, w.size = 4, 16<<20
			}
			if w.streams == 0 {
				w.streams = 8
			}
			if r := w.run(t); len(r.seen.rails) > 0 {
				t.Errorf("told of rails: %+v", r.seen.rails)
			}
		})
	}
}
