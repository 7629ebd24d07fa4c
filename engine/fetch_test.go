package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"scp_rdma/control"
	"scp_rdma/engine"
	"scp_rdma/keys"
	"scp_rdma/localfs"
	"scp_rdma/transport"
	"scp_rdma/wire"
)

// fetch asks the server for paths and puts what comes into a new directory.
func (k *kit) fetch(paths []string, options ...func(*engine.FetchConfig)) (string, *engine.Report, *watch, error) {
	k.t.Helper()
	dst := k.t.TempDir()
	r, w, err := k.fetchTo(dst, paths, options...)
	return dst, r, w, err
}

func (k *kit) fetchTo(dst string, paths []string, options ...func(*engine.FetchConfig)) (*engine.Report, *watch, error) {
	k.t.Helper()
	root, err := localfs.OpenRoot(dst, false)
	if err != nil {
		k.t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	w := &watch{}
	cfg := engine.FetchConfig{
		Server: k.dial(), Transports: transport.NewRegistry(k.client), Streams: 2, Paths: paths,
		NewSink:  func(o localfs.SinkOptions) (engine.Sink, error) { return root.SinkAt("", o) },
		Observer: w, Slots: k.faults.slots, SlotSize: k.faults.size,
	}
	for _, o := range options {
		o(&cfg)
	}
	r, err := engine.Fetch(k.t.Context(), cfg)
	return r, w, err
}

// serving is a server whose directory has a sample.
func serving(t *testing.T, options ...func(*kit)) *kit {
	t.Helper()
	dir := sample(t)
	return start(t, append([]func(*kit){func(k *kit) { k.dst = dir }}, options...)...)
}

func TestATreeIsFetchedOverEveryTransport(t *testing.T) {
	for name, kind := range kinds() {
		for _, streams := range []int{0, 1, 4, 16} {
			for _, encrypt := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s with %d streams, encrypted %v", name, streams, encrypt), func(t *testing.T) {
					t.Parallel()
					k := serving(t, kind)
					how := func(c *engine.FetchConfig) { c.Streams, c.Encrypt = streams, encrypt }
					dst, r, w, err := k.fetch([]string{""}, how)
					if err != nil || len(w.problems) > 0 {
						t.Fatalf("fetch: %v, problems %v", err, w.problems)
					}
					same(t, k.dst, dst)
					if r.Files != 303 || r.Dirs != 11 || r.Failed != 0 || r.Transport != name || r.Encrypted != encrypt || r.Rails[0].Bytes < 6_400_000 {
						t.Errorf("report %+v", r)
					}
					if s := waitOn(t, k.sessions); s.err != nil || s.report.Files != r.Files || s.report.Bytes != r.Bytes || s.report.Transport != name {
						t.Errorf("the server saw %+v", s)
					}
					snap := w.snapshot()
					if !snap.WalkDone || snap.Files != 303 || snap.FilesDone != 303 || snap.Bytes != r.Bytes || snap.BytesDone != r.Bytes {
						t.Errorf("at the end it shows %+v", snap)
					}
					// Once more: all is there.
					if r, _, err := k.fetchTo(dst, []string{""}, how, func(c *engine.FetchConfig) { c.ModifyWindow = time.Hour }); err != nil || r.Skipped+r.Files != 303 {
						t.Errorf("again: %v, %+v", err, r)
					}
				})
			}
		}
	}
}

func TestWhatIsAskedForIsFetchedAndNothingElse(t *testing.T) {
	k := serving(t)
	for _, tt := range []struct {
		paths  []string
		target localfs.Target
		want   string
	}{
		{[]string{"large"}, localfs.Target{}, "large"},
		{[]string{"large"}, localfs.Target{Path: "x"}, "x"},
		{[]string{"a/b"}, localfs.Target{}, "b/c/deep"},
		{[]string{"a/b/."}, localfs.Target{Path: "new"}, "new/c/deep"},
		{[]string{"empt?", "a/b/*"}, localfs.Target{}, "c/deep empty"},
	} {
		dst, _, w, err := k.fetch(tt.paths, func(c *engine.FetchConfig) { c.Target = tt.target })
		if err != nil || len(w.problems) > 0 {
			t.Errorf("%q: %v %v", tt.paths, err, w.problems)
			continue
		}
		if got := strings.Join(names(t, dst), " "); got != tt.want {
			t.Errorf("%q to %+v: %s, want %s", tt.paths, tt.target, got, tt.want)
		}
	}
}

// names lists the files below dir.
func names(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			list = append(list, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestWhatAServerDoesNotSendIsTold(t *testing.T) {
	k := serving(t)
	if err := errors.Join(unix.Mkfifo(filepath.Join(k.dst, "fifo"), 0o600), os.Symlink("/etc", filepath.Join(k.dst, "out"))); err != nil {
		t.Fatal(err)
	}
	_, r, w, err := k.fetch([]string{"", "no"})
	if err != nil || r.Files != 303 {
		t.Fatalf("%v %+v", err, r)
	}
	told := map[string]string{}
	for _, p := range w.problems {
		told[p.Path] = fmt.Sprintf("%v special %v sent %v", p.Err, errors.Is(p.Err, localfs.ErrSpecial), p.Sent)
	}
	for path, want := range map[string]string{"no": "special false sent false", "fifo": "special true sent false", "out": "sent true"} {
		if !strings.Contains(told[path], want) {
			t.Errorf("of %s: %q", path, told[path])
		}
	}
	for _, paths := range [][]string{{"no"}, {"../x"}, {"out/passwd"}, {"no*"}, {"a/b/c/deep", "d0/../a"}, {"a/b/c/deep", "a/*/c/deep"}} {
		_, _, _, err := k.fetch(paths)
		var remote *engine.RemoteError
		if paths[0] != "a/b/c/deep" && !errors.As(err, &remote) || paths[0] == "a/b/c/deep" && len(paths[1]) == 8 && !errors.As(err, &remote) {
			t.Errorf("%q: %v", paths, err)
		}
	}
}

// Rights are per key, and so is the directory.
func TestWhoMayFetch(t *testing.T) {
	for line, want := range map[string]bool{"": true, " rights=read": true, " rights=write": false, " rights=read,write dir=a": true} {
		key := keys.New()
		ring, err := keys.ParseRing("alice " + key.Text() + line)
		if err != nil {
			t.Fatal(err)
		}
		k := serving(t, func(k *kit) { k.ring, k.key = ring, &key })
		dst, _, _, err := k.fetch([]string{""})
		var remote *engine.RemoteError
		if want && err != nil || !want && (!errors.As(err, &remote) || remote.Code != wire.ByeAuth) {
			t.Errorf("%q: %v", line, err)
		}
		if strings.Contains(line, "dir=a") && strings.Join(names(t, dst), " ") != "b/c/deep" {
			t.Errorf("%q: %v", line, names(t, dst))
		}
	}
}

// A half file that is there is gone on from.
func TestAFetchThatBrokeOffGoesOn(t *testing.T) {
	everywhere(t, func(t *testing.T, kind func(k *kit)) {
		k := start(t, kind)
		write(t, k.dst, map[string]string{"big": noise(40 << 20)})
		old(t, k.dst)
		st, dst := newStateful(), t.TempDir()
		root, err := localfs.OpenRoot(dst, false)
		must(t, err)
		defer func() { _ = root.Close() }()
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan struct{})
		close(over)
		cfg := engine.FetchConfig{
			Server: k.dial(), Transports: transport.NewRegistry(k.client), Paths: []string{"big"}, State: st,
			NewSink: func(o localfs.SinkOptions) (engine.Sink, error) {
				s, err := root.SinkAt("", o)
				return &breaking{Sink: s, after: 25, stop: cancel, over: over}, err
			},
		}
		if _, err := engine.Fetch(ctx, cfg); err == nil {
			t.Fatal("it was not interrupted")
		}
		cfg.NewSink = func(o localfs.SinkOptions) (engine.Sink, error) { return root.SinkAt("", o) }
		r, err := engine.Fetch(t.Context(), cfg)
		if err != nil || r.Resumed < 8<<20 || r.Files != 1 {
			t.Fatalf("%v, %+v", err, r)
		}
		same(t, k.dst, dst)
		if left := hidden(t, dst); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
}

// A server that sends what nobody asked for is not to be trusted (CVE-2019-6111 of scp).
func TestAServerThatSendsSomethingElseIsRefused(t *testing.T) {
	for asked, names := range map[string][]string{"file": {"evil"}, "*.txt": {"a.txt", ".bashrc"}, "a/b": {"a"}} {
		key := keys.New()
		ln, err := control.Listen(t.Context(), control.ListenConfig{Addr: "127.0.0.1:0", Keys: keys.Single("", key)})
		if err != nil {
			t.Fatal(err)
		}
		k := &kit{t: t, key: &key, addr: ln.Addr().String()}
		kinds()["mem"](k)
		done := make(chan error, 1)
		go func() { done <- k.sendUnasked(ln, names) }()
		dst, _, _, err := k.fetch([]string{asked})
		if !errors.Is(err, engine.ErrProtocol) {
			t.Errorf("%q: %v", asked, err)
		}
		if err := waitOn(t, done); err != nil {
			t.Error(err)
		}
		entries, err := os.ReadDir(dst)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Name() != "a.txt" {
				t.Errorf("%q: %s is there", asked, e.Name())
			}
		}
		if err := ln.Close(); err != nil {
			t.Error(err)
		}
	}
}

// sendUnasked is a server that announces directories of its own choice.
func (k *kit) sendUnasked(ln *control.Listener, names []string) error {
	conn, err := ln.Accept(k.t.Context())
	if err != nil {
		return err
	}
	defer conn.Abort()
	rails, err := k.server.Probe(k.t.Context())
	if err != nil {
		return err
	}
	set := wire.RailSet{Transport: k.server.Name()}
	for _, r := range rails {
		set.Rails = append(set.Rails, wire.Rail{Name: r.Name, Info: r.Info})
	}
	if _, err := conn.Recv(k.t.Context()); err != nil { // its hello
		return err
	}
	hello := &wire.Hello{
		Version: wire.Version, Session: make([]byte, 16), Rails: []wire.RailSet{set}, Features: []string{wire.FeatureFetch},
		Limits: wire.Limits{Streams: 1, Slots: 1, SlotSize: 4096, Window: 10},
	}
	if err := conn.Send(hello); err != nil {
		return err
	}
	if _, err := conn.Recv(k.t.Context()); err != nil { // what it asks for
		return err
	}
	var list []wire.Entry
	for i, n := range names {
		list = append(list, wire.Entry{ID: uint64(i + 1), Kind: wire.KindDir, Name: []byte(n), Mode: 0o755})
	}
	for _, m := range []wire.Message{&wire.Open{Tops: uint32(len(names))}, &wire.Entries{List: list}} {
		if err := conn.Send(m); err != nil {
			return err
		}
	}
	for { // until it leaves
		m, err := conn.Recv(k.t.Context())
		if err != nil {
			return nil
		}
		if bye, ok := m.(*wire.Bye); ok {
			if bye.Code != wire.ByeProtocol {
				return fmt.Errorf("it leaves with %+v", bye)
			}
			return nil
		}
	}
}
