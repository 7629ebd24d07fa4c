//go:build cgo && !noverbs && linux && (amd64 || arm64)

package ibv

/*
#include "lib.h"
*/
import "C"

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"scp_rdma/transport/verbs/internal/nic"
)

// QP is a reliable connected queue pair (ibv_create_qp(3)); one CQ takes the
// completions of both its queues.
type QP struct {
	d   *Device
	h   *handle
	qp  *C.struct_ibv_qp
	qpn uint32 // the library's copy goes with the QP

	// Each queue has its own lock: a post that a device in software works off at
	// once, some ms long, must not keep receives from being posted.
	sendMu, recvMu sync.Mutex
	sends          []C.struct_lib_send // scratch of PostSend
	recvs          []C.struct_lib_recv
}

// CreateQP makes a QP in state RESET and says what was granted, at least what
// was asked for.
func (p *PD) CreateQP(on nic.CQ, caps nic.Caps) (nic.QP, nic.Caps, error) {
	cq, ok := on.(*CQ)
	if !ok || cq.d != p.d || caps.SendWR < 0 || caps.RecvWR < 0 || caps.Inline < 0 {
		return nil, nic.Caps{}, fmt.Errorf("create QP of %s: of another device's CQ, or %+v: %w", p.d.name, caps, unix.EINVAL)
	}
	want := C.struct_ibv_qp_cap{
		max_send_wr: C.uint32_t(caps.SendWR), max_recv_wr: C.uint32_t(caps.RecvWR),
		max_send_sge: 1, max_recv_sge: 1, max_inline_data: C.uint32_t(caps.Inline),
	}
	q := &QP{d: p.d}
	var err error
	q.h, err = grow("QP of "+p.d.name, func() unix.Errno {
		return unix.Errno(C.lib_create_qp(p.d.p.lib, p.pd, cq.cq, &want, &q.qp))
	}, p.h, cq.h)
	if err != nil {
		return nil, nic.Caps{}, err
	}
	q.qpn = uint32(q.qp.qp_num)
	return q, nic.Caps{SendWR: int(want.max_send_wr), RecvWR: int(want.max_recv_wr), Inline: int(want.max_inline_data)}, nil
}

// QPN is the queue pair's number.
func (q *QP) QPN() uint32 { return q.qpn }

func (q *QP) modify(to string, a *C.struct_ibv_qp_attr, mask C.int) error {
	return q.h.use(fmt.Sprintf("QP %d to %s", q.QPN(), to), func() unix.Errno {
		return unix.Errno(C.lib_modify_qp(q.d.p.lib, q.qp, a, mask))
	})
}

// ToInit moves RESET -> INIT on a port (ibv_modify_qp(3); IB spec 11.2.5.2).
func (q *QP) ToInit(port, pkey int) error {
	a := attr(nic.InitAttr(port, pkey))
	return q.modify("INIT", &a, C.IBV_QP_STATE|C.IBV_QP_PKEY_INDEX|C.IBV_QP_PORT|C.IBV_QP_ACCESS_FLAGS)
}

// ToError moves any state to ERR: every WR that is posted completes as flushed.
func (q *QP) ToError() error {
	return q.modify("ERR", &C.struct_ibv_qp_attr{qp_state: C.IBV_QPS_ERR}, C.IBV_QP_STATE)
}

// State asks the device (ibv_query_qp(3)).
func (q *QP) State() (nic.State, error) {
	var a C.struct_ibv_qp_attr
	err := q.h.use("query QP", func() unix.Errno { return unix.Errno(C.lib_query_qp(q.d.p.lib, q.qp, &a, C.IBV_QP_STATE)) })
	return nic.State(a.qp_state), err
}

// Close destroys the QP. Completions that were not polled are lost.
func (q *QP) Close() error {
	return q.h.end(func() unix.Errno { return unix.Errno(C.lib_destroy_qp(q.d.p.lib, q.qp)) })
}
