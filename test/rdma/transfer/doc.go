// Package transfer runs the built program on soft-RoCE devices, and soft-iWARP ones. It
// has tests only, behind the build tags rdma and rdma_siw; test/rdma/check runs them.
//
//	[1] the test bed boots a guest with two devices and starts the test binary
//	    there, with the program's path in SCP_RDMA_BIN
//	[2] each test starts a server, sends to it, and compares what has arrived
//
// Behind rdma_matrix is what runs over any number of devices (test/rdma/matrix), behind
// rdma_two are transfers between two guests (test/rdma/two), behind rdma_power those that
// end with a power cut (test/rdma/power).
package transfer
