// Package tcp carries streams over TCP: one connection each. It is the fallback
// where there is no RDMA, and the test double of everything above the seam: the
// same ledger, the same CDC, the same promises.
//
//	[1] the initiator dials, bound to its rail, and says preamble and Join
//	    {session, stream, epoch, slots, proof under the session's key}
//	[2] the server's listener hands the connection to HandleData, which finds the
//	    endpoint that waits for it and checks the proof
//	[3] the responder answers with its own Join; both ends are proved
//	[4] a frame is a CDC, then head and data, written at once
//	[5] credits come back as CDCs on the same connection
package tcp
