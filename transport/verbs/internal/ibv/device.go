//go:build cgo && !noverbs && linux && (amd64 || arm64)

package ibv

/*
#include <net/if.h>

#include "lib.h"
*/
import "C"

import (
	"context"
	"fmt"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"

	"scp_rdma/transport/verbs/internal/nic"
)

// maxGIDs bounds what is asked of a device: mlx5 has 255 rows per port, rxe 1024,
// and the answer holds only those in use. The kernel takes no more in one call: an
// attribute's length has 16 bits (struct ib_uverbs_attr), a row 32 bytes.
const maxGIDs = 2047

// Device is an open device.
type Device struct {
	p     *Provider
	name  string
	node  string // uverbs0, ...; "" if sysfs doesn't have it
	h     *handle
	ctx   *C.struct_ibv_context
	async *events
	iwarp bool
}

func (d *Device) closeContext() unix.Errno { return unix.Errno(C.lib_close_device(d.p.lib, d.ctx)) }

// Close ends a WaitEvent in progress and closes the device (ibv_close_device(3)).
// It is refused while anything stands on the device. It may be called again.
func (d *Device) Close() error {
	return d.h.end(func() unix.Errno {
		d.async.close()
		return d.closeContext()
	})
}

// Removed says that the kernel is taking the device away: it has no node any more, and
// is waiting until nobody has it open (Linux 6.1, ib_uverbs_remove_one).
func (d *Device) Removed() bool { return d.node != "" && !d.p.sys.is(d.node, d.name) }

// Attr are the device's limits (ibv_query_device(3)).
func (d *Device) Attr() (nic.DeviceAttr, error) {
	var a C.struct_ibv_device_attr
	err := d.h.use("query device", func() unix.Errno { return unix.Errno(C.lib_query_device(d.p.lib, d.ctx, &a)) })
	if err != nil {
		return nic.DeviceAttr{}, err
	}
	return nic.DeviceAttr{
		Name: d.name, Firmware: C.GoString(&a.fw_ver[0]), NodeGUID: guid(a.node_guid),
		IWARP: d.iwarp,
		MaxQP: int(a.max_qp), MaxQPWR: int(a.max_qp_wr), MaxSGE: int(a.max_sge), MaxCQ: int(a.max_cq), MaxCQE: int(a.max_cqe),
		MaxMR: int(a.max_mr), MaxMRSize: uint64(a.max_mr_size), MaxPD: int(a.max_pd),
		Ports: int(a.phys_port_cnt), NUMA: d.p.sys.numa(d.name), VF: d.p.sys.virtual(d.name),
	}, nil
}

// guid reads a number in network byte order, as it lies in memory.
func guid(be C.__be64) uint64 {
	var v uint64
	for _, b := range (*[8]byte)(unsafe.Pointer(&be)) {
		v = v<<8 | uint64(b)
	}
	return v
}

// Port is the state of a port, numbered from 1 (ibv_query_port(3)), with the
// rows of its GID table that could be read.
func (d *Device) Port(number int) (nic.Port, error) {
	var a C.struct_ibv_port_attr
	err := d.h.use(fmt.Sprintf("query port %d", number), func() unix.Errno {
		return unix.Errno(C.lib_query_port(d.p.lib, d.ctx, C.uint8_t(number), &a))
	})
	if err != nil {
		return nic.Port{}, err
	}
	p := nic.Port{
		Number: number, State: nic.PortState(a.state), Ethernet: a.link_layer == C.IBV_LINK_LAYER_ETHERNET,
		ActiveMTU: mtuBytes(int(a.active_mtu)), MaxMTU: mtuBytes(int(a.max_mtu)), MaxMessage: uint32(a.max_msg_sz),
		LID: uint16(a.lid), LMC: uint8(a.lmc), NeedsGRH: a.flags&C.IBV_QPF_GRH_REQUIRED != 0, Speed: d.p.sys.rate(d.name, number),
	}
	if p.Ethernet {
		p.TrafficClass = d.p.sys.trafficClass(d.name, number)
	}
	p.GIDs = d.gids(number, min(int(a.gid_tbl_len), maxGIDs), p.Ethernet)
	switch {
	case d.iwarp:
		p.GIDs = byAddress(p.GIDs, true, cards())
	case !p.Ethernet:
		p.PKeys = d.p.sys.pkeys(d.name, number, int(a.pkey_tbl_len))
		p.GIDs = append(p.GIDs, byAddress(p.GIDs, false, cards())...)
	}
	return p, nil
}

// gids reads a port's GID table: by one call of the library where it has one
// (ibv_query_gid_table(3), rdma-core 32), else from sysfs.
func (d *Device) gids(port, n int, ethernet bool) []nic.GID {
	rows := make([]C.struct_ibv_gid_entry, maxGIDs)
	var got C.size_t
	err := d.h.use("query GID table", func() unix.Errno {
		return unix.Errno(C.lib_query_gids(d.p.lib, d.ctx, &rows[0], C.size_t(len(rows)), &got))
	})
	if err != nil {
		return named(d.p.sys.gids(d.name, port, n), ethernet)
	}
	var all []nic.GID
	for _, r := range rows[:got] {
		if int(r.port_num) != port {
			continue
		}
		g := nic.GID{Index: int(r.gid_index), GID: *(*[16]byte)(unsafe.Pointer(&r.gid)), Type: nic.GIDType(r.gid_type)}
		if g.Netdev = interfaceName(r.ndev_ifindex); g.Netdev == "" {
			g.Netdev = d.p.sys.netdev(d.name, port, g.Index) // of another network namespace
		}
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b nic.GID) int { return a.Index - b.Index })
	return all
}

// interfaceName is the name of a network interface, "" if there is none of that
// index here (if_indextoname(3)). One ioctl, where Go's net lists all interfaces
// and their addresses: 1 ms on an emulated CPU, and each row of each table asks.
func interfaceName(index C.uint32_t) string {
	var name [C.IF_NAMESIZE]C.char
	if C.if_indextoname(C.uint(index), &name[0]) == nil {
		return ""
	}
	return C.GoString(&name[0])
}

// mtuBytes makes bytes of enum ibv_mtu, 0 of what is none.
func mtuBytes(code int) int {
	if code < 1 || code > 5 {
		return 0
	}
	return 128 << code
}

// WaitEvent waits for the next asynchronous event of the device and
// acknowledges it (ibv_get_async_event(3)). It ends with ctx, and with
// os.ErrClosed when the device is closed.
func (d *Device) WaitEvent(ctx context.Context) (nic.Event, error) {
	var e C.struct_lib_event
	err := d.async.wait(ctx, func() unix.Errno { return unix.Errno(C.lib_async(d.p.lib, d.ctx, &e)) })
	if err != nil {
		return nic.Event{}, fmt.Errorf("wait for events of %s: %w", d.name, err)
	}
	return nic.Event{Type: nic.EventType(e._type), QPN: uint32(e.qpn), Port: int(e.port)}, nil
}

// PD is a protection domain (ibv_alloc_pd(3)).
type PD struct {
	d  *Device
	h  *handle
	pd *C.struct_ibv_pd
}

// AllocPD makes a protection domain.
func (d *Device) AllocPD() (nic.PD, error) {
	p := &PD{d: d}
	var err error
	p.h, err = grow("PD of "+d.name, func() unix.Errno { return unix.Errno(C.lib_alloc_pd(d.p.lib, d.ctx, &p.pd)) }, d.h)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Close frees the domain; refused (EBUSY) while an MR or QP stands on it.
func (p *PD) Close() error {
	return p.h.end(func() unix.Errno { return unix.Errno(C.lib_dealloc_pd(p.d.p.lib, p.pd)) })
}

// MR is registered memory (ibv_reg_mr(3)).
type MR struct {
	pd         *PD
	h          *handle
	mr         *C.struct_ibv_mr
	mem        []byte
	lkey, rkey C.uint32_t // the library's copy goes with the MR
}

// RegMR registers memory that the caller got from unix.Mmap and keeps mapped
// until the MR is closed: never memory of Go's heap, which the device would
// write to behind the collector's back.
func (p *PD) RegMR(mem []byte, access nic.Access) (nic.MR, error) {
	if len(mem) == 0 {
		return nil, fmt.Errorf("register memory: nothing to register: %w", unix.EINVAL)
	}
	m := &MR{pd: p, mem: mem}
	var err error
	m.h, err = grow(fmt.Sprintf("MR of %s (%d bytes)", p.d.name, len(mem)), func() unix.Errno {
		return unix.Errno(C.lib_reg_mr(p.d.p.lib, p.pd, unsafe.Pointer(&mem[0]), C.size_t(len(mem)), C.uint(access), &m.mr))
	}, p.h)
	if err != nil {
		return nil, err
	}
	m.lkey, m.rkey = m.mr.lkey, m.mr.rkey
	return m, nil
}

// Close ends the registration. The memory is the caller's.
func (m *MR) Close() error {
	return m.h.end(func() unix.Errno { return unix.Errno(C.lib_dereg_mr(m.pd.d.p.lib, m.mr)) })
}
