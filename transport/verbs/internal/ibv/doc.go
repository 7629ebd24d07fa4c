// Package ibv is libibverbs and librdmacm for Go, as far as verbs needs them, and the
// only home of cgo and unsafe.
//
//	[1] Open opens libibverbs.so.1 with dlopen: one program runs with and without
//	    it (library.go, lib.c)
//	[2] Devices and Provider.Open list and open; what can't be used says why: no
//	    library, no node below /dev/infiniband, no provider, no permission (sysfs.go)
//	[3] a Device gives a PD, an MR over memory of mmap, a CQ with its channel, a QP
//	    (device.go, cq.go, qp.go, connect.go)
//	[4] PostSend and PostRecv post a chain, Poll takes many completions: one call of
//	    C each, on values without pointers
//	[5] Provider.Connector is rdma_cm by librdmacm.so.1, opened likewise and needed
//	    by iWARP only (cm.go, cmconn.go, cm.c); cm.h says what is known of it, so that
//	    its headers are not needed to build
//	[6] CQ.Wait, Device.WaitEvent and the waits of rdma_cm are in Go's poller and end
//	    with their context (events.go)
//
// # Rules of the border
//
// Every function of C returns 0 or a positive errno, taken before anything can
// change it: some providers return -errno, some -1. No Go pointer lies in a work
// request, and a WR's ID is the caller's number. An object that others stand on
// can't be closed, and none is used after its end (handle.go); a Provider knows
// what is open, for tests to say that nothing is.
//
// Go starts children with CLONE_VM|CLONE_VFORK, so a child never copies the
// registered pages, and ibv_fork_init(3) isn't needed.
//
// Without cgo, with the build tag noverbs, or where the ABI was not checked (other
// systems and architectures), Open says that this build has no verbs.
//
// The tests with the build tag rdma need devices: test/rdma runs them in a guest.
package ibv
