package bench

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"scp_rdma/control"
	"scp_rdma/engine"
	"scp_rdma/keys"
	"scp_rdma/localfs"
	"scp_rdma/transport"
	"scp_rdma/transport/mem"
	"scp_rdma/transport/tcp"
)

// trees are what is sent.
func trees() map[string]func(b *testing.B, dir string) {
	random := func(b *testing.B, path string, n int) {
		p := make([]byte, n)
		rand.Read(p) // never fails
		must(b, os.WriteFile(path, p, 0o600))
	}
	return map[string]func(b *testing.B, dir string){
		"one file of 512 MiB": func(b *testing.B, dir string) { random(b, filepath.Join(dir, "large"), 512<<20) },
		"5000 files of 4 KiB": func(b *testing.B, dir string) {
			for d := range 50 {
				sub := filepath.Join(dir, fmt.Sprint(d))
				must(b, os.Mkdir(sub, 0o700))
				for f := range 100 {
					random(b, filepath.Join(sub, fmt.Sprint(f)), 4096)
				}
			}
		},
	}
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// folder makes a directory in memory if there is room, else on disk.
func folder(b *testing.B) string {
	b.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "bench") //nolint:usetesting // in a file system of its own choice
	if err != nil {
		return b.TempDir()
	}
	b.Cleanup(func() { must(b, os.RemoveAll(dir)) })
	return dir
}

// weigh is the size and the number of files of a tree.
func weigh(b *testing.B, dir string) (size, files int64) {
	b.Helper()
	must(b, filepath.Walk(dir, func(_ string, st os.FileInfo, err error) error {
		if err == nil && st.Mode().IsRegular() {
			size += st.Size()
			files++
		}
		return err
	}))
	return size, files
}

func BenchmarkTransfer(b *testing.B) {
	for name, fill := range trees() {
		src := folder(b)
		fill(b, src)
		size, files := weigh(b, src)
		measure := func(what string, once func(b *testing.B, dst string)) {
			b.Run(name+"/"+what, func(b *testing.B) {
				dst := folder(b)
				b.SetBytes(size)
				for b.Loop() {
					once(b, filepath.Join(dst, "t"))
					b.StopTimer()
					must(b, os.RemoveAll(filepath.Join(dst, "t")))
					b.StartTimer()
				}
				b.ReportMetric(float64(files)*float64(b.N)/b.Elapsed().Seconds(), "files/s")
			})
		}
		measure("cp -r", func(b *testing.B, dst string) { must(b, exec.Command("cp", "-r", src, dst).Run()) })
		for _, kind := range []string{"tcp", "mem"} {
			s := serve(b, kind)
			measure(kind, func(b *testing.B, dst string) { s.push(b, src, dst) })
		}
	}
}

// server is a running server whose directory is the root of the file system of
// the benchmarks' folders.
type server struct {
	at     control.DialConfig
	client *transport.Registry
}

func serve(b *testing.B, kind string) server {
	b.Helper()
	root, err := localfs.OpenRoot("/", false)
	must(b, err)
	b.Cleanup(func() { must(b, root.Close()) }) // after the server has ended
	return serveInto(b, kind, func(_ keys.Holder, o localfs.SinkOptions) (engine.Sink, error) { return root.Sink(o), nil })
}

// serveInto is a running server with sinks of the benchmark's own.
func serveInto(b *testing.B, kind string, newSink func(keys.Holder, localfs.SinkOptions) (engine.Sink, error)) server {
	b.Helper()
	key := keys.New()
	var handle atomic.Pointer[func(net.Conn)] // set before the first client comes
	ln, err := control.Listen(b.Context(), control.ListenConfig{
		Addr: "127.0.0.1:0", Keys: keys.Single("bench", key), Data: func(c net.Conn) { (*handle.Load())(c) },
	})
	must(b, err)
	var mine, theirs transport.Transport
	switch kind {
	case "mem":
		tr := mem.New()
		mine, theirs = tr, tr
	case "tcp":
		tr := tcp.New(tcp.Config{Port: ln.Addr().Port(), Bind: netip.MustParseAddr("127.0.0.1")})
		take := tr.HandleData
		handle.Store(&take)
		mine, theirs = tcp.New(tcp.Config{Peer: ln.Addr()}), tr
	}
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() {
		done <- engine.Serve(ctx, engine.ServeConfig{
			Listener: ln, Transports: transport.NewRegistry(theirs), NewSink: newSink, Grace: time.Minute,
		})
	}()
	b.Cleanup(func() {
		stop()
		must(b, <-done)
	})
	return server{at: control.DialConfig{Addr: ln.Addr().String(), Key: &key}, client: transport.NewRegistry(mine)}
}

func (s server) push(b *testing.B, src, dst string) {
	source, err := localfs.OpenSource([]string{src + "/."}, localfs.SourceOptions{})
	must(b, err)
	r, err := engine.Send(b.Context(), engine.SendConfig{
		Server: s.at, Transports: s.client, Source: source, Target: localfs.Target{Path: dst, Contents: true},
	})
	must(b, err)
	must(b, source.Close())
	if r.Failed > 0 {
		b.Fatalf("%d entries failed", r.Failed)
	}
}
