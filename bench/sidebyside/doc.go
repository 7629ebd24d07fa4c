// Command sidebyside measures whole transfers of scp_rdma beside what a user
// would take instead, on one machine, and verifies every one of them.
//
//	go run ./bench/sidebyside                         # all, into bench/results
//	go run ./bench/sidebyside --scale 0.1 --out ""    # short, prints only
//	go run ./bench/sidebyside --render FILE.jsonl     # the page again
//
// It installs nothing: rivals that are missing are named with their package.
//
//	[1] rivals are looked up, scp_rdma is built, the facts of the machine noted
//	[2] case by case: the source is made from a seed, and every rival's server
//	    is started on loopback with keys and a configuration of its own
//	[3] round by round, each rival in turn: the target is emptied, the client
//	    started and timed until it exits (with disk: until all is on it), the
//	    result compared with the source
//	[4] servers are stopped, the source is removed; tables, JSON lines, a page
//
// Round 0 is noted and never counted: caches are cold. Memory that nobody has used
// yet, or that the host of a virtual machine took back while it was free, is slow at
// its first use; so before each run as much as it will take is used once, and freed.
//
// CPU time is that of both ends: of a client what the kernel tells when it is
// waited for, of a server what its cgroup (version 2) used or, without one, what
// /proc says of it, its descendants and those they have waited for. Kernel
// threads belong to nobody and are not in it.
//
// Memory is the peak of the largest single process of an end, as looks some
// milliseconds apart see it; of a client also what the kernel tells at its end,
// if that is more than this program had when it started it: it would be counted
// as the client's. One that ends too soon to be seen may have none.
package main
