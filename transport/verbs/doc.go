// Package verbs carries streams over RDMA: one RC queue pair each, on one rail, a
// port of a NIC. Frames go by RDMA WRITE straight into the peer's slots, and a
// CDC in a SEND after it says so.
//
//	[1] Probe opens every device for real and makes rails of the ports that can be
//	    used; Candidates tells of the others too, each with its reason (probe.go)
//	[2] Pair joins rails of one link layer and addresses of one type (pair.go)
//	[3] Open: a domain for session and device (context, PD, CQ, poller), a slab and
//	    its MR, a QP in INIT with its receives posted (endpoint.go, domain.go)
//	[4] Connect: RTR, RTS, by what the offers say or by rdma_cm, as iWARP needs it
//	    (meeting.go, requests.go); the initiator says its Hello, the responder answers
//	    with its own. Both prove the session's key over both offers (hello.go)
//	[5] Send posts WRITE and CDC as one chain; Release sends credits when the ledger
//	    says so; both run over the ledger of package transport (send.go, recv.go)
//	[6] the poller takes completions, posts each receive again before it hands the
//	    CDC on, and never waits for the engine (poller.go, link.go)
//	[7] Close: last words, ERR, drain, destroy; only then slots and memory are free
//
// The states of a stream and what moves them are one table, in state.go.
//
// # Liveness
//
// An idle stream posts an empty RDMA WRITE every second: it needs no key and takes
// no receive of the peer, so it can't overrun anything, and it fails when the
// peer's QP is gone, which the kernel sees to when a process dies. A peer that is
// slow, or stopped, is not dead.
//
// On iWARP that WRITE would succeed whether or not anybody is there. Who is killed is
// noticed by the end of the connection of rdma_cm; who is gone without a word, by a
// request of the sender's that the receiver doesn't answer (link.listens).
//
// # What this package trusts
//
// Its own queues hold whatever the ledger allows, by construction (depths in
// link.go), so an RNR or a full queue is a mistake on one of both sides. Every
// number of the peer is checked by wire, the ledger or the slot before use. A peer
// can write into the slots of its own stream at any time and nowhere else: their
// key is of the stream, and ends with it.
//
// Devices are reached through package nic; which side stands behind it is the
// caller's choice. No cgo is in here.
package verbs
