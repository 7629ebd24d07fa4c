// Package socket is what transports have in common whose streams run over a connected
// stream socket: the proof that the two ends give each other, and the stream itself.
//
// No goroutine belongs to a stream. The sender reads credits only when it has
// none left: what lies unread is bounded, for a credit CDC tells of at least one
// new frame and at most Slots frames can be released before the sender reads
// again; of requests one is unanswered at a time. So at most Slots+1 CDCs of 40
// bytes wait in a socket buffer, and the receiver's writes of them can't block
// (transport.FuzzUnreadCredits).
package socket
