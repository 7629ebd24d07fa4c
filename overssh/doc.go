// Package overssh starts the other end of a transfer over ssh(1), as scp and rsync do: no
// daemon, no key file, no port that anybody has to know.
//
//	[1] the client runs ssh -- HOST scp_rdma --over-ssh; what the remote shell sees is
//	    fixed, or quoted
//	[2] on the pipe it says a Request, one line: a key made for this session alone, the
//	    path as typed, which ports may be listened on
//	[3] the other end opens the directory, listens, and says an Answer, one line: where it
//	    can be reached. What a login script prints before is passed over
//	[4] control and data go over the network, proved by the key, as with a daemon. For
//	    networks that let nothing but ssh through, the pipe carries connections too
//	    (yamux), from a port of loopback here to the server's own port there
//	[5] the other end ends with the session, and when the pipe does
package overssh
