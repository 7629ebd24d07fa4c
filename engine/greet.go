package engine

import (
	"context"
	"errors"
	"fmt"
	"io"

	"scp_rdma/control"
	"scp_rdma/transport"
	"scp_rdma/wire"
)

// next waits for a message of one type. A Bye in its place is the peer's reason.
func next[M wire.Message](ctx context.Context, conn *control.Conn) (M, error) {
	var zero M
	m, err := conn.Recv(ctx)
	if err != nil {
		return zero, lost(err)
	}
	if want, ok := m.(M); ok {
		return want, nil
	}
	if bye, ok := m.(*wire.Bye); ok {
		return zero, &RemoteError{Code: bye.Code, Text: bye.Text}
	}
	return zero, fmt.Errorf("message %d in place of %d: %w", m.Type(), zero.Type(), ErrProtocol)
}

// lost names what an ended control connection means in the middle of a session.
func lost(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: the other side ended it without a word (was it killed?)", ErrPeerLost)
	}
	return err
}

// probed is what one side has of each transport that is usable here.
type probed struct {
	rails map[string][]transport.Rail
	sets  []wire.RailSet
	errs  map[string]error // of those that aren't usable
}

func probe(ctx context.Context, reg *transport.Registry) probed {
	p := probed{rails: map[string][]transport.Rail{}, errs: map[string]error{}}
	for _, tr := range reg.All() {
		rails, err := tr.Probe(ctx)
		if err != nil {
			p.errs[tr.Name()] = err
			continue
		}
		p.rails[tr.Name()] = rails
		p.sets = append(p.sets, railsToWire(tr.Name(), rails))
	}
	return p
}

func pathOf(conn *control.Conn) transport.Path {
	return transport.Path{Local: conn.LocalAddr(), Remote: conn.RemoteAddr()}
}
