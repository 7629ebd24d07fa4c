package bench

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"

	"scp_rdma/control"
	"scp_rdma/keys"
)

// BenchmarkHandshake is what knowing each other costs: connecting, preambles,
// TLS 1.3 and both proofs; beside it a bare TCP connection, and a whole transfer
// of one file of 4 KiB in a process that runs already, of which it is a part.
func BenchmarkHandshake(b *testing.B) {
	key := keys.New()
	ln, err := control.Listen(b.Context(), control.ListenConfig{Addr: "127.0.0.1:0", Keys: keys.Single("bench", key)})
	must(b, err)
	b.Cleanup(func() { must(b, ln.Close()) })
	addr := ln.Addr().String()
	b.Run("tcp alone", func(b *testing.B) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(b, err)
		defer l.Close()
		for b.Loop() {
			c, err := net.Dial("tcp", l.Addr().String())
			must(b, err)
			s, err := l.Accept()
			must(b, err)
			must(b, c.Close())
			must(b, s.Close())
		}
	})
	b.Run("handshake", func(b *testing.B) {
		for b.Loop() {
			meet(b, ln, control.DialConfig{Addr: addr, Key: &key})
		}
	})
	b.Run("transfer of one file", func(b *testing.B) {
		src, dst := b.TempDir(), b.TempDir()
		must(b, os.WriteFile(filepath.Join(src, "file"), make([]byte, 4096), 0o600))
		s := serve(b, "tcp")
		for b.Loop() {
			s.push(b, src, dst)
		}
	})
}

func meet(b *testing.B, ln *control.Listener, to control.DialConfig) {
	client := make(chan *control.Conn, 1)
	go func() {
		c, err := control.Dial(context.WithoutCancel(b.Context()), to)
		if err != nil {
			b.Error(err)
		}
		client <- c
	}()
	server, err := ln.Accept(b.Context())
	must(b, err)
	server.Abort()
	if c := <-client; c != nil {
		c.Abort()
	}
}
