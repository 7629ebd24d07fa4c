package engine_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"scp_rdma/engine"
	"scp_rdma/transport/mem"
)

// relay passes connections on to a server, until it cuts them.
type relay struct {
	ln   net.Listener
	mu   sync.Mutex
	to   string
	open []net.Conn
	work sync.WaitGroup
}

// newRelay listens for nobody yet: what ends it may be handed to a server whose
// address is not known.
func newRelay(t *testing.T) *relay {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	r := &relay{ln: ln}
	t.Cleanup(func() {
		r.leave()
		r.work.Wait()
	})
	return r
}

// lead has it pass to an address from now on.
func (r *relay) lead(to string) {
	r.mu.Lock()
	r.to = to
	r.mu.Unlock()
	r.work.Go(r.accept)
}

func (r *relay) target() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.to
}

// leave ends it, and every connection there is.
func (r *relay) leave() {
	_ = r.ln.Close()
	r.cut()
}

func (r *relay) accept() {
	for {
		c, err := r.ln.Accept()
		if err != nil {
			return
		}
		s, err := net.Dial("tcp", r.target())
		if err != nil {
			_ = c.Close()
			continue
		}
		r.mu.Lock()
		r.open = append(r.open, c, s)
		r.mu.Unlock()
		pass := func(to, from net.Conn) {
			buf := make([]byte, 64<<10)
			for {
				n, err := from.Read(buf)
				if _, werr := to.Write(buf[:n]); err != nil || werr != nil {
					_ = to.Close()
					return
				}
			}
		}
		r.work.Go(func() { pass(s, c) })
		r.work.Go(func() { pass(c, s) })
	}
}

// cut ends every connection there is.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.open {
		_ = c.Close()
	}
	r.open = nil
}

// cutting is a sink that calls cut after so many pieces.
func cutting(after int64, cut func()) func(*kit) {
	return func(k *kit) {
		over := make(chan struct{})
		close(over)
		k.sink = func(s engine.Sink) engine.Sink {
			return &breaking{Sink: s, after: after, stop: sync.OnceFunc(cut), over: over}
		}
	}
}

// The connection to the server goes twice; streams go with it. The transfer comes
// again by itself, and sends only what the server doesn't have.
func TestControlThatIsCutComesBack(t *testing.T) {
	const size = 96 << 20
	tr := mem.New()
	r := newRelay(t)
	var cuts int
	var mu sync.Mutex
	k := start(t, remembering(newStateful()), func(k *kit) { k.client, k.server = tr, tr }, cutting(20, func() {
		mu.Lock()
		defer mu.Unlock()
		if cuts < 2 {
			cuts++
			r.cut()
		}
	}))
	r.lead(k.addr)
	dir := sample(t)
	write(t, dir, map[string]string{"huge": random(size)})
	old(t, dir)
	rep, w, err := k.push(contents(t, dir), func(c *engine.SendConfig) { c.Server.Addr = r.ln.Addr().String() })
	if err != nil || rep.Failed > 0 || len(w.problems) > 0 {
		t.Fatalf("send: %v, %+v, %v", err, rep, w.problems)
	}
	same(t, dir, k.dst)
	if rep.Reconnected != 2 || w.lost.Load() < 2 || rep.Files+rep.Skipped != 304 || rep.Resumed != 0 {
		t.Errorf("lost %d times: %+v", w.lost.Load(), rep)
	}
	// Twice the slots in flight and what no journal tells of.
	if most := uint64(size + 8<<20 + 2*40<<20); rep.Rails[0].Bytes > most {
		t.Errorf("%d bytes carried, at most %d expected", rep.Rails[0].Bytes, most)
	}
}

// A server that names another address is found there when the first is gone.
func TestAnotherAddressIsTried(t *testing.T) {
	tr := mem.New()
	r := newRelay(t)
	k := start(t, remembering(newStateful()), func(k *kit) { k.client, k.server = tr, tr }, cutting(5, r.leave),
		func(k *kit) { k.addrs = func() []string { return []string{r.target()} } })
	r.lead(k.addr)
	dir := t.TempDir()
	write(t, dir, map[string]string{"huge": random(32 << 20)})
	old(t, dir)
	rep, _, err := k.push(contents(t, dir), func(c *engine.SendConfig) { c.Server.Addr = r.ln.Addr().String() })
	if err != nil || rep.Reconnected != 1 {
		t.Fatalf("send: %v, %+v", err, rep)
	}
	same(t, dir, k.dst)
}

func TestAServerThatStaysAwayIsGivenUp(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"huge": random(32 << 20)})
	for _, retry := range []time.Duration{-1, 300 * time.Millisecond} {
		tr := mem.New()
		r := newRelay(t)
		k := start(t, remembering(newStateful()), func(k *kit) { k.client, k.server, k.left = tr, tr, true }, cutting(5, r.leave))
		r.lead(k.addr)
		rep, w, err := k.push(contents(t, dir), func(c *engine.SendConfig) {
			c.Server.Addr, c.RetryFor = r.ln.Addr().String(), retry
		})
		if err == nil || rep.Reconnected > 0 || (w.lost.Load() > 0) != (retry > 0) {
			t.Errorf("send, trying for %v: %v, lost %d times", retry, err, w.lost.Load())
		}
		if retry < 0 && !errors.Is(err, engine.ErrPeerLost) {
			t.Errorf("send: %v", err)
		}
	}
}

// Two clients send the same large file to the same place: one of them is told, and
// what gets the name is whole.
func TestOnlyTheContestedFileFails(t *testing.T) {
	started, release := make(chan struct{}, 100), make(chan struct{})
	k := start(t, remembering(newStateful()), func(k *kit) {
		k.sink = func(s engine.Sink) engine.Sink {
			return &breaking{Sink: s, after: 1, stop: func() { started <- struct{}{} }, over: release}
		}
	})
	dir := t.TempDir()
	write(t, dir, map[string]string{"huge": random(16 << 20), "other": "o"})
	first := make(chan error, 1)
	go func() {
		_, _, err := k.push(contents(t, dir))
		first <- err
	}()
	waitOn(t, started)
	other := t.TempDir()
	write(t, other, map[string]string{"huge": random(12 << 20), "more": "m"})
	r, w, err := k.push(contents(t, other))
	if err != nil || r.Failed != 1 || r.Files != 1 || len(w.problems) != 1 {
		t.Errorf("the second: %v, %+v, %v", err, r, w.problems)
	}
	close(release)
	if err := waitOn(t, first); err != nil {
		t.Error(err)
	}
	write(t, dir, map[string]string{"more": "m"})
	same(t, dir, k.dst)
}

// A client that was killed comes again while its first session still has the file.
func TestARetryWaitsForItsPredecessor(t *testing.T) {
	over := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	k := start(t, remembering(newStateful()), func(k *kit) {
		k.sink = func(s engine.Sink) engine.Sink { return &breaking{Sink: s, after: 10, stop: cancel, over: over} }
	})
	dir := t.TempDir()
	write(t, dir, map[string]string{"huge": random(24 << 20)})
	old(t, dir)
	if _, _, err := k.pushCtx(ctx, contents(t, dir)); err == nil {
		t.Fatal("not interrupted")
	}
	// Its session hangs in a write. The next gets the file once that is over.
	done := make(chan error, 1)
	go func() {
		_, _, err := k.push(contents(t, dir))
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	close(over)
	if err := waitOn(t, done); err != nil {
		t.Fatal(err)
	}
	same(t, dir, k.dst)
}

// The same command continues a directory that it has begun, and does not put it in
// there once more.
func TestADirectoryThatWasBegunIsContinued(t *testing.T) {
	for _, known := range []bool{true, false} {
		m := newStateful()
		k := start(t, remembering(m))
		dir := t.TempDir()
		write(t, dir, map[string]string{"huge": random(16 << 20), "a": "a"})
		old(t, dir)
		into := func(c *engine.SendConfig) { c.Target.Contents, c.Target.Tops, c.Target.Path = false, 1, "new" }
		k.brokenAt(m, top(t, dir), 9, into)
		if !known {
			m.secret = newStateful().secret
		}
		r, _, err := k.push(top(t, dir), into)
		if err != nil {
			t.Fatal(err)
		}
		at := k.dst + "/new"
		if !known {
			at += "/" + base(dir)
			k.left = true
		}
		same(t, dir, at)
		if known && (r.Resumed == 0 || len(hidden(t, k.dst)) > 0) {
			t.Errorf("report %+v, left %v", r, hidden(t, k.dst))
		}
		if !known {
			continue
		}
		if _, _, err := k.push(top(t, dir), into); err != nil {
			t.Fatal(err)
		}
		same(t, dir, at+"/"+base(dir)) // it is done: now it is a place like any other
	}
}

// cutAtEnd is a sink that loses the client when all is done and before it hears so.
type cutAtEnd struct {
	engine.Sink
	cut func()
}

func (s cutAtEnd) Sync() error {
	s.cut()
	return s.Sink.Sync()
}

func TestACommandMeansTheSameUntilItsClientKnowsThatAllIsDone(t *testing.T) {
	tr := mem.New()
	r := newRelay(t)
	m := newStateful()
	k := start(t, remembering(m), func(k *kit) {
		k.client, k.server = tr, tr
		k.sink = func(s engine.Sink) engine.Sink { return cutAtEnd{s, func() { r.cut() }} }
	})
	r.lead(k.addr)
	dir := t.TempDir()
	write(t, dir, map[string]string{"a": "a"})
	old(t, dir)
	to := func(c *engine.SendConfig) { c.Target.Contents, c.Target.Tops, c.Target.Path = false, 1, "new" }
	_, _, err := k.push(top(t, dir), to, func(c *engine.SendConfig) { c.Server.Addr, c.RetryFor = r.ln.Addr().String(), -1 })
	if err == nil {
		t.Fatal("it was not cut")
	}
	waitOn(t, k.sessions)
	if r, _, err := k.push(top(t, dir), to); err != nil || r.Skipped != 1 {
		t.Fatalf("again: %v, %+v", err, r)
	}
	same(t, dir, k.dst+"/new")
}
