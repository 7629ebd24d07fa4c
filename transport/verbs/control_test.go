package verbs

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"

	"scp_rdma/transport"
)

// control does for the suite what the engine does over the control connection: it
// brings the initiator's offer to the responder, which an RC queue pair can't do
// without. The suite leaves that out where it plays strangers; a stranger doesn't
// get onto the control connection, so its offer is not brought.
type control struct {
	mu     sync.Mutex
	offers []brought
	news   chan struct{} // closed when there is another
}

type brought struct {
	req   transport.OpenRequest
	offer []byte
}

func newControl() *control { return &control{news: make(chan struct{})} }

// bring tells of an initiator's offer.
func (c *control) bring(req transport.OpenRequest, offer []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offers = append(c.offers, brought{req, offer})
	close(c.news)
	c.news = make(chan struct{})
}

// find takes the offer for a responder, or gives what is closed when there is another.
func (c *control) find(req transport.OpenRequest) ([]byte, chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.offers, func(b brought) bool {
		return b.req.Session == req.Session && b.req.Stream == req.Stream && b.req.Epoch == req.Epoch && bytes.Equal(b.req.Key, req.Key)
	})
	if i < 0 {
		return nil, c.news
	}
	offer := c.offers[i].offer
	c.offers = slices.Delete(c.offers, i, i+1)
	return offer, nil
}

// controlled is a transport whose offers go over a control.
type controlled struct {
	*Transport
	c *control
}

func (t *controlled) Open(ctx context.Context, req transport.OpenRequest) (transport.Endpoint, error) {
	e, err := t.Transport.Open(ctx, req)
	if err != nil {
		return nil, err
	}
	return &controlledEndpoint{endpoint: e.(*endpoint), c: t.c, gone: make(chan struct{})}, nil
}

type controlledEndpoint struct {
	*endpoint
	c    *control
	once sync.Once
	gone chan struct{}
}

func (e *controlledEndpoint) Connect(ctx context.Context, peer []byte) (transport.Stream, error) {
	if e.l.req.Initiator {
		e.c.bring(e.l.req, e.Offer())
	}
	for peer == nil && !e.l.req.Initiator {
		offer, news := e.c.find(e.l.req)
		peer = offer
		if news == nil {
			break
		}
		select {
		case <-news:
		case <-e.gone:
			return nil, errors.Join(transport.ErrClosed, e.endpoint.Close())
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), e.endpoint.Close())
		}
	}
	return e.endpoint.Connect(ctx, peer)
}

func (e *controlledEndpoint) Close() error {
	e.once.Do(func() { close(e.gone) })
	return e.endpoint.Close()
}
