package bench

import (
	"fmt"
	"net"
	"testing"

	"scp_rdma/bench/null"
	"scp_rdma/engine"
	"scp_rdma/keys"
	"scp_rdma/localfs"
)

// BenchmarkMemoryToMemory is a whole session between a source and a sink of
// nothing, beside bytes over one bare TCP connection of loopback.
func BenchmarkMemoryToMemory(b *testing.B) {
	b.Run("bare tcp", bareTCP)
	for _, kind := range []string{"tcp", "mem"} {
		for _, c := range []struct {
			n, size int64
			streams int
		}{{1, 1 << 30, 1}, {1, 1 << 30, 4}, {50_000, 4096, 2}} {
			for _, unchecked := range []bool{false, true} {
				b.Run(fmt.Sprintf("%s/%d x %d on %d/unchecked=%v", kind, c.n, c.size, c.streams, unchecked), func(b *testing.B) {
					sink := &null.Sink{}
					s := serveInto(b, kind, func(keys.Holder, localfs.SinkOptions) (engine.Sink, error) { return sink, nil })
					b.SetBytes(c.n * c.size)
					b.ReportAllocs()
					for b.Loop() {
						_, err := engine.Send(b.Context(), engine.SendConfig{
							Server: s.at, Transports: s.client, Source: &null.Source{Files: c.n, Size: c.size}, Streams: c.streams,
							NoChecksum: unchecked, Target: localfs.Target{Contents: true},
						})
						must(b, err)
					}
					if got, want := sink.Bytes.Load(), int64(b.N)*c.n*c.size; got != want {
						b.Errorf("%d bytes came, %d were sent", got, want)
					}
				})
			}
		}
	}
}

// bareTCP moves bytes over loopback with nothing around them.
func bareTCP(b *testing.B) {
	const size = 1 << 30
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(b, err)
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	must(b, err)
	defer c.Close()
	s, err := l.Accept()
	must(b, err)
	defer s.Close()
	b.SetBytes(size)
	out, in := make([]byte, 1<<20), make([]byte, 1<<20)
	for b.Loop() {
		go func() {
			for range size / len(out) {
				_, _ = c.Write(out) // the reader sees what is missing
			}
		}()
		for n := 0; n < size; {
			got, err := s.Read(in)
			must(b, err)
			n += got
		}
	}
}
