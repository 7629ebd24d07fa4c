package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"scp_rdma/bench/null"
	"scp_rdma/control"
	"scp_rdma/engine"
	"scp_rdma/internal/testkit"
	"scp_rdma/keys"
	"scp_rdma/localfs"
	"scp_rdma/transport"
	"scp_rdma/transport/tcp"
)

// The environment makes this program one end of a transfer.
const (
	envServe = "GROWTH_SERVE"
	envSend  = "GROWTH_SEND" // address, key, work
)

// serve takes transfers until its input ends, or ctx. It says first where, and its key.
func serve(ctx context.Context, stdout io.Writer) error {
	key := keys.New()
	var handle atomic.Pointer[func(net.Conn)] // set before anybody knows the address
	ln, err := control.Listen(ctx, control.ListenConfig{
		Addr: "127.0.0.1:0", Keys: keys.Single("growth", key), Data: func(c net.Conn) { (*handle.Load())(c) },
	})
	if err != nil {
		return err
	}
	tr := tcp.New(tcp.Config{Port: ln.Addr().Port(), Bind: netip.MustParseAddr("127.0.0.1")})
	take := tr.HandleData
	handle.Store(&take)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() { // ends with the process at the latest
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	if _, err := fmt.Fprintln(stdout, ln.Addr(), key.Text()); err != nil {
		return err
	}
	return engine.Serve(ctx, engine.ServeConfig{
		Listener: ln, Transports: transport.NewRegistry(tr), Grace: time.Minute,
		NewSink: func(keys.Holder, localfs.SinkOptions) (engine.Sink, error) { return &null.Sink{}, nil },
	})
}

// perDir is how many files a directory has.
const perDir = 1000

// send does the work, and prints the point without the server's memory.
func send(ctx context.Context, words string, stdout io.Writer) error {
	parts := strings.SplitN(words, " ", 3)
	if len(parts) != 3 {
		return errors.New(envSend + ": address, key and work")
	}
	key, err := keys.Parse(parts[1])
	if err != nil {
		return err
	}
	to, err := netip.ParseAddrPort(parts[0])
	if err != nil {
		return err
	}
	p := point{}
	if err := json.Unmarshal([]byte(parts[2]), &p.work); err != nil {
		return err
	}
	src := &null.Source{Files: p.Files, Size: p.Size}
	if p.Files > 1 {
		src.PerDir = perDir
	}
	begin := time.Now()
	r, err := engine.Send(ctx, engine.SendConfig{
		Server: control.DialConfig{Addr: parts[0], Key: &key}, Transports: transport.NewRegistry(tcp.New(tcp.Config{Peer: to})),
		Source: src, Target: localfs.Target{Contents: true},
	})
	if err != nil {
		return err
	}
	p.Took = time.Since(begin).Seconds()
	if int64(r.Files) != p.Files || int64(r.Bytes) != p.Files*p.Size {
		return fmt.Errorf("%d files of %d bytes in all arrived", r.Files, r.Bytes)
	}
	if p.Client, err = testkit.PeakMemory(os.Getpid()); err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(p)
}
