//go:build cgo && !noverbs && linux && (amd64 || arm64)

package ibv

import (
	"testing"
	"unsafe"

	"scp_rdma/transport/verbs/internal/nic"
)

// Every field has a value of its own, so that none can stand for another.
func TestAttributesReachTheLibrarysStructure(t *testing.T) {
	a := nic.QPAttr{
		State: nic.RTR, PortNum: 1, PKeyIndex: 2, AccessFlags: nic.AccessLocalWrite | nic.AccessRemoteWrite, PathMTU: 4, DestQPN: 5, RQPSN: 6,
		MaxDestRDAtomic: 7, MinRNRTimer: 8, Timeout: 9, RetryCnt: 10, RNRRetry: 11, SQPSN: 12, MaxRDAtomic: 13,
		AH: nic.AHAttr{DLID: 14, SL: 15, SrcPathBits: 16, StaticRate: 17, IsGlobal: true, PortNum: 18,
			GRH: nic.GRH{DGID: [16]byte{0: 19, 15: 20}, FlowLabel: 21, SGIDIndex: 22, HopLimit: 23, TrafficClass: 24}},
	}
	c := attr(a)
	g := c.ah_attr.grh
	got := nic.QPAttr{
		State: nic.State(c.qp_state), PortNum: uint8(c.port_num), PKeyIndex: uint16(c.pkey_index), AccessFlags: nic.Access(c.qp_access_flags),
		PathMTU: uint8(c.path_mtu), DestQPN: uint32(c.dest_qp_num), RQPSN: uint32(c.rq_psn), MaxDestRDAtomic: uint8(c.max_dest_rd_atomic),
		MinRNRTimer: uint8(c.min_rnr_timer), Timeout: uint8(c.timeout), RetryCnt: uint8(c.retry_cnt), RNRRetry: uint8(c.rnr_retry),
		SQPSN: uint32(c.sq_psn), MaxRDAtomic: uint8(c.max_rd_atomic),
		AH: nic.AHAttr{
			DLID: uint16(c.ah_attr.dlid), SL: uint8(c.ah_attr.sl), SrcPathBits: uint8(c.ah_attr.src_path_bits), StaticRate: uint8(c.ah_attr.static_rate),
			IsGlobal: c.ah_attr.is_global == 1, PortNum: uint8(c.ah_attr.port_num),
			GRH: nic.GRH{DGID: *(*[16]byte)(unsafe.Pointer(&g.dgid)), FlowLabel: uint32(g.flow_label), SGIDIndex: uint8(g.sgid_index),
				HopLimit: uint8(g.hop_limit), TrafficClass: uint8(g.traffic_class)},
		},
	}
	if got != a {
		t.Errorf("%+v, want %+v", got, a)
	}
	a.AH.IsGlobal = false
	if c := attr(a); c.ah_attr.is_global != 0 || c.ah_attr.grh.hop_limit != 0 {
		t.Errorf("without a GRH: %+v", c.ah_attr)
	}
}
