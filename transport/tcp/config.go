package tcp

import (
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"scp_rdma/transport"
)

// Config says where this host may connect from and how it can be reached.
type Config struct {
	Rails []string       // interface names or local addresses; empty: the kernel's route to Peer, or (server) every interface
	Peer  netip.AddrPort // client: the server, for the name of the default rail
	Port  uint16         // server: port of the listener that calls HandleData; goes into offers
	Bind  netip.Addr     // server: only this address, if valid and not unspecified

	Rate func(iface string) uint64 // bit/s that an interface carries at most, 0: not known; nil: of none

	Timeout    time.Duration // for a peer that doesn't answer (a slow one does), a join, a small write; 0: 30 s
	Silence    time.Duration // bytes that the peer's kernel doesn't acknowledge for so long: the way is dead, others stand in; 0: 4 s, Timeout if that is less
	SendBuffer int           // SO_SNDBUF, bytes; 0: the kernel's choice
	RecvBuffer int           // SO_RCVBUF, bytes; 0: the kernel's choice
	Logger     hclog.Logger  // nil: silent
}

// silence is four of Linux's retransmissions on a way of some ms (200 ms, doubled each
// time, RFC 6298), so neither a lost packet nor a short outage looks like a dead way.
const silence = 4 * time.Second

// Transport is TCP as a transport.Transport.
type Transport struct {
	cfg Config

	mu      sync.Mutex
	waiting map[key]*endpoint // responders that wait for their connection
}

// key names one opening of one stream.
type key struct {
	session       transport.ID
	stream, epoch uint32
}

// New makes the transport.
func New(cfg Config) *Transport {
	if cfg.Timeout == 0 {
		cfg.Timeout = 30 * time.Second
	}
	if cfg.Silence == 0 {
		cfg.Silence = min(silence, cfg.Timeout)
	}
	if cfg.Rate == nil {
		cfg.Rate = func(string) uint64 { return 0 }
	}
	if cfg.Logger == nil {
		cfg.Logger = hclog.NewNullLogger()
	}
	return &Transport{cfg: cfg, waiting: map[key]*endpoint{}}
}

// Name implements transport.Transport.
func (t *Transport) Name() string { return "tcp" }

var _ transport.Buffered = (*Transport)(nil)

// Buffered implements transport.Buffered.
func (t *Transport) Buffered() bool { return true }
