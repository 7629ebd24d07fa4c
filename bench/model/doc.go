// Package model is a discrete-event simulation of the credit loop: senders'
// workers that read and sum, posts, rails with a rate and a delay, receivers'
// workers that sum and write, and credits that come back. It answers what the
// machine at hand can't: how a transfer would do on rails, disks and cores that it
// has not got, and what would hold it back.
//
//	[1] clock.go     virtual time: what happens next, and no other clock
//	[2] resource.go  cores and disks: so many at once, the rest in line
//	[3] rail.go      a rail: streams take turns on it, what it carries arrives later
//	[4] sender.go    a stream's worker: slot and credit, read, sum, send
//	[5] receiver.go  its other end: sum, write, release, grant
//	[6] run.go       puts them together, and sees that nothing is lost
//
// Flow control is not modelled but run: both ends of each stream have the ledgers
// of package transport, which know no time and no I/O. What is modelled is what
// they wait for.
//
// A run is a function of its Config: no clock, no map order, no goroutine; chance
// comes from Config.Seed. So results may stand in a page, and a test can hold it to
// them.
//
// What is left out: loss and retransmission, congestion control but for a first
// window that doubles, receive buffers of kernels (the credits bound what they
// hold), memory bandwidth, NUMA, many small files, and what a session costs before
// its first and after its last byte, but for Config.Trips.
package model
