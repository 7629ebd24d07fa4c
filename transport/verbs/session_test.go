package verbs_test

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"testing"
	"time"

	"scp_rdma/control"
	"scp_rdma/engine"
	"scp_rdma/keys"
	"scp_rdma/localfs"
	"scp_rdma/transport"
	"scp_rdma/transport/verbs"
)

// served is a server that runs until the test ends.
type served struct {
	addr  string
	key   keys.Key
	dst   string
	ended chan error // of each session, what it ended with
	stop  func(t *testing.T)
}

func (s *served) Started(engine.SessionInfo) {}

func (s *served) Ended(_ engine.SessionInfo, _ engine.Report, err error) { s.ended <- err }

// serve receives over devices into a directory of its own.
func serve(t *testing.T, transports ...transport.Transport) *served {
	t.Helper()
	s := &served{key: keys.New(), dst: t.TempDir(), ended: make(chan error, 100)}
	ln, err := control.Listen(t.Context(), control.ListenConfig{Addr: "127.0.0.1:0", Keys: keys.Single("test", s.key)})
	check(t, err)
	s.addr = ln.Addr().String()
	root, err := localfs.OpenRoot(s.dst, true)
	check(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() {
		done <- engine.Serve(ctx, engine.ServeConfig{
			Listener: ln, Transports: transport.NewRegistry(transports...), Grace: time.Minute, Observer: s,
			Quota:   engine.Quota{Memory: 8 << 30}, // of which each session has a share, used or not
			NewSink: func(_ keys.Holder, o localfs.SinkOptions) (engine.Sink, error) { return root.Sink(o), nil },
		})
	}()
	stopped := false
	s.stop = func(t *testing.T) {
		t.Helper()
		if !stopped {
			stopped = true
			cancel()
			check(t, errors.Join(<-done, root.Close()))
		}
	}
	t.Cleanup(func() { s.stop(t) })
	return s
}

// send sends what is in a directory.
func (s *served) send(ctx context.Context, t *testing.T, src string, tune func(*engine.SendConfig), transports ...transport.Transport) (*engine.Report, error) {
	t.Helper()
	source, err := localfs.OpenSource([]string{src + "/."}, localfs.SourceOptions{})
	check(t, err)
	defer func() { check(t, source.Close()) }()
	cfg := engine.SendConfig{
		Server: control.DialConfig{Addr: s.addr, Key: &s.key}, Transports: transport.NewRegistry(transports...),
		Source: source, Target: localfs.Target{Contents: true},
	}
	tune(&cfg)
	return engine.Send(ctx, cfg)
}

// quick is an ACK timeout of 67 ms: many of these peers die.
const quick = 14

// over is the transport over a host's devices.
func over(devices verbs.Provider) transport.Transport {
	return verbs.New(verbs.Config{Devices: devices, StrictRNR: true, AckTimeout: quick})
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func fill(t *testing.T, path string, n int) {
	t.Helper()
	b := make([]byte, n)
	rand.Read(b) // never fails
	check(t, os.WriteFile(path, b, 0o600))
}
