package socket

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"time"

	"scp_rdma/transport"
	"scp_rdma/wire"
)

// ErrDropped: refused, or lost in a crowd. The other side doesn't tell strangers which.
var ErrDropped = errors.New("ended without an answer")

// Hello is what the ends of a stream prove themselves to each other with.
type Hello struct {
	Transport string // its name: what one transport has said is no proof for another
	Request   transport.OpenRequest
	Nonce     [16]byte // the responder's
}

// Side is one of two whose proofs are kept apart: neither can be sent back as the other's.
type Side string

// The two sides.
const (
	Initiator Side = "initiator"
	Responder Side = "responder"
)

// Join is the Hello of one side.
func (h Hello) Join(side Side) wire.Join {
	j := wire.Join{
		Session: h.Request.Session, Stream: h.Request.Stream, Epoch: h.Request.Epoch,
		Slots: uint32(h.Request.Slots), SlotSize: uint32(h.Request.SlotSize),
	}
	mac := hmac.New(sha256.New, h.Request.Key)
	mac.Write([]byte("scp_rdma " + h.Transport + " join v1 " + string(side)))
	mac.Write(j.Append(nil))
	mac.Write(h.Nonce[:])
	mac.Sum(j.Proof[:0])
	return j
}

// Proves compares a peer's Hello with the one that only a holder of the key can make.
func (h Hello) Proves(got wire.Join, side Side) bool {
	want := h.Join(side)
	return hmac.Equal(want.Append(nil), got.Append(nil))
}

// Greet says the initiator's Hello, after what has to come before it, and checks the
// responder's. What ends without an answer Is ErrDropped.
func (h Hello) Greet(ctx context.Context, c Conn, before []byte) error {
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(past) })
	defer stop()
	j := h.Join(Initiator)
	if _, err := c.Write(j.Append(before)); err != nil {
		return err
	}
	got, err := ReadJoin(c)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("%w: %w: %w", transport.ErrPeerGone, ErrDropped, err)
	}
	if !h.Proves(got, Responder) {
		return transport.ErrProof
	}
	if !stop() {
		return context.Cause(ctx)
	}
	return nil
}

// Answer says the responder's Hello, and takes deadlines off the connection.
func (h Hello) Answer(ctx context.Context, c Conn) error {
	j := h.Join(Responder)
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(past) })
	_, err := c.Write(j.Append(nil))
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		err = c.SetDeadline(time.Time{})
	}
	return err
}

// ReadJoin reads the Hello of whoever has connected, under the deadline that is set.
func ReadJoin(c io.Reader) (wire.Join, error) {
	b := make([]byte, wire.JoinSize)
	if _, err := io.ReadFull(c, b); err != nil {
		return wire.Join{}, fmt.Errorf("join: %w", err)
	}
	return wire.ParseJoin(b)
}
