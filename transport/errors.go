package transport

import (
	"errors"
	"fmt"
)

var (
	// ErrUnavailable: a transport or rail can't be used here. The text around
	// it says why and what to do.
	ErrUnavailable = errors.New("transport unavailable")
	// ErrClosed: this side closed the stream or endpoint.
	ErrClosed = errors.New("stream closed")
	// ErrPeerGone: the peer aborted, died, or can't be reached any more.
	ErrPeerGone = errors.New("peer gone")
	// ErrProtocol: the peer (or the caller) broke the rules of the stream.
	ErrProtocol = errors.New("protocol violation")
	// ErrProof: a Hello did not prove that it belongs to the session.
	ErrProof = errors.New("stream proof rejected")
)

// StreamError says which stream on which rail failed, and at what.
type StreamError struct {
	Op     string // "acquire", "send", "flush", "recv", "release", "connect"
	Rail   string
	Stream uint32
	Err    error
}

// Error implements error.
func (e *StreamError) Error() string {
	return fmt.Sprintf("%s: stream %d on rail %s: %v", e.Op, e.Stream, e.Rail, e.Err)
}

// Unwrap gives the cause.
func (e *StreamError) Unwrap() error { return e.Err }

// Validate checks the request's numbers before anything is allocated for it.
func (r *OpenRequest) Validate() error {
	switch {
	case r.Role != Sender && r.Role != Receiver:
		return fmt.Errorf("open: role %d: %w", r.Role, ErrProtocol)
	case r.Slots < MinSlots || r.Slots > MaxSlots:
		return fmt.Errorf("open: %d slots, want %d to %d: %w", r.Slots, MinSlots, MaxSlots, ErrProtocol)
	case r.SlotSize < MinSlotSize || r.SlotSize > MaxSlotSize || r.SlotSize%4096 != 0:
		return fmt.Errorf("open: slot size %d, want a multiple of 4096 from %d to %d: %w",
			r.SlotSize, MinSlotSize, MaxSlotSize, ErrProtocol)
	case len(r.Key) < 16:
		return fmt.Errorf("open: session key of %d bytes, want at least 16: %w", len(r.Key), ErrProtocol)
	}
	return nil
}
