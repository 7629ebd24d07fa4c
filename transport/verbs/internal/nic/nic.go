package nic

import "context"

// Provider knows the devices of a host (ibv_get_device_list(3)).
type Provider interface {
	// Devices lists every device that the library or the kernel knows, by name.
	// Those that can't be used say why. An error means that there is no list: no
	// library, or it failed; it Is transport.ErrUnavailable and names the cure.
	Devices() ([]Listed, error)
	// Open opens a device by name (ibv_open_device(3)). One that can't be opened
	// Is transport.ErrUnavailable, with the reason and the cure.
	Open(name string) (Device, error)
	// Connector is rdma_cm of this host. Without it the error is
	// transport.ErrUnavailable, with the reason and the cure.
	Connector() (Connector, error)
}

// Device is an open device.
type Device interface {
	// Attr are the device's limits and facts (ibv_query_device(3)).
	Attr() (DeviceAttr, error)
	// Port is the state of a port, numbered from 1, with those rows of its GID
	// table that could be read (ibv_query_port(3), ibv_query_gid_table(3)).
	Port(number int) (Port, error)
	// AllocPD makes a protection domain (ibv_alloc_pd(3)).
	AllocPD() (PD, error)
	// CreateCQ makes a completion queue of at least n entries with a completion
	// channel of its own (ibv_create_cq(3), ibv_create_comp_channel(3)).
	CreateCQ(n int) (CQ, error)
	// WaitEvent waits for the next asynchronous event and acknowledges it
	// (ibv_get_async_event(3)). It ends with ctx, and with os.ErrClosed.
	WaitEvent(ctx context.Context) (Event, error)
	// Removed says that the device was taken away from the kernel. Some drivers make
	// no event of that and wait, for ever if need be, until nobody has the device open
	// any more (soft-RoCE: Linux 6.1, ib_uverbs_remove_one).
	Removed() bool
	// Close ends a WaitEvent in progress and closes the device (ibv_close_device(3)).
	Close() error
}

// PD is a protection domain: its QPs reach its MRs and no others.
type PD interface {
	// RegMR registers memory (ibv_reg_mr(3)). It belongs to the caller, who had it
	// from unix.Mmap and keeps it mapped until the MR is closed: never memory of
	// Go's heap. What may be done is beside reading, which always may. ENOMEM most
	// often means RLIMIT_MEMLOCK.
	RegMR(mem []byte, access Access) (MR, error)
	// CreateQP makes a reliable connected QP in RESET, both queues of which
	// complete to cq, and says what was granted: at least what was asked for, but
	// more inline than the device has is EINVAL (ibv_create_qp(3)).
	CreateQP(cq CQ, caps Caps) (QP, Caps, error)
	// Close frees the domain (ibv_dealloc_pd(3)).
	Close() error
}

// MR is registered memory.
type MR interface {
	// Addr is the address that a peer's RDMA WRITE names for the first byte.
	Addr() uint64
	// RKey is what a peer's RDMA WRITE must show.
	RKey() uint32
	// Close ends the registration (ibv_dereg_mr(3)). The memory is the caller's.
	Close() error
}

// CQ is a completion queue with its channel. One goroutine polls, arms and waits.
type CQ interface {
	// Poll takes completions without waiting, at most len(batch); 0 says that the
	// queue is empty (ibv_poll_cq(3)).
	Poll(batch []WC) (int, error)
	// Arm asks for one event at the next completion (ibv_req_notify_cq(3)). What
	// came before it makes none: poll again after it, then Wait.
	Arm() error
	// Wait waits for the event that Arm asked for and acknowledges it
	// (ibv_get_cq_event(3), ibv_ack_cq_events(3)). It may return without one: poll,
	// arm and poll again after it. It ends with ctx, and with os.ErrClosed.
	Wait(ctx context.Context) error
	// Close ends a Wait in progress and destroys queue and channel
	// (ibv_destroy_cq(3)).
	Close() error
}

// QP is a reliable connected queue pair.
type QP interface {
	// QPN is the queue pair's number, 24 bits.
	QPN() uint32
	// ToInit moves RESET -> INIT on a port, in a row of its P_Key table
	// (ibv_modify_qp(3)): receives may be posted. The peer may write to MRs
	// registered for it.
	ToInit(port, pkey int) error
	// ToRTR moves INIT -> RTR towards a peer: the QP receives. EINVAL on iWARP, and
	// for a path that the device doesn't take.
	ToRTR(p Peer) error
	// ToRTS moves RTR -> RTS: the QP sends as well.
	ToRTS(r Retry) error
	// ToError moves any state to ERR: all that is posted completes as Flushed,
	// unsignalled requests too, and so does what will be, but on iWARP: siw takes
	// that and says no more of it.
	ToError() error
	// State asks the device (ibv_query_qp(3)).
	State() (State, error)
	// PostSend posts a chain in order in one call (ibv_post_send(3)) and says how
	// many were taken: all, or those before the one that the error is about.
	// ENOMEM: the send queue is full. EFAULT: a range outside of its MR. EINVAL: the
	// QP is not in RTS, or ERR, or the request is longer than what is inline.
	PostSend(chain []SendWR) (int, error)
	// PostRecv posts room for SENDs in order, as PostSend does (ibv_post_recv(3)).
	PostRecv(chain []RecvWR) (int, error)
	// Close destroys the QP (ibv_destroy_qp(3)). Completions that were not polled
	// may be lost: move to ERR and drain first.
	Close() error
}
