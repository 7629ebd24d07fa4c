package nic

import (
	"fmt"
	"math/bits"

	"golang.org/x/sys/unix"
)

// QPAttr is what ibv_modify_qp(3) is handed: struct ibv_qp_attr, as far as anything of
// it is ever set. Which fields count follows from State (IB spec 11.2.5.2): the first
// group takes a QP to INIT, the second to RTR, the third to RTS.
type QPAttr struct {
	State State

	PortNum     uint8
	PKeyIndex   uint16
	AccessFlags Access

	PathMTU         uint8 // enum ibv_mtu: 1 is 256 bytes, 5 is 4096
	DestQPN         uint32
	RQPSN           uint32
	MaxDestRDAtomic uint8
	MinRNRTimer     uint8
	AH              AHAttr

	Timeout     uint8
	RetryCnt    uint8
	RNRRetry    uint8
	SQPSN       uint32
	MaxRDAtomic uint8
}

// AHAttr is struct ibv_ah_attr: the way to the peer.
type AHAttr struct {
	DLID        uint16
	SL          uint8
	SrcPathBits uint8
	StaticRate  uint8 // enum ibv_rate; 0: as fast as the port
	IsGlobal    bool
	GRH         GRH // counts if IsGlobal
	PortNum     uint8
}

// GRH is struct ibv_global_route: the global route header, or what stands for it in
// the packets of RoCE.
type GRH struct {
	DGID         [16]byte
	FlowLabel    uint32 // 20 bits
	SGIDIndex    uint8
	HopLimit     uint8
	TrafficClass uint8
}

// Access is what may be done with a QP or an MR: enum ibv_access_flags.
type Access uint32

// The access flags used.
const (
	AccessLocalWrite  Access = 1 << 0
	AccessRemoteWrite Access = 1 << 1
	// AccessRelaxed lets writes reach memory in any order, as PCIe's relaxed ordering
	// has it (IBV_ACCESS_RELAXED_ORDERING; InfiniBand and RoCE). It changes nothing of
	// what a completion says: all data of its operation and of all before it are there
	// (ibv_reg_mr(3) of today, ordering semantics). A device, kernel or library
	// that doesn't know it leaves it out.
	AccessRelaxed Access = 1 << 20
)

// InitAttr are the attributes of RESET -> INIT, on a port and in a row of its P_Key
// table.
func InitAttr(port, pkey int) QPAttr {
	return QPAttr{State: Init, PortNum: uint8(port), PKeyIndex: uint16(pkey), AccessFlags: AccessLocalWrite | AccessRemoteWrite}
}

// Attr are the attributes of INIT -> RTR. A path MTU that verbs don't have is EINVAL.
func (p Peer) Attr() (QPAttr, error) {
	if p.PathMTU < 256 || p.PathMTU > 4096 || bits.OnesCount(uint(p.PathMTU)) != 1 {
		return QPAttr{}, fmt.Errorf("path MTU of %d bytes: %w", p.PathMTU, unix.EINVAL)
	}
	a := QPAttr{
		State: RTR, PathMTU: uint8(bits.TrailingZeros(uint(p.PathMTU)) - 7), DestQPN: p.QPN, RQPSN: p.PSN,
		MaxDestRDAtomic: p.ReadDepth, MinRNRTimer: p.MinRNR,
		AH: AHAttr{DLID: p.LID, SL: p.SL, SrcPathBits: p.PathBits, IsGlobal: p.Global, PortNum: uint8(p.Port)},
	}
	if p.Global {
		a.AH.GRH = GRH{DGID: p.GID, FlowLabel: p.FlowLabel, SGIDIndex: uint8(p.GIDIndex), HopLimit: p.HopLimit, TrafficClass: p.TrafficClass}
	}
	return a, nil
}

// Attr are the attributes of RTR -> RTS.
func (r Retry) Attr() QPAttr {
	return QPAttr{State: RTS, Timeout: r.Timeout, RetryCnt: r.Count, RNRRetry: r.RNRCount, SQPSN: r.PSN, MaxRDAtomic: r.Reads}
}
