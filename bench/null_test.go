package bench

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"sync/atomic"
	"testing"

	"scp_rdma/engine"
	"scp_rdma/keys"
	"scp_rdma/localfs"
)

// nullSource is n files of one size that nobody reads: what is left of a
// transfer is planning, framing, flow control and the transport.
type nullSource struct {
	n, size int64
	at      int64
}

var _ engine.Source = (*nullSource)(nil)

func (s *nullSource) Next() (*localfs.Entry, error) {
	if s.at == s.n {
		return nil, io.EOF
	}
	s.at++
	return &localfs.Entry{ID: uint64(s.at), Kind: localfs.KindFile, Name: strconv.FormatInt(s.at, 10), Size: s.size}, nil
}

func (s *nullSource) Open(*localfs.Entry) (localfs.SourceFile, error)  { return nullFile{s.size}, nil }
func (s *nullSource) ReadFile(*localfs.Entry, []byte) error            { return nil }
func (s *nullSource) Restat(e *localfs.Entry) (*localfs.Entry, error)  { return e, nil }
func (s *nullSource) Path(e *localfs.Entry) string                     { return e.Name }
func (s *nullSource) Identity() (bootID []byte, dirs []localfs.FileID) { return nil, nil }
func (s *nullSource) Name() []byte                                     { return make([]byte, 32) }
func (s *nullSource) Rewind() error                                    { s.at = 0; return nil }

type nullFile struct{ size int64 }

func (nullFile) ReadAt([]byte, int64) error { return nil }
func (f nullFile) NextData(off int64) (start, end int64, err error) {
	return off, f.size, nil
}
func (nullFile) Verify() error { return nil }
func (nullFile) Close() error  { return nil }

// nullSink takes everything and keeps nothing, so that nothing is ever gone on from.
type nullSink struct {
	engine.Sink // for what is never called
	bytes       atomic.Int64
}

var _ engine.Sink = (*nullSink)(nil)

func (s *nullSink) Resolve(localfs.Target) (localfs.Base, error) {
	return localfs.Base{Dir: &localfs.Dir{}, Path: "."}, nil
}
func (s *nullSink) Path() string                                             { return "" }
func (s *nullSink) Free() (uint64, error)                                    { return 0, nil }
func (s *nullSink) Look(localfs.Put) (localfs.Found, bool, error)            { return localfs.Found{}, false, nil }
func (s *nullSink) Mkdir(*localfs.Dir, string) (*localfs.Dir, error)         { return &localfs.Dir{}, nil }
func (s *nullSink) FinishDir(*localfs.Dir, localfs.Meta) error               { return nil }
func (s *nullSink) Symlink(*localfs.Dir, string, string, localfs.Meta) error { return nil }
func (s *nullSink) Link(localfs.Put) (bool, error)                           { return true, nil }
func (s *nullSink) Dropped() localfs.Dropped                                 { return localfs.Dropped{} }
func (s *nullSink) Sync() error                                              { return nil }
func (s *nullSink) Close() error                                             { return nil }
func (s *nullSink) CreateFile(localfs.Put) (localfs.PendingFile, error)      { return nullPending{s}, nil }
func (s *nullSink) PutFile(_ localfs.Put, data []byte) error {
	s.bytes.Add(int64(len(data)))
	return nil
}

type nullPending struct{ s *nullSink }

func (p nullPending) WriteAt(b []byte, _ int64) error { p.s.bytes.Add(int64(len(b))); return nil }
func (nullPending) Hole(int64, int64) error           { return nil }
func (nullPending) ReadAt([]byte, int64) error        { return nil }
func (nullPending) Reload() error                     { return nil }
func (nullPending) Commit() error                     { return nil }
func (nullPending) Discard()                          {}

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
					sink := &nullSink{}
					s := serveInto(b, kind, func(keys.Holder, localfs.SinkOptions) (engine.Sink, error) { return sink, nil })
					b.SetBytes(c.n * c.size)
					b.ReportAllocs()
					for b.Loop() {
						_, err := engine.Send(b.Context(), engine.SendConfig{
							Server: s.at, Transports: s.client, Source: &nullSource{n: c.n, size: c.size}, Streams: c.streams,
							NoChecksum: unchecked, Target: localfs.Target{Contents: true},
						})
						must(b, err)
					}
					if got, want := sink.bytes.Load(), int64(b.N)*c.n*c.size; got != want {
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
