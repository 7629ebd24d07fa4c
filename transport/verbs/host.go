package verbs

import (
	"sync"

	"scp_rdma/transport/verbs/internal/ibv"
	"scp_rdma/transport/verbs/internal/nic"
)

// Built says whether this build has verbs at all.
const Built = ibv.Built

// Host is the devices of this host. libibverbs is opened at the first use: where
// it is missing, Devices and Open say what to install.
func Host() Provider {
	return &host{open: sync.OnceValues(ibv.Open)}
}

type host struct{ open func() (nic.Provider, error) }

// Devices implements Provider.
func (h *host) Devices() ([]nic.Listed, error) {
	p, err := h.open()
	if err != nil {
		return nil, err
	}
	return p.Devices()
}

// Open implements Provider.
func (h *host) Open(name string) (nic.Device, error) {
	p, err := h.open()
	if err != nil {
		return nil, err
	}
	return p.Open(name)
}

// Connector implements Provider.
func (h *host) Connector() (nic.Connector, error) {
	p, err := h.open()
	if err != nil {
		return nil, err
	}
	return p.Connector()
}
