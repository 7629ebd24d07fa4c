package engine_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"scp_rdma/engine"
	"scp_rdma/localfs"
	"scp_rdma/transport"
	"scp_rdma/transport/mem"
	"scp_rdma/wire"
)

// incast is how many clients come at once.
const incast = 64

// weighed is a transport that counts the bytes of slots that it has, and had at most.
type weighed struct {
	transport.Transport
	mu        sync.Mutex
	now, most int64
}

func (w *weighed) add(n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now += n
	w.most = max(w.most, w.now)
}

func (w *weighed) read() (now, most int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now, w.most
}

func (w *weighed) Open(ctx context.Context, req transport.OpenRequest) (transport.Endpoint, error) {
	ep, err := w.Transport.Open(ctx, req)
	if err != nil {
		return nil, err
	}
	n := int64(req.Slots) * int64(req.SlotSize+transport.HeadRoom)
	w.add(n)
	return &weighedEnd{Endpoint: ep, gone: sync.OnceFunc(func() { w.add(-n) })}, nil
}

type weighedEnd struct {
	transport.Endpoint
	gone func()
}

func (e *weighedEnd) Connect(ctx context.Context, offer []byte) (transport.Stream, error) {
	st, err := e.Endpoint.Connect(ctx, offer)
	if err != nil {
		e.gone()
		return nil, err
	}
	gone := e.gone
	e.gone = func() {} // it is the stream's now
	if in, ok := st.(transport.RecvStream); ok {
		return &weighedIn{in, gone}, nil
	}
	return &weighedOut{st.(transport.SendStream), gone}, nil
}

func (e *weighedEnd) Close() error {
	defer e.gone()
	return e.Endpoint.Close()
}

type weighedIn struct {
	transport.RecvStream
	gone func()
}

func (s *weighedIn) Close() error {
	defer s.gone()
	return s.RecvStream.Close()
}

type weighedOut struct {
	transport.SendStream
	gone func()
}

func (s *weighedOut) Close() error {
	defer s.gone()
	return s.SendStream.Close()
}

// crowded is a server with 64 MiB of slots for so many sessions, which says how many it had.
func crowded(t *testing.T, options ...func(*kit)) (*kit, *engine.Meter, *weighed) {
	t.Helper()
	tr := mem.New()
	w := &weighed{Transport: tr}
	k, m := metered(t, append([]func(*kit){func(k *kit) {
		k.client, k.server = tr, w
		k.quota = engine.Quota{Sessions: incast, Memory: incast << 20}
	}}, options...)...)
	return k, m, w
}

// within checks that no more memory was ever had than there is, and none is left.
func (w *weighed) within(t *testing.T, m *engine.Meter) {
	t.Helper()
	r := reads(t, m, "empty", func(r engine.Reading) bool { return r.Quota.Sessions == 0 })
	now, most := w.read()
	if now != 0 || most > incast<<20 || r.Quota.Memory != 0 {
		t.Errorf("%d bytes of slots at most, %d are left and %d booked", most, now, r.Quota.Memory)
	}
	t.Logf("%d MiB of slots at most, %d streams made room", most>>20, r.Quota.Ceded)
}

// rounds lets no session read a file while another is two behind: one that starved would hold
// up all.
type rounds struct {
	mu   sync.Mutex
	wake *sync.Cond
	done []int // files that are there, by session
}

func newRounds(n int) *rounds {
	r := &rounds{done: make([]int, n)}
	r.wake = sync.NewCond(&r.mu)
	return r
}

// waitFor waits until a session is no more than a file ahead of any other.
func (r *rounds) waitFor(ctx context.Context, who int) {
	defer context.AfterFunc(ctx, r.wake.Broadcast)()
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.done[who] > slices.Min(r.done)+1 && ctx.Err() == nil {
		r.wake.Wait()
	}
}

// put notes that a session has a file more.
func (r *rounds) put(who int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done[who]++
	r.wake.Broadcast()
}

// pacedSource is a source that takes part in rounds.
type pacedSource struct {
	*localfs.Source
	ctx context.Context
	all *rounds
	who int
}

func (s *pacedSource) ReadFile(e *localfs.Entry, p []byte) error {
	s.all.waitFor(s.ctx, s.who)
	return s.Source.ReadFile(e, p)
}

// pacedSink counts the files of a session. Which it is its target says.
type pacedSink struct {
	engine.Sink
	all *rounds
	who int
}

func (s *pacedSink) Resolve(t localfs.Target) (localfs.Base, error) {
	if _, err := fmt.Sscanf(t.Path, "s%d/", &s.who); err != nil {
		return localfs.Base{}, err
	}
	return s.Sink.Resolve(t)
}

func (s *pacedSink) PutFile(p localfs.Put, data []byte) error {
	defer s.all.put(s.who)
	return s.Sink.PutFile(p, data)
}

// manyFiles are files of which each fills most of a slot, so that each is a frame.
func manyFiles(t *testing.T, dir string, n int) map[string]string {
	t.Helper()
	want := map[string]string{}
	for i := range n {
		want[fmt.Sprint("f", i)] = noise(200<<10 + i)
	}
	write(t, dir, want)
	return want
}

func TestAllOfACrowdGetOnInASmallMemory(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	all := newRounds(incast)
	k, m, w := crowded(t, func(k *kit) {
		k.sink = func(s engine.Sink) engine.Sink { return &pacedSink{Sink: s, all: all} }
	})
	from := t.TempDir()
	want := manyFiles(t, from, 5)
	errs := make(chan error, incast)
	for i := range incast {
		src := &pacedSource{Source: contents(t, from), ctx: ctx, all: all, who: i}
		go func() {
			_, _, err := k.push(src, func(c *engine.SendConfig) { c.Target.Path, c.Streams, c.Slots = fmt.Sprintf("s%d/", i), 4, 8 })
			errs <- err
		}()
		if i%8 == 7 { // so many handshakes at once
			for range 8 {
				waitOn(t, k.begun)
			}
		}
	}
	for range incast {
		if err := waitOn(t, errs); err != nil {
			t.Error(err)
		}
	}
	if ctx.Err() != nil {
		t.Error("not all got on")
	}
	for i := range incast {
		if diff := cmp.Diff(want, read(t, filepath.Join(k.dst, fmt.Sprint("s", i)))); diff != "" {
			t.Errorf("session %d: files differ", i)
		}
	}
	w.within(t, m)
}

// halting is a source whose files can't be read to their ends until its gate is open.
type halting struct {
	engine.Offer
	gate <-chan struct{}
}

func (s halting) Open(e *localfs.Entry) (localfs.SourceFile, error) {
	f, err := s.Offer.Open(e)
	return haltingFile{f, e.Size, s.gate}, err
}

type haltingFile struct {
	localfs.SourceFile
	size int64
	gate <-chan struct{}
}

func (f haltingFile) ReadAt(p []byte, off int64) error {
	if off+int64(len(p)) == f.size {
		<-f.gate
	}
	return f.SourceFile.ReadAt(p, off)
}

func TestASmallSessionIsServedAmongManyBigOnes(t *testing.T) {
	const size = 3 << 20
	for _, fetch := range []bool{false, true} {
		t.Run(fmt.Sprint("fetching ", fetch), func(t *testing.T) {
			gate := make(chan struct{})
			open := sync.OnceFunc(func() { close(gate) })
			defer open()
			k, m, w := crowded(t, func(k *kit) {
				k.source = func(o engine.Offer) engine.Offer { return halting{o, gate} }
			})
			from := t.TempDir()
			write(t, from, map[string]string{"big": noise(size)})
			write(t, k.dst, map[string]string{"big": noise(size)})
			ends := make(chan error, incast)
			var targets []string
			for i := range incast - 1 {
				to := t.TempDir()
				run := func() error {
					_, _, err := k.fetchTo(to, []string{"big"}, func(c *engine.FetchConfig) { c.Streams, c.Slots = 4, 4 })
					return err
				}
				if !fetch {
					src := halting{contents(t, from), gate}
					to = filepath.Join(k.dst, fmt.Sprint("s", i))
					run = func() error {
						_, _, err := k.push(src, func(c *engine.SendConfig) { c.Target.Path, c.Streams = filepath.Base(to)+"/", 4 })
						return err
					}
				}
				targets = append(targets, to)
				go func() { ends <- run() }()
				waitOn(t, k.begun)
			}
			reads(t, m, "halted", func(r engine.Reading) bool {
				in, _ := railBytes(r.Rails, engine.Receiving)
				out, _ := railBytes(r.Rails, engine.Sending)
				return in+out >= (incast-1)*(size-512<<10)
			})
			small := t.TempDir()
			write(t, small, map[string]string{"small": "x"})
			if _, _, err := k.push(contents(t, small), func(c *engine.SendConfig) { c.Target.Path = "small/" }); err != nil {
				t.Errorf("the small one: %v", err)
			}
			if len(ends) > 0 {
				t.Errorf("a big one has ended: %v", <-ends)
			}
			open()
			for range incast - 1 {
				if err := waitOn(t, ends); err != nil {
					t.Error(err)
				}
			}
			for _, to := range targets {
				if got := read(t, to); got["big"] != noise(size) {
					t.Errorf("%s has %d files, big has %d bytes", to, len(got), len(got["big"]))
				}
			}
			w.within(t, m)
			if m.Read().Quota.Ceded == 0 {
				t.Error("no stream has made room")
			}
		})
	}
}

// A client that takes all there is, sends nothing and does not heed what it is told keeps
// nobody out.
func TestAGreedyClientIsMadeSmaller(t *testing.T) {
	const slots, size = 8, 240 << 10
	k, m, w := crowded(t, func(k *kit) { k.limits.Memory = incast << 20 })
	r := newRogueFor(t, k, &wire.Open{Contents: true}, wire.FeatureShort)
	open := func(r *rogue, stream, epoch, slots uint32) *wire.StreamReady {
		t.Helper()
		ep, err := k.client.Open(t.Context(), transport.OpenRequest{
			Role: transport.Sender, Initiator: true, Session: transport.ID(r.hello.Session), Key: r.key, Stream: stream, Epoch: epoch, Slots: int(slots), SlotSize: size,
		})
		if err != nil {
			t.Fatal(err)
		}
		r.say(&wire.StreamOpen{Stream: stream, Epoch: epoch, Transport: "mem", Local: "mem", Peer: "mem", Slots: slots, SlotSize: size})
		for {
			ready, ok := r.hear().(*wire.StreamReady)
			switch {
			case !ok:
				continue // of a stream before
			case ready.Error == "":
				if st, err := ep.Connect(t.Context(), ready.Offer); err == nil {
					t.Cleanup(func() { _ = st.Close() })
				}
			}
			return ready
		}
	}
	for i := range uint32(incast << 20 / (slots * (size + transport.HeadRoom))) {
		if ready := open(r, i, 0, slots); ready.Error != "" {
			t.Fatalf("stream %d: %+v", i, ready)
		}
	}
	if r := m.Read(); r.Quota.Memory != r.Quota.MaxMemory {
		t.Fatalf("%d bytes of %d are booked", r.Quota.Memory, r.Quota.MaxMemory)
	}
	from := t.TempDir()
	want := manyFiles(t, from, 3)
	for i := range 3 {
		to := fmt.Sprint("honest", i)
		if _, _, err := k.push(contents(t, from), func(c *engine.SendConfig) { c.Target.Path = to + "/" }); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, read(t, filepath.Join(k.dst, to))); diff != "" {
			t.Error("files differ")
		}
	}
	for {
		if f, ok := r.hear().(*wire.Fenced); ok {
			if !f.Short || f.Slots >= slots || f.Error == "" {
				t.Errorf("%+v", f)
			}
			break
		}
	}
	// While another has about its share, it does not get back what it had.
	reads(t, m, "alone", func(r engine.Reading) bool { return r.Quota.Sessions == 1 })
	held := newRogueFor(t, k, &wire.Open{Contents: true}, wire.FeatureShort)
	for i := range uint32(3) {
		if ready := open(held, i, 0, 31); ready.Error != "" {
			t.Fatalf("stream %d of another: %+v", i, ready)
		}
	}
	if ready := open(r, 0, 1, slots); !ready.Short || ready.Slots >= slots || len(ready.Offer) > 0 {
		t.Errorf("%+v", ready)
	}
	r.conn.Abort()
	held.conn.Abort()
	w.within(t, m)
}
