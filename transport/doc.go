// Package transport is the seam between the engine and whatever carries bytes.
//
// A session has one control connection, made and authenticated before any
// transport is touched. Through it the two engines swap opaque offers:
//
//	[1] the initiator opens an endpoint and offers
//	[2] the responder opens, gets to where it can receive, then offers
//	[3] the initiator connects and always sends first: Hello {session, stream, epoch, proof}
//	[4] the responder answers with its own Hello; Connect returns on both sides
//	[5] the sender: Acquire a slot (a local slot AND a credit), fill it, Send
//	[6] the receiver: Recv, use the slot, Release; the credit travels back
//	[7] the sender: Flush (everything released), Close; the receiver sees io.EOF
//
// The initiator is the side that dialled control. Who dials is free of who
// sends: an initiator may open a sending or a receiving endpoint.
//
// What is not promised: a nil error from Send says nothing about delivery, and
// a returned credit says only that a slot is free again. Only the receiving
// engine's result, sent on control after its write, acknowledges a unit.
package transport
