// Package shm carries streams between two processes of one host, through memory that
// both have mapped: nothing is copied between them. A frame is written where the peer
// reads it, as RDMA WRITE does, and one small message says so.
//
//	[1] the responder listens on a socket of a random name that no file has, unix(7),
//	    and offers that name; it is found in its network namespace and nowhere else
//	[2] the initiator connects and says Join {session, stream, epoch, slots, proof
//	    under the session's key}; the responder answers with its own
//	[3] the receiver makes the slots, a memfd_create(2) that can't become shorter any
//	    more, and passes it on; the sender maps it after it has seen that this is so
//	[4] a frame is a CDC; credits come back as CDCs on the same connection
//
// Both ends are on one host if they say the same of it: its boot id and their network
// namespace. That is a hint and no proof, the rail's proof is [2]; a copy of a virtual
// machine says the same and has other sockets.
//
// A peer may write to the slots at any time: as with a device's memory, what is checked
// is a copy.
package shm
