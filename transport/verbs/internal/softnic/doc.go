// Package softnic is RDMA devices in plain Go, behind the interfaces of nic: what
// verbs does with a device runs in ordinary tests, with the race detector.
//
//	[1] a Fabric joins Hosts; a Host has devices, made after a Spec: RXE and SIW are
//	    like the kernel's two software devices
//	[2] each QP has a goroutine that carries its send queue, one request after the
//	    other, as RC does: retries, RNR, keys and ranges checked at the far end
//	    (carry.go)
//	[3] completions and events wait in their queues for whoever asks (cq.go)
//	[4] rdma_cm joins QPs of any device, and is all that joins those of SIW (cm.go)
//	[5] a test pulls plugs: Host.SetPort, Host.Break, and says at the end what was
//	    left open: Fabric.Leaks
//
// It is stricter than real devices where that finds mistakes: an entry of a send
// queue is free only when a completion that covers it was polled (as with mlx5,
// not rxe), and a CQ holds what was asked for and no more. devicetest holds it to
// what devices were seen to do.
//
// Everything is under one lock of the Fabric. Data are copied under it too: a
// poller that sees a completion sees the bytes.
package softnic
