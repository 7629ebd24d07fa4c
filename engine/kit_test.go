package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"scp_rdma/control"
	"scp_rdma/engine"
	"scp_rdma/keys"
	"scp_rdma/localfs"
	"scp_rdma/transport"
	"scp_rdma/transport/mem"
	"scp_rdma/transport/tcp"
	"scp_rdma/transport/transporttest"
)

// patience bounds every wait of these tests; none should come near it.
const patience = 60 * time.Second

// kit is a server on loopback with a directory of its own.
type kit struct {
	t        *testing.T
	dst      string
	addr     string
	client   transport.Transport
	server   transport.Transport
	others   []transport.Transport // of the server, after that
	stop     context.CancelFunc
	done     chan error
	sessions chan ended
	sink     func(engine.Sink) engine.Sink
	source   func(engine.Offer) engine.Offer
	limits   engine.Limits
	quota    engine.Quota
	key      *keys.Key
	ring     *keys.Ring
	grant    localfs.SinkOptions
	grace    time.Duration
	once     bool
	describe func(context.Context) []byte
	state    engine.State
	addrs    func() []string
	encrypt  bool // the server takes nothing else
	left     bool // temporaries may be left in the end
	faults   faults
	limit    *engine.Limiter // nil: none
	admits   func(keys.Holder) error
	running  *engine.Server
	purse    *purse // of every key; nil: there is no bound
	begun    chan engine.SessionInfo
	meter    *engine.Meter // nil: nobody watches
}

// faults are those of either end, and how a transfer must be for them to matter.
type faults struct {
	client, server transporttest.Plan
	slots, size    int // 0: as ever
}

type ended struct {
	report engine.Report
	err    error
}

func (k *kit) Started(s engine.SessionInfo) {
	select {
	case k.begun <- s:
	default: // nobody looks
	}
}

func (k *kit) Ended(_ engine.SessionInfo, r engine.Report, err error) {
	k.sessions <- ended{r, err}
}

// kinds are the transports that every test of this package may run over.
func kinds() map[string]func(k *kit) {
	return map[string]func(k *kit){
		"mem": func(k *kit) { tr := mem.New(); k.client, k.server = tr, tr },
		"tcp": func(*kit) {},
	}
}

// dial says how to come in.
func (k *kit) dial() control.DialConfig { return control.DialConfig{Addr: k.addr, Key: k.key} }

// start runs the server; options come first. Without transports it is tcp.
func start(t *testing.T, options ...func(*kit)) *kit {
	t.Helper()
	key := keys.New()
	k := &kit{t: t, key: &key, ring: keys.Single("tests", key), done: make(chan error, 1), sessions: make(chan ended, 100), begun: make(chan engine.SessionInfo, 100)}
	for _, o := range options {
		o(k)
	}
	if k.dst == "" {
		k.dst = t.TempDir()
	}
	ctx, cancel := context.WithCancel(t.Context())
	k.stop = cancel
	var data func(net.Conn)
	ln, err := control.Listen(ctx, control.ListenConfig{Addr: "127.0.0.1:0", Keys: k.ring, Data: func(c net.Conn) {
		if data == nil {
			_ = c.Close()
			return
		}
		data(c)
	}})
	if err != nil {
		t.Fatal(err)
	}
	k.addr = ln.Addr().String()
	if k.server == nil {
		tr := tcp.New(tcp.Config{Port: ln.Addr().Port(), Bind: netip.MustParseAddr("127.0.0.1")})
		data, k.server = tr.HandleData, tr
	}
	if k.client == nil {
		k.client = tcp.New(tcp.Config{Peer: ln.Addr()})
	}
	k.client, k.server = transporttest.Faulty(k.client, k.faults.client), transporttest.Faulty(k.server, k.faults.server)
	root, err := localfs.OpenRoot(k.dst, false)
	if err != nil {
		t.Fatal(err)
	}
	k.running = engine.NewServer(engine.ServeConfig{
		Listener: ln, Transports: transport.NewRegistry(append([]transport.Transport{k.server}, k.others...)...), Grant: k.grant, Limits: k.limits, Quota: k.quota,
		NewSink: func(h keys.Holder, o localfs.SinkOptions) (engine.Sink, error) {
			at, err := root.SinkAt(h.Dir, o)
			if err != nil {
				return nil, err
			}
			var s engine.Sink = at
			if o.Dry {
				s = localfs.Dry{Sink: at}
			}
			if k.sink != nil {
				s = k.sink(s)
			}
			return s, nil
		},
		NewSource: func(h keys.Holder, paths []string, o localfs.SourceOptions) (engine.Offer, error) {
			s, err := root.SourceAt(h.Dir, paths, o)
			if err != nil || k.source == nil {
				return s, err
			}
			return k.source(s), nil
		},
		Observer: k, Grace: k.grace, Once: k.once, Describe: k.describe, State: k.state, Addrs: k.addrs, Encrypt: k.encrypt, Limit: k.limit, Admits: k.admits, Meter: k.meter,
		Allowance: func(keys.Holder) (engine.Allowance, error) {
			if k.purse == nil {
				return nil, nil
			}
			k.purse.sessions.Add(1)
			return k.purse, nil
		},
	})
	go func() { k.done <- k.running.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if k.done != nil {
			waitOn(t, k.done)
		}
		if err := root.Close(); err != nil {
			t.Errorf("close root: %v", err)
		}
		if !k.left {
			k.nothingHidden()
		}
	})
	return k
}

func waitOn[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatal("nothing happened")
		panic("unreachable")
	}
}

// nothingHidden: whatever happened, no temporary is left.
func (k *kit) nothingHidden() {
	k.t.Helper()
	err := filepath.WalkDir(k.dst, func(path string, _ fs.DirEntry, err error) error {
		if strings.HasPrefix(filepath.Base(path), ".scp_rdma.") {
			k.t.Errorf("left behind: %s", path)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		k.t.Error(err)
	}
}

// watch gathers what an observer sees.
type watch struct {
	mu       sync.Mutex
	problems []engine.Problem
	snapshot func() engine.Snapshot
	busy     atomic.Int64
	lost     atomic.Int64
	scarce   atomic.Int64
	stalled  atomic.Int64
	chosen   []choice
	would    []string
	rails    []engine.RailChange
}

// choice is what an observer heard of a transport.
type choice struct {
	transport string
	passed    []error
}

func (w *watch) Lost(error, time.Duration) { w.lost.Add(1) }

func (w *watch) Stalled(time.Duration) { w.stalled.Add(1) }

func (w *watch) RailChanged(c engine.RailChange) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rails = append(w.rails, c)
}

func (w *watch) Scarce(need, free uint64) { w.scarce.Add(1) }

func (w *watch) Busy(error, time.Duration) { w.busy.Add(1) }

func (w *watch) Chosen(transport string, passed []error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.chosen = append(w.chosen, choice{transport, passed})
}

func (w *watch) Would(path string, size int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.would = append(w.would, fmt.Sprintf("%s %d", path, size))
}

func (w *watch) Watch(snapshot func() engine.Snapshot) { w.snapshot = snapshot }

func (w *watch) Problem(p engine.Problem) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.problems = append(w.problems, p)
}

// push sends a directory's contents to the server's directory.
func (k *kit) push(src engine.Source, options ...func(*engine.SendConfig)) (*engine.Report, *watch, error) {
	return k.pushCtx(k.t.Context(), src, options...)
}

func (k *kit) pushCtx(ctx context.Context, src engine.Source, options ...func(*engine.SendConfig)) (*engine.Report, *watch, error) {
	k.t.Helper()
	w := &watch{}
	cfg := engine.SendConfig{
		Server: k.dial(), Transports: transport.NewRegistry(k.client), Streams: 2,
		Source: src, Target: localfs.Target{Contents: true}, Observer: w,
		Slots: k.faults.slots, SlotSize: k.faults.size,
	}
	for _, o := range options {
		o(&cfg)
	}
	r, err := engine.Send(ctx, cfg)
	return r, w, err
}

// contents opens dir as a source of its contents.
func contents(t *testing.T, dir string) *localfs.Source {
	t.Helper()
	src, err := localfs.OpenSource([]string{dir + "/."}, localfs.SourceOptions{Problem: func(path string, err error) {
		t.Errorf("source: %s: %v", path, err)
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = src.Close() })
	return src
}

// write makes files below dir: name -> contents.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// read gives the files below dir: name -> contents.
func read(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, dir+"/")] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// errNoSpace is what a full file system says.
var errNoSpace error = syscall.ENOSPC
