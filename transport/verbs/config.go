package verbs

import (
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"scp_rdma/transport"
	"scp_rdma/transport/verbs/internal/nic"
)

// stall: retries have an end after about four seconds (endpoint.go), and what the
// ledger allows never waits for a receive, so a request that is neither done nor
// failed after five times that will never be.
const stall = 20 * time.Second

// Provider is where devices come from: libibverbs, or soft ones in tests.
type Provider = nic.Provider

// Listed is a device of a Provider, by name.
type Listed = nic.Listed

// Lies is where a device lies in its host, as far as that is known.
type Lies struct {
	Cores []int  // of its NUMA node; none: any will do
	Rate  uint64 // bit/s that its way into the host carries; 0: not known
	Far   int    // how far it is from the files that are moved: rails that are nearer go before
}

// Config says which devices to use and how.
type Config struct {
	Devices Provider
	Lies    func(device string) Lies // nil: nobody knows
	Rails   []string                 // "device", "device:port" or "device:port:GID index"; empty: every one that can be used
	Port    int                      // of rails that don't say; 0: any
	GID     *int                     // index, of rails that don't say; nil: the best

	Connect Connect // how QPs are connected; 0: Auto
	CMPorts Ports   // where a responder takes requests of rdma_cm; the zero value: any

	Notice Notice // how a frame's arrival is told; 0: as is best
	// WriteSize: a frame goes in RDMA WRITEs of at most so many bytes, but for one with immediate
	// data; 0: in one. It is for measurements: of 64 to 256 KiB they do 0.84 to 1.17 of whole slots
	// over soft-RoCE (bench/results/2026-11-30-rdma.md).
	WriteSize int

	TrafficClass *uint8 // of what is sent over RoCE; nil: what the host has set for the port
	ServiceLevel uint8  // of InfiniBand, 0 to 15; of RoCE the priority in VLAN tags, 0 to 7
	PKey         *PKey  // the partition on InfiniBand; nil: the first of the port's table

	Timeout     time.Duration // for the peer's Hello; 0: 30 s
	Heartbeat   time.Duration // between two looks whether an idle peer is there; 0: 1 s
	Stall       time.Duration // a device that completes nothing for so long, with requests posted, has lost them; 0: 20 s
	AckTimeout  uint8         // 4.096 us * 2^AckTimeout without an answer, and a request is sent again; 0: 17, 0.54 s
	StrictOrder bool          // writes to slots go in order over PCIe too: for measurements, and platforms that get relaxed ordering wrong
	StrictRNR   bool          // a SEND that finds no receive ends its stream: for tests, where it is a mistake of ours
	Logger      hclog.Logger  // nil: silent
}

// Connect is how QPs are connected.
type Connect uint8

// The ways to connect. iWARP knows rdma_cm only.
const (
	Auto Connect = iota // by rdma_cm where there is no other way, or the initiator wants it
	OOB                 // out of band: by what the offers say, over the control connection
	CM                  // by rdma_cm
)

// Notice is how a receiver is told that a frame is in its slot.
type Notice uint8

// The ways to tell. Immediate data need both ends, and no iWARP between them. Auto is
// the SEND: over soft-RoCE the two can't be told apart (0.94, 1.07, 1.04 and 0.98 of it,
// medians of 7 in turns, each within the other's spread;
// bench/results/2026-11-30-rdma.md), and a CDC says more than 32 bits do. No device in
// hardware was at hand to ask.
const (
	NoticeAuto Notice = iota
	NoticeSend        // a SEND with the CDC behind the WRITE
	NoticeImm         // the WRITE's immediate data
)

// PKey names a partition of InfiniBand: by its key, of which the lower 15 bits count, or
// by the row of the port's table where that is 0.
type PKey struct {
	Key uint16
	Row int
}

// Ports is a range of ports.
type Ports struct{ First, Last uint16 }

// Transport is RDMA verbs as a transport.Transport.
type Transport struct {
	cfg Config

	mu       sync.Mutex
	domains  map[domainKey]*domain
	requests map[netip.Addr]*requests
}

// New makes the transport. Nothing is opened before Probe or Open, and nothing
// is left open when the last stream is closed.
func New(cfg Config) *Transport {
	if cfg.Timeout == 0 {
		cfg.Timeout = 30 * time.Second
	}
	if cfg.Heartbeat == 0 {
		cfg.Heartbeat = time.Second
	}
	if cfg.Stall == 0 {
		cfg.Stall = stall
	}
	if cfg.AckTimeout == 0 {
		cfg.AckTimeout = ackTimeout
	}
	if cfg.Lies == nil {
		cfg.Lies = func(string) Lies { return Lies{} }
	}
	if cfg.Logger == nil {
		cfg.Logger = hclog.NewNullLogger()
	}
	return &Transport{cfg: cfg, domains: map[domainKey]*domain{}, requests: map[netip.Addr]*requests{}}
}

// Name implements transport.Transport.
func (t *Transport) Name() string { return "verbs" }

var _ transport.Transport = (*Transport)(nil)
