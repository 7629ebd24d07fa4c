package control

import (
	"context"
	"fmt"
	"net"
	"time"
)

// Alive returns once a pulse has taken the way of a client: through the loop that accepts
// from the port to who calls Accept. Where it does not get through before ctx ends, the error
// says where it stuck; after Close it is ErrClosed. Nothing goes over the network.
func (l *Listener) Alive(ctx context.Context) error {
	const accepts = "the loop that accepts connections does not answer"
	answered := make(chan struct{})
	if err := pass(ctx, l, l.asked, answered, accepts); err != nil {
		return err
	}
	// The loop waits for clients; a deadline that has passed wakes it. A port that was closed
	// just now has none, and Close is noticed below.
	setDeadline(l.ln, time.Unix(1, 0))
	select {
	case <-answered:
	case <-l.ctx.Done():
		return ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", accepts, context.Cause(ctx))
	}
	return pass(ctx, l, l.pulse, struct{}{}, "nobody takes in clients")
}

// pass puts something into a channel of a listener that lives.
func pass[T any](ctx context.Context, l *Listener, to chan<- T, v T, stuck string) error {
	select {
	case to <- v:
		return nil
	case <-l.ctx.Done():
		return ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", stuck, context.Cause(ctx))
	}
}

// answer is for the loop that accepts: it was woken. The deadline goes before the questions
// are answered, since who asks next sets it after asking.
func (l *Listener) answer() {
	setDeadline(l.ln, time.Time{})
	for {
		select {
		case answered := <-l.asked:
			close(answered)
		default:
			return
		}
	}
}

// setDeadline sets that of a port, where it can have one.
func setDeadline(ln net.Listener, t time.Time) {
	if d, ok := ln.(interface{ SetDeadline(time.Time) error }); ok {
		_ = d.SetDeadline(t) // fails only for a port that is closed
	}
}
