package transport

import (
	"context"
	"io"
	"net/netip"
)

// ID names a session: 16 random bytes, chosen by the responder.
type ID [16]byte

// Role says which way a stream's frames flow, seen from the endpoint that is opened.
type Role uint8

// The two roles of an endpoint.
const (
	Sender Role = iota + 1
	Receiver
)

// Rail is one way out of this host: a NIC port (verbs), a local interface or
// address (tcp). Name is what -d takes and what logs show. Info is the
// transport's own description (addresses, GIDs, ...): opaque to everybody else,
// at most MaxRailInfo bytes, and untrusted when it came from a peer.
type Rail struct {
	Name string
	Info []byte

	// What this host alone knows of its own rails; no peer is told.
	Rate  uint64 // bit/s that it carries at most; 0: not known
	Cores []int  // that lie nearest: those of its NUMA node; none: any will do
}

// MaxRailInfo bounds Rail.Info: sixteen addresses with prefix, or as many GIDs, fit.
const MaxRailInfo = 1024

// RailPair is a local rail and the rail of the peer that it is joined with.
// Info carries what Pair decided (an address to dial, a GID index), for Open of
// the same transport only.
type RailPair struct {
	Local, Peer Rail
	Info        []byte
}

// Path is the pair of addresses that the control connection runs over. A
// transport may use it as the candidate that is known to work.
type Path struct {
	Local, Remote netip.AddrPort
}

// Transport makes streams over one kind of fabric. All methods may be called
// by several goroutines at once.
type Transport interface {
	// Name is the word --transport takes: lower case, no spaces.
	Name() string

	// Probe tries for real what this host has. It returns an error that Is
	// ErrUnavailable, with the reason and the cure, if nothing is usable or a
	// rail that was asked for by name is not.
	Probe(ctx context.Context) ([]Rail, error)

	// Pair says which local rail can be joined with which rail of the peer,
	// best first for each local rail, local rails in the order given. Several
	// pairs with the same local rail are alternatives: the caller proves the
	// first and falls back to the next. peer is untrusted: malformed rails are
	// an error that Is ErrProtocol. No pair at all Is ErrUnavailable.
	Pair(local, peer []Rail, control Path) ([]RailPair, error)

	// Open makes one endpoint: all that can be had before the peer is known.
	// A responder's endpoint can receive when Open returns.
	Open(ctx context.Context, req OpenRequest) (Endpoint, error)
}

// ZeroCopier is a Transport whose device reads and writes slots by itself: what a
// file is read into a slot for, no CPU touches on its way. It is worth reading
// files without the page cache then.
type ZeroCopier interface {
	Transport
	ZeroCopy() bool
}

// Buffered is a Transport whose bytes the kernel copies, and holds at both ends: its
// streams need fewer slots over a short way, and more streams over a long one.
type Buffered interface {
	Transport
	Buffered() bool
}

// Shortcut is a Transport between processes of one host: that it does not reach another
// is nothing to tell, and both ends of its streams share the cores and caches.
type Shortcut interface {
	Transport
	Shortcut() bool
}

// OpenRequest describes the stream to open. Both ends use equal Session, Key,
// Stream, Epoch, Slots and SlotSize, and opposite Role and Initiator.
type OpenRequest struct {
	Pair      RailPair
	Role      Role
	Initiator bool
	Session   ID
	Key       []byte // the session's secret; proves the Hello of each side
	Stream    uint32
	Offer     []byte // the initiator's, if a responder knows it already: what arrives before its Connect isn't lost
	Epoch     uint32 // distinguishes reopenings of one stream
	Slots     int    // MinSlots..MaxSlots
	SlotSize  int    // data bytes of a slot, a multiple of 4096, MinSlotSize..MaxSlotSize
	Control   Path
}

// Limits on what an OpenRequest may ask for, checked by Validate before
// anything is allocated.
const (
	MinSlots    = 1
	MaxSlots    = 1024
	MinSlotSize = 4096
	MaxSlotSize = 16 << 20
)

// Endpoint is a stream before its peer is known. Close frees it, and is a
// no-op once Connect has succeeded.
type Endpoint interface {
	// Offer is what the peer's Connect needs, at most MaxOffer bytes.
	Offer() []byte
	// Connect joins with the peer whose offer is given (nil for the responder
	// of a transport whose initiator has nothing to say). It returns after both
	// Hellos: this is the rail's proof. The Stream is a SendStream or a
	// RecvStream, by Role. On error the endpoint is closed.
	Connect(ctx context.Context, peer []byte) (Stream, error)
	io.Closer
}

// MaxOffer bounds an offer: it crosses the control connection.
const MaxOffer = 1024

// Stream is what SendStream and RecvStream share.
type Stream interface {
	// Rail is the name of the local rail the stream runs on.
	Rail() string
	// Close ends the stream and frees all it has. It ends every call that is
	// blocked on the stream with ErrClosed, waits at most a few seconds, and may
	// be called more than once and by any goroutine.
	io.Closer
}

// Breaker is a Stream that knows by itself when it breaks, also while nobody calls it:
// who has nothing to send would else hold a device that was removed.
type Breaker interface {
	Stream
	// Broken is closed once the stream is dead, for whatever reason but Close.
	Broken() <-chan struct{}
}

// Gauged is a Stream that says how many of its slots are in use: they hold a frame that the
// receiver has not released, as far as this end knows. Any goroutine may ask at any time.
type Gauged interface {
	Stream
	InUse() int
}

// SendStream is the sending end of a stream. Acquire, Send, Discard and Flush
// are called by one goroutine at a time.
type SendStream interface {
	Stream
	// Acquire waits for the next local slot AND a credit for it: the only
	// back-pressure. Slots come in ring order; at most one is held at a time.
	Acquire(ctx context.Context) (*Slot, error)
	// Send hands the slot to the transport, which may use it until it is
	// acquired again. Order is kept. nil promises nothing about delivery.
	Send(ctx context.Context, s *Slot) error
	// Discard gives an acquired slot back unsent; the next Acquire returns it again.
	Discard(s *Slot)
	// Flush waits until every sent slot was released by the peer.
	Flush(ctx context.Context) error
	// Close after a Flush that returned nil, with nothing sent since, is clean:
	// the peer's Recv returns io.EOF. Any other Close aborts: the peer's Recv
	// fails with ErrPeerGone.
}

// RecvStream is the receiving end of a stream. Recv is called by one goroutine
// at a time, Release by any.
type RecvStream interface {
	Stream
	// Recv waits for the next frame. It returns io.EOF after a clean close of
	// the sender, and an error that Is ErrPeerGone if the sender is gone otherwise.
	Recv(ctx context.Context) (*Slot, error)
	// Release gives the slot back, in any order. The credit goes to the peer,
	// in a batch if nobody waits for it. The slot must not be touched after.
	// Releasing a slot that is not held Is ErrProtocol.
	Release(s *Slot) error
}
