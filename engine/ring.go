package engine

import (
	"context"

	"scp_rdma/transport"
	"scp_rdma/wire"
)

// StreamReader is where bytes come from that can be read only once. A Source that is one has
// one entry, a Stream.
type StreamReader interface {
	// Read waits for bytes; io.EOF when there are no more.
	Read(ctx context.Context, p []byte) (int, error)
}

// StreamWriter is where the bytes of a file go in order.
type StreamWriter interface {
	// Write writes all of p, or says how much until it failed or ctx ended.
	Write(ctx context.Context, p []byte) (int, error)
}

// ring holds the bytes of a file between two offsets that are at most wire.StreamWindow apart.
// It lies outside of the Go heap, where garbage would pile up to several times its size.
type ring struct {
	slab *transport.Slab
	mem  []byte
}

func newRing() (*ring, error) {
	slab, err := transport.NewSlab(wire.StreamWindow)
	if err != nil {
		return nil, err
	}
	return &ring{slab, slab.Bytes()}, nil
}

func (r *ring) close() { r.slab.Drop() }

// at is the memory for the bytes from off on, as far as it lies together, and at most n.
func (r *ring) at(off, n int64) []byte {
	from := off % int64(len(r.mem))
	return r.mem[from:min(from+n, int64(len(r.mem)))]
}

// put copies bytes in.
func (r *ring) put(off int64, p []byte) {
	for len(p) > 0 {
		n := copy(r.at(off, int64(len(p))), p)
		off, p = off+int64(n), p[n:]
	}
}

// get copies bytes out.
func (r *ring) get(off int64, p []byte) {
	for len(p) > 0 {
		n := copy(p, r.at(off, int64(len(p))))
		off, p = off+int64(n), p[n:]
	}
}
