package engine_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"scp_rdma/control"
	"scp_rdma/engine"
	"scp_rdma/keys"
	"scp_rdma/localfs"
	"scp_rdma/transport"
	"scp_rdma/transport/mem"
)

// A server and a transfer to it, in one process.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	from, to := tempDir("greeting"), tempDir()
	tr := transport.NewRegistry(mem.New())
	key := keys.New() // both ends load it from a file

	ln, err := control.Listen(ctx, control.ListenConfig{Addr: "127.0.0.1:0", Keys: keys.Single("me", key)})
	check(err)
	root, err := localfs.OpenRoot(to, true)
	check(err)
	served := make(chan error)
	go func() {
		newSink := func(h keys.Holder, o localfs.SinkOptions) (engine.Sink, error) { return root.SinkAt(h.Dir, o) }
		served <- engine.Serve(ctx, engine.ServeConfig{Listener: ln, Transports: tr, NewSink: newSink, Grace: time.Minute})
	}()

	src, err := localfs.OpenSource([]string{from + "/greeting"}, localfs.SourceOptions{})
	check(err)
	report, err := engine.Send(ctx, engine.SendConfig{
		Server:     control.DialConfig{Addr: ln.Addr().String(), Key: &key},
		Transports: tr, Source: src, Target: localfs.Target{Tops: 1},
	})
	check(err)
	fmt.Println(report.Files, "file,", report.Bytes, "bytes over", report.Transport)
	stop()
	check(<-served)
	// Output: 1 file, 5 bytes over mem
}

func tempDir(names ...string) string {
	dir, err := os.MkdirTemp("", "example")
	check(err)
	for _, n := range names {
		check(os.WriteFile(dir+"/"+n, []byte("hello"), 0o600))
	}
	return dir
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
