package engine

import (
	"context"
	"errors"
	"fmt"

	"scp_rdma/control"
	"scp_rdma/localfs"
	"scp_rdma/transport"
	"scp_rdma/wire"
)

var (
	// ErrVerify: bytes arrived that are not those that were sent, again and again.
	ErrVerify = errors.New("data did not verify")
	// ErrProtocol: the peer said something that makes no sense.
	ErrProtocol = errors.New("protocol violation")
	// ErrCut: sessions were still running when the server's grace time ended.
	ErrCut = errors.New("running sessions were cut off")
	// ErrPeerLost: the control connection ended without a word.
	ErrPeerLost = errors.New("connection lost")
)

// RemoteError is the reason the other side gave for ending the session.
type RemoteError struct {
	Code uint16 // wire.Bye*
	Text string
}

// Error implements error.
func (e *RemoteError) Error() string {
	if e.Text == "" {
		return fmt.Sprintf("the other side ended the session (code %d)", e.Code)
	}
	return "the other side says: " + e.Text
}

// ByeFor turns an error of this side into the words in which the other is told of it.
func ByeFor(err error) *wire.Bye {
	var busy *control.BusyError
	b := &wire.Bye{Code: wire.ByeError, Version: wire.Version, Text: clip(err.Error())}
	switch {
	case errors.Is(err, errCancelled):
		b.Code = wire.ByeCancelled
	case errors.As(err, &busy):
		b.Code, b.Text = wire.ByeBusy, busy.Text
	case errors.Is(err, control.ErrAuth):
		b.Code = wire.ByeAuth
	case errors.Is(err, localfs.ErrUsage):
		b.Code = wire.ByeUsage
	case errors.Is(err, transport.ErrUnavailable):
		b.Code = wire.ByeNoTransport
	case errors.Is(err, ErrVerify):
		b.Code = wire.ByeVerify
	case errors.Is(err, ErrProtocol), errors.Is(err, transport.ErrProtocol), errors.Is(err, wire.ErrMalformed):
		b.Code = wire.ByeProtocol
	case errors.Is(err, control.ErrVersion):
		b.Code = wire.ByeVersion
	}
	return b
}

// errCancelled marks an end that a person or a stopping server asked for.
var errCancelled = errors.New("interrupted")

// ended is why a session was ended from outside. Somebody who is no longer let in is told so;
// others may come again.
func ended(ctx context.Context) error {
	why := context.Cause(ctx)
	if errors.Is(why, control.ErrAuth) {
		return why
	}
	return fmt.Errorf("%w: %w", errCancelled, why)
}

// maxText bounds what one side tells the other about one thing, in bytes.
const maxText = 1024

func clip(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	return validText(s)
}

// errDone ends a session's goroutines when all is well.
var errDone = errors.New("done")
