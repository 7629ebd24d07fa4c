// Package mem carries streams inside one process, over Go channels and the same
// ledger and CDCs as every other transport. It is a test tool: no sockets, no
// files, and it works inside testing/synctest's bubbles, in virtual time.
//
// Both ends of a session use the same *Transport; endpoints find each other by
// session, stream and epoch.
package mem
