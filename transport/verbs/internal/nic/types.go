package nic

import "fmt"

// Listed is a device by name. Err is nil if it can be opened as far as is known,
// else transport.ErrUnavailable with the reason and the cure.
type Listed struct {
	Name string
	Err  error
}

// DeviceAttr are limits and facts of a device (ibv_query_device(3)).
type DeviceAttr struct {
	Name      string
	Firmware  string
	NodeGUID  uint64
	IWARP     bool   // connects only by rdma_cm
	MaxQP     int    // queue pairs
	MaxQPWR   int    // work requests of a queue
	MaxSGE    int    // of a work request
	MaxCQ     int    // completion queues
	MaxCQE    int    // completions of a queue
	MaxMR     int    // memory regions
	MaxPD     int    // protection domains
	MaxMRSize uint64 // bytes
	Ports     int    // numbered from 1
	NUMA      int    // node, -1 if there is none
	VF        bool   // a virtual function (SR-IOV): its host decides what it may
}

// PortState is enum ibv_port_state.
type PortState int

// The states that a port can be in (ibv_query_port(3)).
const (
	PortNop    PortState = 0
	PortDown   PortState = 1
	PortInit   PortState = 2
	PortArmed  PortState = 3
	PortActive PortState = 4
)

// Port is the state of a port (ibv_query_port(3)).
type Port struct {
	Number     int
	State      PortState
	Ethernet   bool // link layer; else InfiniBand
	ActiveMTU  int  // bytes, 256 to 4096
	MaxMTU     int  // bytes
	MaxMessage uint32
	LID        uint16   // the first of 1<<LMC that the subnet manager has given it
	LMC        uint8    // 0 to 7
	NeedsGRH   bool     // InfiniBand: it shares its LID, and is told apart by its GID (IBV_QPF_GRH_REQUIRED; VFs)
	PKeys      []uint16 // InfiniBand: its P_Key table; a row of 0 is empty
	Speed      uint64   // bit/s, 0 if not known

	// GIDs are the rows of the port's table, and on InfiniBand the addresses of its
	// network cards (IPoIB). On iWARP they are such addresses only.
	GIDs []GID

	// TrafficClass is what the host has set for RoCE on the port (the IPv6 field of
	// that name, or IPv4's TOS: DSCP in the upper six bits), 0 if nothing.
	TrafficClass uint8
}

// GIDType is enum ibv_gid_type.
type GIDType int

// What a GID is an address of (ibv_query_gid_ex(3)).
const (
	GIDIB     GIDType = 0
	GIDRoCEv1 GIDType = 1
	GIDRoCEv2 GIDType = 2
	// GIDIP is none of them: the address of a network card on the port, by which
	// rdma_cm finds it. Its index counts such addresses.
	GIDIP GIDType = 3
)

// GID is a row of a port's GID table.
type GID struct {
	Index  int
	GID    [16]byte
	Type   GIDType
	Netdev string // "" if it isn't known
}

// Caps are what a QP is made for; of one SGE per work request.
type Caps struct {
	SendWR, RecvWR int // work requests
	Inline         int // bytes
}

// Peer is what a QP must know to talk to another, beside its own port
// (ibv_modify_qp(3)).
type Peer struct {
	Port     int // own
	GIDIndex int // own
	GID      [16]byte
	Global   bool   // use the GIDs: always on Ethernet
	LID      uint16 // the peer's, or the router's
	PathBits uint8  // own: which of the port's LIDs packets come from
	SL       uint8  // service level: 0 to 15; on Ethernet the priority in VLAN tags, 0 to 7
	QPN      uint32
	PSN      uint32 // the first that the peer sends
	PathMTU  int    // bytes: 256, 512, 1024, 2048 or 4096
	HopLimit uint8

	TrafficClass uint8  // of packets with GIDs: Port.TrafficClass
	FlowLabel    uint32 // of packets with GIDs, 20 bits; 0: the driver's choice

	MinRNR    uint8 // code of the IB spec, table 45: 12 is 0.64 ms
	ReadDepth uint8 // RDMA READs that the peer may have in flight
}

// Retry is how a QP takes lost packets (ibv_modify_qp(3)).
type Retry struct {
	PSN      uint32 // the first of our own
	Timeout  uint8  // 4.096 us * 2^Timeout, 0 waits for ever
	Count    uint8  // 0 to 7
	RNRCount uint8  // 0 to 7, 7 is for ever
	Reads    uint8  // own RDMA READs in flight
}

// State is enum ibv_qp_state.
type State int

// The states of a queue pair.
const (
	Reset State = iota
	Init
	RTR
	RTS
	SQD
	SQE
	Err
)

// String is the name that ibv_modify_qp(3) has for the state.
func (s State) String() string {
	names := [...]string{"RESET", "INIT", "RTR", "RTS", "SQD", "SQE", "ERR"}
	if s < 0 || int(s) >= len(names) {
		return fmt.Sprintf("state %d", int(s))
	}
	return names[s]
}

// Opcode says what a completed request was: enum ibv_wc_opcode. It counts only
// with status Success.
type Opcode int

// The operations used.
const (
	OpSend  Opcode = 0
	OpWrite Opcode = 1
	OpRecv  Opcode = 128
	// OpRecvImm is a receive that a WRITE with immediate data has taken: nothing is in it.
	OpRecvImm Opcode = 129
)

// SendWR is a SEND or an RDMA WRITE of one range (ibv_post_send(3)). The range
// may be empty, anywhere in the MR; then a WRITE shows no key (IB spec, C9-88).
type SendWR struct {
	ID         uint64 // comes back as WC.ID
	Op         Opcode // OpSend or OpWrite
	MR         MR
	Offset     int
	Length     int
	Signalled  bool   // a WC also when it succeeds
	Inline     bool   // Length within Caps.Inline: the range is free at once
	RemoteAddr uint64 // of a WRITE
	RKey       uint32 // of a WRITE

	// WithImm has a WRITE take a receive of the peer's when its data are there, which
	// completes as OpRecvImm with Imm. iWARP has none: EINVAL.
	WithImm bool
	Imm     uint32
}

// RecvWR is room for one SEND (ibv_post_recv(3)).
type RecvWR struct {
	ID     uint64
	MR     MR
	Offset int
	Length int
}

// WC is a work completion (ibv_poll_cq(3)). Without success only ID, Status,
// VendorErr and QPN count.
type WC struct {
	ID        uint64
	Status    Status
	Opcode    Opcode
	ByteLen   uint32
	VendorErr uint32
	QPN       uint32
	Imm       uint32 // of OpRecvImm; ByteLen is the length of the WRITE
}

// String is the field's word for the type.
func (t GIDType) String() string {
	switch t {
	case GIDIB:
		return "IB"
	case GIDRoCEv1:
		return "RoCE v1"
	case GIDRoCEv2:
		return "RoCE v2"
	case GIDIP:
		return "IP"
	}
	return fmt.Sprintf("type %d", int(t))
}

// String is the name that ibv_port_state_str(3) has for the state.
func (s PortState) String() string {
	switch s {
	case PortNop:
		return "NOP"
	case PortDown:
		return "DOWN"
	case PortInit:
		return "INIT"
	case PortArmed:
		return "ARMED"
	case PortActive:
		return "ACTIVE"
	}
	return fmt.Sprintf("state %d", int(s))
}
