//go:build cgo && !noverbs && linux && (amd64 || arm64)

package ibv

/*
#include <stdlib.h>
#include "cm.h"
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"scp_rdma/transport"
	"scp_rdma/transport/verbs/internal/nic"
)

// cmConn is an id of rdma_cm that a QP is connected by. The library doesn't know
// the QP, which is on the provider's opening of the device and not on the
// library's: so PDs, MRs and CQs are those of every other QP.
type cmConn struct {
	ch      *cmChannel
	h       *handle
	id      *C.struct_cm_id
	asked   bool // a request of another's
	private []byte
}

// Dial implements nic.Connector.
func (c *connector) Dial(ctx context.Context, from netip.Addr, to netip.AddrPort) (nic.Conn, error) {
	conn, err := c.dial(ctx, from, to)
	if err != nil {
		return nil, fmt.Errorf("find the way from %v to %v: %w", from, to, err)
	}
	return conn, nil
}

func (c *connector) dial(ctx context.Context, from netip.Addr, to netip.AddrPort) (*cmConn, error) {
	ch, err := c.channel("a connection")
	if err != nil {
		return nil, err
	}
	d := &cmConn{ch: ch}
	source, target := socket(netip.AddrPortFrom(from, 0)), socket(to)
	defer C.free(source)
	defer C.free(target)
	d.h, err = grow("rdma_cm connection", func() unix.Errno {
		return unix.Errno(C.lib_cm_resolve(c.lib, ch.ch, source, target, resolveTime, &d.id))
	}, ch.h)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errors.Join(err, ch.close()), transport.ErrUnavailable)
	}
	if _, err = d.await(ctx, C.CM_ADDR_RESOLVED); err == nil {
		err = d.h.use("find a route", func() unix.Errno { return unix.Errno(C.lib_cm_resolve_route(c.lib, d.id, resolveTime)) })
	}
	if err == nil {
		_, err = d.await(ctx, C.CM_ROUTE_RESOLVED)
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// await waits for one of some events; each other is an error.
func (d *cmConn) await(ctx context.Context, want ...C.int) (C.int, error) {
	e, err := d.ch.next(ctx)
	if err != nil {
		return 0, err
	}
	for _, w := range want {
		if e._type == w && e.status == 0 {
			return w, nil
		}
	}
	return 0, cmError(&e)
}

// cmError says what an event means that is not the one that was hoped for.
func cmError(e *C.struct_lib_cm_event) error {
	why := fmt.Sprintf("rdma_cm event %d", int(e._type))
	err := transport.ErrPeerGone
	switch e._type {
	case C.CM_ADDR_ERROR:
		why, err = "no way to the address, or nobody answers there", transport.ErrUnavailable
	case C.CM_ROUTE_ERROR:
		why, err = "no route to the address", transport.ErrUnavailable
	case C.CM_CONNECT_ERROR, C.CM_UNREACHABLE:
		why = "the peer doesn't answer: a firewall may be in between"
	case C.CM_REJECTED:
		why = "the peer has refused the connection"
	case C.CM_DISCONNECTED:
		why = "the peer has ended the connection, or is gone"
	case C.CM_DEVICE_REMOVAL:
		why = "the device was removed"
	}
	// A status is -errno, but for a rejection: the reason of the IB specification or of MPA.
	if errno := unix.Errno(-e.status); e.status < 0 && e._type != C.CM_REJECTED {
		return fmt.Errorf("%s: %w: %w", why, errno, err)
	}
	return fmt.Errorf("%s (status %d): %w", why, int(e.status), err)
}

// Device implements nic.Conn.
func (d *cmConn) Device() string {
	var name string
	_ = d.h.use("device", func() unix.Errno { // closed: no name
		if d.id.verbs != nil {
			name = C.GoString(&d.id.verbs.device.name[0])
		}
		return 0
	})
	return name
}

// Private implements nic.Conn.
func (d *cmConn) Private() []byte { return d.private }

// own gives the QP, which must be of the connection's device: iWARP's kernel finds
// it by its number on that.
func (d *cmConn) own(q nic.QP) (*QP, error) {
	own, ok := q.(*QP)
	if !ok || own.d.name != d.Device() {
		return nil, fmt.Errorf("connect a QP of another device than %s: %w", d.Device(), unix.EINVAL)
	}
	return own, nil
}

// Connect implements nic.Conn.
func (d *cmConn) Connect(ctx context.Context, q nic.QP, private []byte, w nic.Peer, r nic.Retry) error {
	own, err := d.own(q)
	if err != nil {
		return err
	}
	if len(private) > nic.MaxPrivate {
		return fmt.Errorf("a request with %d bytes: %w", len(private), unix.EINVAL)
	}
	data := C.CBytes(private)
	defer C.free(data)
	err = d.h.use("connect", func() unix.Errno {
		return unix.Errno(C.lib_cm_connect(d.ch.c.lib, d.id, data, C.int(len(private)), C.uint32_t(own.qpn), C.int(r.Count), C.int(r.RNRCount)))
	})
	if err != nil {
		return fmt.Errorf("%w: %w", err, transport.ErrUnavailable)
	}
	got, err := d.await(ctx, C.CM_CONNECT_RESPONSE, C.CM_ESTABLISHED)
	if err != nil || got == C.CM_ESTABLISHED {
		return err // iWARP: the kernel has moved the QP
	}
	if err := d.ready(own, w, r); err != nil {
		return err
	}
	return d.h.use("establish", func() unix.Errno { return unix.Errno(C.lib_cm_establish(d.ch.c.lib, d.id)) })
}

// Accept implements nic.Conn.
func (d *cmConn) Accept(q nic.QP, w nic.Peer, r nic.Retry) error {
	own, err := d.own(q)
	if err != nil {
		return err
	}
	if !own.d.iwarp {
		if err := d.ready(own, w, r); err != nil {
			return err
		}
	}
	err = d.h.use("accept", func() unix.Errno {
		return unix.Errno(C.lib_cm_accept(d.ch.c.lib, d.id, C.uint32_t(own.qpn), C.int(r.Count), C.int(r.RNRCount)))
	})
	if err == nil {
		d.asked = false
	}
	return err
}

// ready brings a QP in INIT to RTS, as rdma_cm says (rdma_init_qp_attr(3)), but for
// what is ours to choose.
func (d *cmConn) ready(q *QP, w nic.Peer, r nic.Retry) error {
	for _, to := range []struct {
		state C.int
		name  string
	}{{C.IBV_QPS_RTR, "RTR"}, {C.IBV_QPS_RTS, "RTS"}} {
		var a C.struct_ibv_qp_attr
		var mask C.int
		err := d.h.use("what "+to.name+" takes", func() unix.Errno {
			return unix.Errno(C.lib_cm_attr(d.ch.c.lib, d.id, to.state, &a, &mask))
		})
		if err != nil {
			return err
		}
		if ours, err := w.Attr(); err == nil {
			a.path_mtu = uint32(ours.PathMTU)
		}
		a.ah_attr.grh.traffic_class = C.uint8_t(w.TrafficClass)
		if w.SL != 0 {
			a.ah_attr.sl = C.uint8_t(w.SL) // else what the subnet manager has for the path
		}
		if a.ah_attr.is_global != 0 && w.FlowLabel != 0 {
			a.ah_attr.grh.flow_label = C.uint32_t(w.FlowLabel)
		}
		a.min_rnr_timer, a.timeout = C.uint8_t(w.MinRNR), C.uint8_t(r.Timeout)
		a.retry_cnt, a.rnr_retry = C.uint8_t(r.Count), C.uint8_t(r.RNRCount)
		if err := q.modify(to.name, &a, mask); err != nil {
			return err
		}
	}
	return nil
}

// Wait implements nic.Conn.
func (d *cmConn) Wait(ctx context.Context) error {
	for {
		e, err := d.ch.next(ctx)
		if err != nil {
			return fmt.Errorf("wait for the end of the connection: %w", err)
		}
		switch e._type {
		case C.CM_CONNECT_ERROR, C.CM_UNREACHABLE, C.CM_REJECTED, C.CM_DISCONNECTED, C.CM_DEVICE_REMOVAL:
			return cmError(&e)
		}
	}
}

// Close implements nic.Conn.
func (d *cmConn) Close() error {
	d.ch.events.close()
	err := d.h.end(func() unix.Errno {
		if d.asked {
			C.lib_cm_reject(d.ch.c.lib, d.id)
		}
		return unix.Errno(C.lib_cm_destroy(d.ch.c.lib, d.id))
	})
	if err != nil {
		return err
	}
	return d.ch.end()
}
