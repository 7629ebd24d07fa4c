// Package engine runs a transfer: Send on the side that has the files, Serve on
// the side that gets them. It never learns which transport carries the bytes.
//
// The sender:
//
//	[1] dials control, swaps Hellos, pairs rails, says where the entries shall go (Open)
//	[2] opens streams by offers, one worker each
//	[3] walks the source, announces entries in batches; at most Window are open
//	    (announced, no result yet)
//	[4] what the receiver answers with "need" joins the planner's line
//	[5] each worker: Acquire a slot, take the next unit, read the files into
//	    the slot, Send
//	[6] after the last range of a file it compares the file with its stamp; the
//	    chunk that brings the last range carries the seal. A file that changed
//	    is announced once more under a new number; then given up
//	[7] all results in: streams flushed and closed, Done, Summary, Bye
//
// The receiver:
//
//	[1] answers Hello and Open, makes the target's directory
//	[2] admits entries in order: makes directories and links, and answers for files:
//	    need, need but for these ranges, there already, or compare this digest
//	[3] one worker per stream: Recv, copy the head out, the gate (every field
//	    against what was announced), verify the sum, write, Release
//	[4] a file whose every range has arrived and that is sealed is committed: its
//	    name appears; a directory is finished when its last child has its result.
//	    A large one has a journal, and outlives its session if that breaks off
//	[5] results go back in batches
//
// An entry that goes in order, from stdin or to stdout, is held to a window of its own
// (sender_order.go, outlet.go).
//
// Who waits for whom: workers wait for credits and for units; the walk waits for
// the window; nothing else waits. The control readers never do: what they queue
// is bounded by the window.
//
// What breaks: a stream's units are carried by others once the receiver has ended it
// (failover.go, routes.go). A control connection that is lost ends its session, and the
// sender begins another, in which the receiver says what it has (again.go).
//
// What is not promised: the order in which files get their names.
package engine
