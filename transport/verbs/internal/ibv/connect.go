//go:build cgo && !noverbs && linux && (amd64 || arm64)

package ibv

/*
#include "lib.h"
*/
import "C"

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"scp_rdma/transport/verbs/internal/nic"
)

// attr is the library's structure of attributes. What counts of it is for the mask to say.
func attr(a nic.QPAttr) C.struct_ibv_qp_attr {
	c := C.struct_ibv_qp_attr{
		qp_state: uint32(a.State), port_num: C.uint8_t(a.PortNum), pkey_index: C.uint16_t(a.PKeyIndex), qp_access_flags: C.uint(a.AccessFlags),
		path_mtu: uint32(a.PathMTU), dest_qp_num: C.uint32_t(a.DestQPN), rq_psn: C.uint32_t(a.RQPSN),
		max_dest_rd_atomic: C.uint8_t(a.MaxDestRDAtomic), min_rnr_timer: C.uint8_t(a.MinRNRTimer),
		timeout: C.uint8_t(a.Timeout), retry_cnt: C.uint8_t(a.RetryCnt), rnr_retry: C.uint8_t(a.RNRRetry),
		sq_psn: C.uint32_t(a.SQPSN), max_rd_atomic: C.uint8_t(a.MaxRDAtomic),
	}
	c.ah_attr = C.struct_ibv_ah_attr{
		dlid: C.uint16_t(a.AH.DLID), sl: C.uint8_t(a.AH.SL), src_path_bits: C.uint8_t(a.AH.SrcPathBits),
		static_rate: C.uint8_t(a.AH.StaticRate), port_num: C.uint8_t(a.AH.PortNum),
	}
	if a.AH.IsGlobal {
		g := a.AH.GRH
		c.ah_attr.is_global = 1
		c.ah_attr.grh = C.struct_ibv_global_route{
			flow_label: C.uint32_t(g.FlowLabel), sgid_index: C.uint8_t(g.SGIDIndex), hop_limit: C.uint8_t(g.HopLimit), traffic_class: C.uint8_t(g.TrafficClass),
		}
		*(*[16]byte)(unsafe.Pointer(&c.ah_attr.grh.dgid)) = g.DGID
	}
	return c
}

// ToRTR moves INIT -> RTR: the QP can receive (ibv_modify_qp(3); IB spec
// 11.2.5.2). siw refuses it with EINVAL: iWARP is connected by rdma_cm.
func (q *QP) ToRTR(p nic.Peer) error {
	way, err := p.Attr()
	if err != nil {
		return fmt.Errorf("QP %d to RTR: %w", q.QPN(), err)
	}
	a := attr(way)
	return q.modify("RTR", &a, C.IBV_QP_STATE|C.IBV_QP_AV|C.IBV_QP_PATH_MTU|C.IBV_QP_DEST_QPN|C.IBV_QP_RQ_PSN|
		C.IBV_QP_MAX_DEST_RD_ATOMIC|C.IBV_QP_MIN_RNR_TIMER)
}

// ToRTS moves RTR -> RTS: the QP can send as well.
func (q *QP) ToRTS(r nic.Retry) error {
	a := attr(r.Attr())
	return q.modify("RTS", &a, C.IBV_QP_STATE|C.IBV_QP_TIMEOUT|C.IBV_QP_RETRY_CNT|C.IBV_QP_RNR_RETRY|C.IBV_QP_SQ_PSN|C.IBV_QP_MAX_QP_RD_ATOMIC)
}

// PostSend posts a chain in order, in one call of C (ibv_post_send(3)). It says
// how many were taken: all, or those before the one that the error is about.
// ENOMEM: the send queue is full.
func (q *QP) PostSend(chain []nic.SendWR) (int, error) {
	var posted C.int
	if len(chain) == 0 {
		return 0, nil
	}
	err := q.h.use("post send", func() unix.Errno {
		q.sendMu.Lock()
		defer q.sendMu.Unlock()
		q.sends = q.sends[:0]
		for i := range chain {
			w, errno := flat(&chain[i])
			if errno != 0 {
				return errno
			}
			q.sends = append(q.sends, w)
		}
		return unix.Errno(C.lib_post_send(q.qp, &q.sends[0], C.int(len(q.sends)), &posted))
	})
	return int(posted), err
}

// flat makes what C takes of a request.
func flat(w *nic.SendWR) (f C.struct_lib_send, errno unix.Errno) {
	addr, lkey, errno := place(w.MR, w.Offset, w.Length)
	if errno != 0 {
		return f, errno
	}
	f = C.struct_lib_send{
		wr_id: C.uint64_t(w.ID), addr: addr, length: C.uint32_t(w.Length), lkey: lkey,
		opcode: C.IBV_WR_SEND, remote_addr: C.uint64_t(w.RemoteAddr), rkey: C.uint32_t(w.RKey),
	}
	switch w.Op {
	case nic.OpSend:
	case nic.OpWrite:
		f.opcode = C.IBV_WR_RDMA_WRITE
		if w.WithImm {
			f.opcode, f.imm = C.IBV_WR_RDMA_WRITE_WITH_IMM, C.uint32_t(w.Imm)
		}
	default:
		return f, unix.EINVAL
	}
	if w.Signalled {
		f.flags |= C.IBV_SEND_SIGNALED
	}
	if w.Inline {
		f.flags |= C.IBV_SEND_INLINE
	}
	return f, 0
}

// PostRecv posts room for SENDs, in order, as PostSend does (ibv_post_recv(3)).
func (q *QP) PostRecv(chain []nic.RecvWR) (int, error) {
	var posted C.int
	if len(chain) == 0 {
		return 0, nil
	}
	err := q.h.use("post receive", func() unix.Errno {
		q.recvMu.Lock()
		defer q.recvMu.Unlock()
		q.recvs = q.recvs[:0]
		for _, w := range chain {
			addr, lkey, errno := place(w.MR, w.Offset, w.Length)
			if errno != 0 {
				return errno
			}
			q.recvs = append(q.recvs, C.struct_lib_recv{wr_id: C.uint64_t(w.ID), addr: addr, length: C.uint32_t(w.Length), lkey: lkey})
		}
		return unix.Errno(C.lib_post_recv(q.qp, &q.recvs[0], C.int(len(q.recvs)), &posted))
	})
	return int(posted), err
}

// place finds a range of an MR that is open: an inline request is copied at
// once, from memory that must still be there.
func place(mr nic.MR, offset, length int) (addr C.uint64_t, lkey C.uint32_t, errno unix.Errno) {
	m, ok := mr.(*MR)
	if !ok {
		return 0, 0, unix.EINVAL
	}
	m.h.mu.RLock()
	gone := m.h.gone
	m.h.mu.RUnlock()
	if addr, ok = m.address(offset, length); !ok || gone {
		return 0, 0, unix.EFAULT
	}
	return addr, m.lkey, 0
}

// address is where a range of a registered slab lies; false outside of it, or
// if a device could not take its length.
func (m *MR) address(offset, length int) (C.uint64_t, bool) {
	if offset < 0 || length < 0 || length > 1<<31-1 || length > len(m.mem)-offset {
		return 0, false
	}
	return C.uint64_t(uintptr(unsafe.Pointer(&m.mem[0]))) + C.uint64_t(offset), true
}

// Addr is the address that a peer's RDMA WRITE names for the first byte.
func (m *MR) Addr() uint64 { return uint64(uintptr(unsafe.Pointer(&m.mem[0]))) }

// RKey is what a peer's RDMA WRITE must show.
func (m *MR) RKey() uint32 { return uint32(m.rkey) }
