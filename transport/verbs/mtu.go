package verbs

import (
	"fmt"
	"time"

	"scp_rdma/transport"
	"scp_rdma/transport/verbs/internal/nic"
)

// shrunk ends a stream whose port has a smaller MTU now than its packets are made for.
// There is no event for it. Such packets are dropped; soft-RoCE tries them again without
// end, and with them all that the host sends (Linux 6.1, rxe_req.c: 80 s without a byte
// on another rail), so the QP has to end before Config.Stall does. The port is asked only
// if what was posted takes longer than a heartbeat.
func (l *link) shrunk() {
	l.mu.Lock()
	waits := l.state.talks() && len(l.marks) > 0 && time.Since(l.since) > l.d.t.cfg.Heartbeat
	path := min(l.port.ActiveMTU, int(l.far.MTU))
	l.mu.Unlock()
	if !waits || l.d.attr.IWARP { // TCP cuts as the way asks
		return
	}
	p, err := l.d.dev.Port(l.port.Number)
	if err != nil || p.State != nic.PortActive || p.ActiveMTU >= path {
		return // the first two are told by others
	}
	l.d.forget(p.Number)
	l.fail(fmt.Errorf("QP %d: the MTU of port %d has become %d bytes, and packets of %d were agreed on: the stream has to be joined again: %w",
		l.qpn, p.Number, p.ActiveMTU, path, transport.ErrPeerGone))
}
