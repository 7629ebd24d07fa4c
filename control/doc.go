// Package control is the one control connection of a session, and the server's
// port that it shares with data connections.
//
//	[1] Dial connects and both sides say their preamble: what they are, which version
//	[2] the listener tells control from data by it, under one deadline for all
//	[3] messages flow both ways, each length checked before its body is read
//	[4] a Ping goes out when a side had nothing to say for a while; silence
//	    beyond Timeout ends the connection
//
// Send never waits for the network: it encodes into a queue that one writer
// goroutine empties, all that has gathered in one write. Who sends bounds what
// it queues (the engine's window); MaxQueued is the net under that.
package control
