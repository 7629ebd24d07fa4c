package verbs

import (
	"crypto/hmac"
	"crypto/sha256"

	"scp_rdma/transport"
	"scp_rdma/wire"
)

// Labels keep the two sides' proofs apart: neither can be sent back as the other's.
const (
	labelInitiator = "scp_rdma verbs join v1 initiator"
	labelResponder = "scp_rdma verbs join v1 responder"
	labelRequest   = "scp_rdma verbs request v1"
)

// join is the Hello of one side. Its proof is over both offers, with their QPNs,
// keys, addresses and nonces: nobody between the two can have changed one.
func join(req transport.OpenRequest, label string, initiator, responder []byte) wire.Join {
	j := wire.Join{
		Session: req.Session, Stream: req.Stream, Epoch: req.Epoch,
		Slots: uint32(req.Slots), SlotSize: uint32(req.SlotSize),
	}
	mac := hmac.New(sha256.New, req.Key)
	mac.Write([]byte(label))
	mac.Write(j.Append(nil))
	mac.Write(initiator)
	mac.Write(responder)
	mac.Sum(j.Proof[:0])
	return j
}

// word is what a request of rdma_cm shows: which stream is meant, by the nonce of the
// responder's offer, and that who asks has the session's key and both offers. It goes
// in the clear and is good once, as the nonce is.
func word(key []byte, nonce [16]byte, initiator, responder []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(labelRequest))
	mac.Write(initiator)
	mac.Write(responder)
	return mac.Sum(nonce[:])
}

// own and others are the Hellos of this side and of the other.
func (l *link) own() wire.Join {
	if l.req.Initiator {
		return join(l.req, labelInitiator, l.mine, l.theirs)
	}
	return join(l.req, labelResponder, l.theirs, l.mine)
}

func (l *link) others() wire.Join {
	if l.req.Initiator {
		return join(l.req, labelResponder, l.mine, l.theirs)
	}
	return join(l.req, labelInitiator, l.theirs, l.mine)
}

// hello takes the peer's Hello; a responder answers it. mu is held.
func (l *link) hello(b []byte) error {
	want := l.others()
	if !hmac.Equal(want.Append(nil), b) {
		return transport.ErrProof
	}
	if !l.req.Initiator {
		mine := l.own()
		if err := l.say(mine.Append(nil), true, 0, 0); err != nil {
			return err
		}
	}
	l.move(proves)
	close(l.proved)
	return nil
}
