package verbs

import (
	"fmt"
	"net/netip"

	"scp_rdma/transport"
	"scp_rdma/transport/verbs/internal/nic"
)

// Cures, for people: what a completion or an event most often means.
const (
	cureGone = "its process or host is gone, or the way to it: look at cable, switch (PFC, MTU) and the peer's log"
	cureLie  = "the peer, or a version of it that doesn't fit, breaks the rules: update both ends; if it stays, report it"
	cureOurs = "the device can't send (is its network card down?), or a mistake of this program or of the driver: update rdma-core, and report it"
	cureLost = "the kernel's log has the reason (dmesg)"
)

// cureDown says how a port comes up. What a virtual function has is for the host to
// give that it is of (ip-link(8), vf).
func cureDown(p nic.Port, vf bool) string {
	switch {
	case vf && p.Ethernet:
		return "it is of a virtual function: bring its link up here (ip link set DEVICE up), and where it comes from (ip link set PF vf N state auto)"
	case vf:
		return "it is of a virtual function, which needs GUIDs from where it comes from (ip link set PF vf N node_guid G, then port_guid G and state auto), and then to be bound anew"
	case !p.Ethernet:
		return "plug the cable in, and have a subnet manager run on the fabric (ibstat tells the state)"
	}
	return "plug the cable in, or bring the link up (ip link set DEVICE up)"
}

// cureNoGID says where a port gets an address that can be used.
func cureNoGID(p nic.Port, vf bool) string {
	switch {
	case vf && p.Ethernet:
		return "it is of a virtual function: its network card must be here, in this network namespace, up and with an IP address"
	case vf:
		return "it is of a virtual function without GUIDs: give it some where it comes from (ip link set PF vf N node_guid G, then port_guid G), and bind it anew"
	case !p.Ethernet:
		return "a subnet manager must run on the fabric"
	}
	return "give its network card an IP address"
}

// completionError says what a completion without success means.
func completionError(wc nic.WC, iwarp bool) error {
	cure, base := cureOurs, error(nil)
	if iwarp && wc.Status == nic.Flushed { // we flush nothing that lives: the connection below has ended
		return fmt.Errorf("QP %d: the connection has ended: %s: %w", wc.QPN, cureGone, transport.ErrPeerGone)
	}
	switch wc.Status {
	case nic.RetryExceeded, nic.RNRExceeded, nic.RemoteOp:
		cure, base = cureGone, transport.ErrPeerGone
	case nic.RemoteAccess, nic.RemoteInvalid, nic.LocalLength:
		cure, base = cureLie, transport.ErrProtocol
	case nic.Flushed, nic.Fatal, nic.General:
		cure, base = cureLost, transport.ErrPeerGone
	case nic.Success, nic.LocalQPOp, nic.LocalProtection:
	}
	err := fmt.Errorf("QP %d: %v (vendor error %#x): %s", wc.QPN, wc.Status, wc.VendorErr, cure)
	if base == nil {
		return err
	}
	return fmt.Errorf("%w: %w", err, base)
}

// moved says why a stream can't go on whose port was as was and is now as p.
func moved(was, p nic.Port, kind uint8, gid [16]byte) error {
	cure := "give its network card the address back (ip addr add), or leave it to the other rails"
	if !p.Ethernet {
		cure = "the subnet manager has changed it: the stream is joined again with the new one"
	}
	if _, ok := rowOf(p, kind, gid); !ok {
		return fmt.Errorf("GID %v (%v) has left port %d: %s: %w", netip.AddrFrom16(gid), nic.GIDType(kind-1), p.Number, cure, transport.ErrPeerGone)
	}
	if p.LID != was.LID {
		return fmt.Errorf("port %d has LID %d no more, but %d: %s: %w", p.Number, was.LID, p.LID, cure, transport.ErrPeerGone)
	}
	return nil
}

// eventError says what an asynchronous event means to a stream; nil if nothing.
func eventError(e nic.Event, qpn uint32, port int) error {
	mine := false
	cure := cureLost
	switch e.Type {
	case nic.EventPortError:
		mine, cure = e.Port == port, "plug the cable in, or bring the link up (ip link set DEVICE up)"
	case nic.EventDeviceFatal, nic.EventCQError:
		mine = true
	case nic.EventQPFatal:
		mine = e.QPN == qpn
	case nic.EventQPRequest, nic.EventQPAccess:
		mine, cure = e.QPN == qpn, cureLie
	case nic.EventPortActive, nic.EventPKeyChange:
	case nic.EventLIDChange, nic.EventGIDChange: // some stream's, perhaps: domain.moved
	}
	if !mine {
		return nil
	}
	return fmt.Errorf("QP %d, port %d: %v: %s: %w", qpn, port, e.Type, cure, transport.ErrPeerGone)
}
