//go:build cgo && !noverbs && linux && (amd64 || arm64)

package ibv

/*
#include "lib.h"
*/
import "C"

import (
	"fmt"
	"math/bits"
	"unsafe"

	"golang.org/x/sys/unix"

	"scp_rdma/transport/verbs/internal/nic"
)

// ToRTR moves INIT -> RTR: the QP can receive (ibv_modify_qp(3); IB spec
// 11.2.5.2). siw refuses it with EINVAL: iWARP is connected by rdma_cm.
func (q *QP) ToRTR(p nic.Peer) error {
	if p.PathMTU < 256 || p.PathMTU > 4096 || bits.OnesCount(uint(p.PathMTU)) != 1 {
		return fmt.Errorf("QP %d to RTR: path MTU of %d bytes: %w", q.QPN(), p.PathMTU, unix.EINVAL)
	}
	a := C.struct_ibv_qp_attr{
		qp_state: C.IBV_QPS_RTR, path_mtu: uint32(bits.TrailingZeros(uint(p.PathMTU)) - 7),
		dest_qp_num: C.uint32_t(p.QPN), rq_psn: C.uint32_t(p.PSN), min_rnr_timer: C.uint8_t(p.MinRNR),
		max_dest_rd_atomic: C.uint8_t(p.ReadDepth),
	}
	a.ah_attr.port_num = C.uint8_t(p.Port)
	a.ah_attr.dlid = C.uint16_t(p.LID)
	if p.Global {
		a.ah_attr.is_global = 1
		a.ah_attr.grh.sgid_index = C.uint8_t(p.GIDIndex)
		a.ah_attr.grh.hop_limit = C.uint8_t(p.HopLimit)
		a.ah_attr.grh.traffic_class = C.uint8_t(p.TrafficClass)
		*(*[16]byte)(unsafe.Pointer(&a.ah_attr.grh.dgid)) = p.GID
	}
	return q.modify("RTR", &a, C.IBV_QP_STATE|C.IBV_QP_AV|C.IBV_QP_PATH_MTU|C.IBV_QP_DEST_QPN|C.IBV_QP_RQ_PSN|
		C.IBV_QP_MAX_DEST_RD_ATOMIC|C.IBV_QP_MIN_RNR_TIMER)
}

// ToRTS moves RTR -> RTS: the QP can send as well.
func (q *QP) ToRTS(r nic.Retry) error {
	return q.modify("RTS", &C.struct_ibv_qp_attr{
		qp_state: C.IBV_QPS_RTS, sq_psn: C.uint32_t(r.PSN), timeout: C.uint8_t(r.Timeout),
		retry_cnt: C.uint8_t(r.Count), rnr_retry: C.uint8_t(r.RNRCount), max_rd_atomic: C.uint8_t(r.Reads),
	}, C.IBV_QP_STATE|C.IBV_QP_TIMEOUT|C.IBV_QP_RETRY_CNT|C.IBV_QP_RNR_RETRY|C.IBV_QP_SQ_PSN|C.IBV_QP_MAX_QP_RD_ATOMIC)
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
