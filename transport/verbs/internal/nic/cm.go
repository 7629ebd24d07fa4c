package nic

import (
	"context"
	"net/netip"
)

// Connector connects QPs by rdma_cm (rdma_cm(7)), which finds devices by the IP
// addresses of their network cards. iWARP devices know no other way.
//
// Waits end with their context, but for one thing: the connect of soft-iWARP is
// TCP's own, within the kernel, and to an address that answers nothing takes as
// long as TCP tries (Linux 6.1, siw_connect).
type Connector interface {
	// Listen takes requests to an address of this host; port 0 is any
	// (rdma_listen(3)). EADDRINUSE: that port is taken.
	Listen(at netip.AddrPort) (Listener, error)
	// Dial finds the way from an address of this host to a peer that listens
	// (rdma_resolve_addr(3), rdma_resolve_route(3)). Nothing is sent to it yet.
	Dial(ctx context.Context, from netip.Addr, to netip.AddrPort) (Conn, error)
}

// Listener takes requests.
type Listener interface {
	// Addr is where it listens, with the port that it was given.
	Addr() netip.AddrPort
	// Accept waits for the next request. It ends with ctx, and with os.ErrClosed.
	Accept(ctx context.Context) (Conn, error)
	// Close ends an Accept in progress and refuses what was not accepted.
	Close() error
}

// Conn is one connection of rdma_cm, or a request for one.
type Conn interface {
	// Device is the name of the device that the connection is on: a QP of another
	// device can't be joined.
	Device() string
	// Private is what came with a request: what the other side sent, and perhaps
	// zeros after it.
	Private() []byte
	// Connect sends a request with at most MaxPrivate bytes, for a QP in INIT, and
	// waits until the QP is in RTS and the other side has accepted
	// (rdma_connect(3), rdma_establish(3)). Of w, what the connection brings along
	// is not looked at: addresses, numbers, PSNs.
	Connect(ctx context.Context, q QP, private []byte, w Peer, r Retry) error
	// Accept answers a request with a QP in INIT, which is in RTS then
	// (rdma_accept(3)). On iWARP the other side must send first.
	Accept(q QP, w Peer, r Retry) error
	// Wait waits until the connection ends, and says why: the other side closed it
	// or is gone, or the device was removed. It ends with ctx, and with os.ErrClosed.
	Wait(ctx context.Context) error
	// Close ends the connection, and refuses a request that was not accepted
	// (rdma_destroy_id(3), rdma_reject(3)). The QP is the caller's, and may be closed
	// before it or after.
	Close() error
}

// MaxPrivate is how many bytes may go with a request, whatever the device: IB has
// room for 56 (iWARP for 512).
const MaxPrivate = 48
