// Package nic is what verbs needs of an RDMA device, and nothing more: interfaces
// and values, no cgo. There are two sides to it:
//
//	[1] ibv stands behind it with libibverbs and real devices
//	[2] softnic stands behind it with plain Go, so that all logic of verbs runs
//	    in an ordinary test
//	[3] devicetest asks both the same questions, so that [2] stays honest
//
// A device is opened by its Provider and gives a PD, MRs over memory that the
// caller mapped, CQs and QPs. Work requests are values without pointers: a range
// is an offset and a length within an MR, an ID is a number of the caller's.
//
// # Rules for both sides
//
// All methods may be called by several goroutines at once; the two posts of a QP
// and Poll, Arm and Wait of a CQ are in order per caller only. A method never
// blocks but for Wait and WaitEvent, which end with their context.
//
// Objects close in the order QP, CQ, MR, PD, Device; one that others stand on is
// refused with unix.EBUSY and stays as it was. A second Close changes nothing,
// and other calls after it are os.ErrClosed.
//
// Errors of the verbs are positive unix.Errno, wrapped: some providers return
// -errno, and who implements this puts that right.
//
// QPs are connected by hand (INIT, RTR, RTS) or by a Connector. iWARP devices
// refuse the former with EINVAL.
//
// # What iWARP doesn't do
//
// It says less than InfiniBand and RoCE: a WRITE completes when it is on its way,
// and so does one that the peer refuses, or that a cable swallows. The side that
// asked for the connection must send first; a SEND that finds no receive ends the
// connection; and when one end is closed or fails, so does the other, by the end
// of the TCP connection below.
package nic
