package socket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"scp_rdma/transport"
	"scp_rdma/wire"
)

const (
	// looks: so many times within Config.Silence a sender that waits looks
	// whether its peer still answers.
	looks = 4
	// closeWait bounds the wait for the peer at a clean close.
	closeWait = 3 * time.Second
	// readAhead: bytes read together with a CDC. It makes small frames cost one
	// read instead of two, and large ones a copy of 4 KiB.
	readAhead = 4096
)

// stream is what both directions share.
type stream struct {
	cfg   Config
	conn  Conn
	slab  *transport.Slab
	hands *hands

	buf  [readAhead]byte // read and not used yet: buf[r:w]
	r, w int

	mu     sync.Mutex
	err    error // what ended the stream
	closed bool
}

// Conn is a connected stream socket: a *net.TCPConn, a *net.UnixConn.
type Conn interface {
	net.Conn
	CloseWrite() error
}

// Config is what a stream is made of. The connection is the stream's from New on.
type Config struct {
	Conn    Conn
	Request transport.OpenRequest
	// Shared are the slots, mapped by both ends: a frame lies there when its CDC comes.
	// nil: each end has its own, and head and data follow the CDC on the connection.
	Shared  *transport.Slab
	Bound   time.Duration // on small writes
	Silence time.Duration // after which a sender that waits asks whether the peer Answers
	// Answers says whether what is behind the connection still lives. nil: an end of
	// the connection is all that can happen to it.
	Answers func() bool
}

// New makes the stream of a connection whose ends are proved: a *SendStream or a
// *RecvStream, by Role. On error the connection is still the caller's.
func New(c Config) (transport.Stream, error) {
	slab := c.Shared
	if slab == nil {
		var err error
		if slab, err = transport.NewSlab(SlabSize(c.Request)); err != nil {
			return nil, err
		}
	}
	slots := transport.MakeSlots(slab.Bytes(), c.Request.Slots, c.Request.SlotSize)
	st := stream{cfg: c, conn: c.Conn, slab: slab, hands: newHands(slots, c.Shared != nil)}
	if c.Request.Role == transport.Sender {
		return &SendStream{stream: &st, ledger: transport.NewSendLedger(c.Request.Slots, c.Request.Epoch)}, nil
	}
	return &RecvStream{stream: &st, ledger: transport.NewRecvLedger(c.Request.Slots, c.Request.Epoch)}, nil
}

// SlabSize is the size of all slots of a stream, bytes.
func SlabSize(r transport.OpenRequest) int { return r.Slots * (transport.HeadRoom + r.SlotSize) }

// Conn is the connection that the stream runs on.
func (s *stream) Conn() Conn { return s.conn }

// Rail implements transport.Stream.
func (s *stream) Rail() string { return s.cfg.Request.Pair.Local.Name }

// enter begins a call: the slots stay mapped until leave.
func (s *stream) enter(op string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return s.wrap(op, transport.ErrClosed)
	}
	if s.err != nil {
		return s.wrap(op, s.err)
	}
	if !s.slab.Hold() {
		return s.wrap(op, transport.ErrClosed)
	}
	return nil
}

func (s *stream) leave() { s.slab.Drop() }

func (s *stream) wrap(op string, err error) error {
	return &transport.StreamError{Op: op, Rail: s.Rail(), Stream: s.cfg.Request.Stream, Err: err}
}

// fail turns an error of the connection into the stream's, and remembers it:
// bytes may be half read or written, so nothing more can be done with it.
func (s *stream) fail(ctx context.Context, op string, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		err = transport.ErrClosed
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case isGone(err):
		err = fmt.Errorf("%w: %w", transport.ErrPeerGone, err)
	}
	if s.err == nil {
		s.err = err
	}
	return s.wrap(op, err)
}

// isGone says whether an error of the connection means that the peer is no more.
func isGone(err error) bool {
	for _, gone := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE, syscall.ETIMEDOUT,
		syscall.ECONNABORTED, syscall.EHOSTUNREACH, os.ErrDeadlineExceeded} {
		if errors.Is(err, gone) {
			return true
		}
	}
	return false
}

// look is when a sender that waits looks after its peer next.
func (s *stream) look() time.Time { return time.Now().Add(s.cfg.Silence / looks) }

// again says whether err means only that a look is due, and the peer still
// answers. A receiver may be slow for as long as it likes: a window that stays
// closed is back-pressure. TCP_USER_TIMEOUT would end the connection for it.
func (s *stream) again(ctx context.Context, err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil && !s.isClosed() && (s.cfg.Answers == nil || s.cfg.Answers())
}

func (s *stream) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// past is a deadline that has passed.
var past = time.Unix(1, 0)

// watch makes ctx end reads and writes; the result disarms it. A call whose ctx
// has ended leaves the stream unusable.
func (s *stream) watch(ctx context.Context) (stop func() bool) {
	if ctx.Done() == nil {
		return func() bool { return true }
	}
	return context.AfterFunc(ctx, func() { _ = s.conn.SetDeadline(past) })
}

// readCDC reads the next CDC.
func (s *stream) readCDC() (wire.CDC, error) {
	if s.w-s.r < wire.CDCSize {
		s.w = copy(s.buf[:], s.buf[s.r:s.w])
		s.r = 0
	}
	for s.w-s.r < wire.CDCSize {
		n, err := s.conn.Read(s.buf[s.w:])
		s.w += n
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return wire.CDC{}, err
		}
	}
	c, err := wire.ParseCDC(s.buf[s.r : s.r+wire.CDCSize])
	s.r += wire.CDCSize
	if err != nil {
		return c, fmt.Errorf("%w: %w", transport.ErrProtocol, err)
	}
	return c, nil
}

// readFull reads the rest of a frame straight into its slot.
func (s *stream) readFull(p []byte) error {
	n := copy(p, s.buf[s.r:s.w])
	s.r += n
	_, err := io.ReadFull(s.conn, p[n:])
	return err
}

// shut closes the connection: at once and with a reset, or after the peer has
// closed its side too.
func (s *stream) shut(clean bool) error {
	if !clean {
		if l, ok := s.conn.(interface{ SetLinger(sec int) error }); ok {
			_ = l.SetLinger(0)
		}
		return s.conn.Close()
	}
	_ = s.conn.SetReadDeadline(time.Now().Add(closeWait))
	_ = s.conn.CloseWrite()
	// Unread input at close would reset the connection and destroy our last words.
	_, _ = io.Copy(io.Discard, s.conn)
	return s.conn.Close()
}

// finish marks the stream closed; false if it was before.
func (s *stream) finish() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.closed = true
	return true
}
