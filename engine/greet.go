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

// lane is one local rail with the ways to join it to the peer, best first.
type lane struct {
	rail  string
	pairs []transport.RailPair
}

// chosen is the transport of a session.
type chosen struct {
	transport transport.Transport
	lanes     []lane
	passed    []error // why those that are preferred to it are not used
}

// choose finds the first transport that both sides have and whose rails pair.
func choose(reg *transport.Registry, mine probed, hello *wire.Hello, path transport.Path) (chosen, error) {
	var errs []error
	for _, tr := range reg.All() {
		local := mine.rails[tr.Name()]
		if len(local) == 0 {
			errs = append(errs, mine.errs[tr.Name()])
			continue
		}
		peer := railsOf(hello.Rails, tr.Name())
		if len(peer) == 0 {
			errs = append(errs, fmt.Errorf("%s: the other side doesn't offer it: %w", tr.Name(), transport.ErrUnavailable))
			continue
		}
		pairs, err := tr.Pair(local, peer, path)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", tr.Name(), err))
			continue
		}
		if lanes := lanesOf(pairs); len(lanes) > 0 {
			return chosen{tr, lanes, errs}, nil
		}
	}
	return chosen{}, fmt.Errorf("no transport to the peer: %w", errors.Join(append(errs, transport.ErrUnavailable)...))
}

func lanesOf(pairs []transport.RailPair) []lane {
	var lanes []lane
	at := map[string]int{}
	for _, p := range pairs {
		i, ok := at[p.Local.Name]
		if !ok {
			i = len(lanes)
			at[p.Local.Name] = i
			lanes = append(lanes, lane{rail: p.Local.Name})
		}
		lanes[i].pairs = append(lanes[i].pairs, p)
	}
	return lanes
}

func pathOf(conn *control.Conn) transport.Path {
	return transport.Path{Local: conn.LocalAddr(), Remote: conn.RemoteAddr()}
}
