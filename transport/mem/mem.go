package mem

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"sync"

	"scp_rdma/transport"
)

// Transport joins endpoints of one process.
type Transport struct {
	rails []transport.Rail
	lossy lossy

	mu    sync.Mutex
	links map[key]*link
}

type key struct {
	session       transport.ID
	stream, epoch uint32
}

// New makes a transport with rails of the given names; one called "mem" if none is given.
func New(rails ...string) *Transport {
	if len(rails) == 0 {
		rails = []string{"mem"}
	}
	t := &Transport{links: map[key]*link{}}
	for _, name := range rails {
		t.rails = append(t.rails, transport.Rail{Name: name})
	}
	return t
}

// Name implements transport.Transport.
func (t *Transport) Name() string { return "mem" }

// Probe implements transport.Transport.
func (t *Transport) Probe(context.Context) ([]transport.Rail, error) { return t.rails, nil }

// Pair implements transport.Transport: rails of equal names first, then in order.
func (t *Transport) Pair(local, peer []transport.Rail, _ transport.Path) ([]transport.RailPair, error) {
	if len(local) == 0 || len(peer) == 0 {
		return nil, fmt.Errorf("pair: no rails: %w", transport.ErrUnavailable)
	}
	var pairs []transport.RailPair
	for _, l := range local {
		for _, p := range peer {
			if l.Name == p.Name {
				pairs = append(pairs, transport.RailPair{Local: l, Peer: p})
			}
		}
		for _, p := range peer {
			if l.Name != p.Name {
				pairs = append(pairs, transport.RailPair{Local: l, Peer: p})
			}
		}
	}
	return pairs, nil
}

// Open implements transport.Transport.
func (t *Transport) Open(_ context.Context, req transport.OpenRequest) (transport.Endpoint, error) {
	if err := req.Validate(); err != nil {
		return nil, err
	}
	e := &endpoint{t: t, req: req, gone: make(chan struct{})}
	if !req.Initiator {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.links[e.key()] != nil {
			return nil, fmt.Errorf("open: stream %d epoch %d is open already: %w", req.Stream, req.Epoch, transport.ErrProtocol)
		}
		e.link = newLink(req, e.gone)
		t.links[e.key()] = e.link
	}
	return e, nil
}

// endpoint is one end of a stream before it is connected.
type endpoint struct {
	t    *Transport
	req  transport.OpenRequest
	link *link
	once sync.Once
	gone chan struct{}
}

func (e *endpoint) key() key { return key{e.req.Session, e.req.Stream, e.req.Epoch} }

// Offer implements transport.Endpoint.
func (e *endpoint) Offer() []byte { return nil }

// Close implements transport.Endpoint.
func (e *endpoint) Close() error {
	e.once.Do(func() {
		close(e.gone)
		e.forget()
	})
	return nil
}

func (e *endpoint) forget() {
	if e.req.Initiator {
		return
	}
	e.t.mu.Lock()
	defer e.t.mu.Unlock()
	if e.t.links[e.key()] == e.link {
		delete(e.t.links, e.key())
	}
}

// Connect implements transport.Endpoint.
func (e *endpoint) Connect(ctx context.Context, _ []byte) (transport.Stream, error) {
	err := e.connect(ctx)
	if err != nil {
		_ = e.Close()
		return nil, &transport.StreamError{Op: "connect", Rail: e.req.Pair.Local.Name, Stream: e.req.Stream, Err: err}
	}
	e.once.Do(func() {}) // Close is a no-op from here on
	e.forget()
	return newStream(e.req, e.link, &e.t.lossy), nil
}

// connect proves both ends to each other: equal keys and equal numbers.
func (e *endpoint) connect(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if e.req.Initiator {
		e.t.mu.Lock()
		e.link = e.t.links[e.key()]
		e.t.mu.Unlock()
		if e.link == nil {
			return transport.ErrPeerGone
		}
		if !hmac.Equal(e.link.proof, proof(e.req)) {
			return transport.ErrProof
		}
		select {
		case e.link.hello <- struct{}{}:
		case <-e.link.joined: // somebody else was first
			return transport.ErrProof
		case <-e.link.gone:
			return transport.ErrPeerGone
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-e.gone:
			return transport.ErrClosed
		}
		return nil
	}
	select {
	case <-e.link.hello:
		close(e.link.joined)
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-e.gone:
		return transport.ErrClosed
	}
}

// proof binds the key to the numbers of the request.
func proof(r transport.OpenRequest) []byte {
	mac := hmac.New(sha256.New, r.Key)
	fmt.Fprint(mac, r.Session, r.Stream, r.Epoch, r.Slots, r.SlotSize)
	return mac.Sum(nil)
}

var _ transport.Transport = (*Transport)(nil)

// clone copies a frame, so that rewriting a sent slot can't change what arrives.
func clone(s *transport.Slot) ([]byte, []byte) { return bytes.Clone(s.Head()), bytes.Clone(s.Data()) }
