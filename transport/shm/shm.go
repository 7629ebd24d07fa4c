package shm

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"

	"scp_rdma/transport"
	"scp_rdma/wire"
)

// Config says how the transport treats its peers.
type Config struct {
	Timeout time.Duration // for a peer that doesn't answer, a join, a small write; 0: 30 s
	Logger  hclog.Logger  // nil: silent
}

// Transport is memory of one host as a transport.Transport.
type Transport struct{ cfg Config }

// New makes the transport.
func New(cfg Config) *Transport {
	if cfg.Timeout == 0 {
		cfg.Timeout = 30 * time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = hclog.NewNullLogger()
	}
	return &Transport{cfg: cfg}
}

var _ transport.Shortcut = (*Transport)(nil)

// Name implements transport.Transport.
func (t *Transport) Name() string { return "shm" }

// Shortcut implements transport.Shortcut.
func (t *Transport) Shortcut() bool { return true }

// Probe implements transport.Transport.
func (t *Transport) Probe(context.Context) ([]transport.Rail, error) {
	at, err := place()
	if err != nil {
		return nil, fmt.Errorf("shm: %w: %w", transport.ErrUnavailable, err)
	}
	return []transport.Rail{{Name: "memory", Info: at.Append(nil)}}, nil
}

// Pair implements transport.Transport.
func (t *Transport) Pair(local, peer []transport.Rail, _ transport.Path) ([]transport.RailPair, error) {
	var pairs []transport.RailPair
	for _, p := range peer {
		theirs, err := wire.ParseSHMRail(p.Info)
		if err != nil {
			return nil, fmt.Errorf("pair: rail %q of the peer: %w: %w", p.Name, transport.ErrProtocol, err)
		}
		for _, l := range local {
			if mine, err := wire.ParseSHMRail(l.Info); err == nil && mine == theirs && len(pairs) < len(local) {
				pairs = append(pairs, transport.RailPair{Local: l, Peer: p})
			}
		}
	}
	if len(pairs) == 0 {
		return nil, fmt.Errorf("the other side is on another host, or in another network namespace: %w", transport.ErrUnavailable)
	}
	return pairs, nil
}
