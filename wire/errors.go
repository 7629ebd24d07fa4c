package wire

import "errors"

var (
	// ErrMalformed: bytes that can't be what they should be.
	ErrMalformed = errors.New("malformed")
	// ErrUnknownType: a control message of a type this version doesn't know.
	ErrUnknownType = errors.New("unknown message type")
)
