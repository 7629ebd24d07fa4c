package engine

import (
	"errors"

	"scp_rdma/control"
	"scp_rdma/localfs"
	"scp_rdma/transport"
	"scp_rdma/wire"
)

// Kind is what a session ended with: one of few words, for counting.
type Kind string

// The kinds of ends.
const (
	KindDone        Kind = "done"
	KindCancelled   Kind = "cancelled"    // by a person, or a server that stops
	KindPeerLost    Kind = "peer_lost"    // the client is gone without a word
	KindPeerFailed  Kind = "peer_failed"  // the client says that it can't go on
	KindDisk        Kind = "disk"         // full, read-only or broken
	KindProtocol    Kind = "protocol"     // the client says what makes no sense
	KindVerify      Kind = "verify"       // bytes did not verify, again and again
	KindNoTransport Kind = "no_transport" // no way to the client, or none is left
	KindAuth        Kind = "auth"         // a right is missing
	KindUsage       Kind = "usage"        // what is asked for is not to be had
	KindVersion     Kind = "version"      // another version of the protocol
	KindOther       Kind = "other"
)

// Kinds lists them all.
func Kinds() []Kind {
	return []Kind{
		KindDone, KindCancelled, KindPeerLost, KindPeerFailed, KindDisk, KindProtocol,
		KindVerify, KindNoTransport, KindAuth, KindUsage, KindVersion, KindOther,
	}
}

// kindOf is the kind of an end. The order decides between several: who was interrupted
// was not lost, and a full disk matters more than what it led to.
func kindOf(err error) Kind {
	var remote *RemoteError
	switch {
	case err == nil:
		return KindDone
	case isAny(err, control.ErrAuth, transport.ErrProof): // also of one whose key was taken back meanwhile
		return KindAuth
	case errors.Is(err, errCancelled):
		return KindCancelled
	case errors.As(err, &remote) && remote.Code == wire.ByeCancelled:
		return KindCancelled
	case errors.As(err, &remote):
		return KindPeerFailed
	case localfs.Fatal(err):
		return KindDisk
	case isAny(err, ErrVerify):
		return KindVerify
	case isAny(err, ErrProtocol, transport.ErrProtocol, wire.ErrMalformed, wire.ErrUnknownType, ErrUnasked):
		return KindProtocol
	case isAny(err, localfs.ErrUsage):
		return KindUsage
	case isAny(err, control.ErrVersion):
		return KindVersion
	case isAny(err, ErrPeerLost, transport.ErrPeerGone, control.ErrSilent, errReplaced):
		return KindPeerLost
	case isAny(err, transport.ErrUnavailable):
		return KindNoTransport
	}
	return KindOther
}

func isAny(err error, targets ...error) bool {
	for _, t := range targets {
		if errors.Is(err, t) {
			return true
		}
	}
	return false
}
