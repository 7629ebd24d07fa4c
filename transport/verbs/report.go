package verbs

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"scp_rdma/transport/verbs/internal/nic"
)

// Report is all that a host's RDMA devices tell, for people and for programs.
type Report struct {
	Library string         `json:"library,omitempty"` // why there are no devices at all, with the cure
	MemLock *uint64        `json:"memlock_bytes"`     // RLIMIT_MEMLOCK; null: unlimited
	Devices []DeviceReport `json:"devices"`
}

// DeviceReport is one device.
type DeviceReport struct {
	Name     string       `json:"name"`
	Error    string       `json:"error,omitempty"` // why nothing of it can be used, with the cure
	Firmware string       `json:"firmware,omitempty"`
	NUMA     int          `json:"numa_node"` // -1: none
	IWARP    bool         `json:"iwarp,omitempty"`
	Ports    []PortReport `json:"ports,omitempty"`
}

// PortReport is one port of a device.
type PortReport struct {
	Number    int         `json:"port"`
	Rail      string      `json:"rail,omitempty"` // what -d takes; empty: it can't be used
	Error     string      `json:"error,omitempty"`
	State     string      `json:"state"`
	Link      string      `json:"link_layer"`
	Speed     uint64      `json:"speed_bit_s"` // 0: not known
	ActiveMTU int         `json:"active_mtu"`  // bytes
	MaxMTU    int         `json:"max_mtu"`     // bytes
	LID       uint16      `json:"lid,omitempty"`
	Class     uint8       `json:"traffic_class"` // that RoCE is sent with
	GIDs      []GIDReport `json:"gids"`
}

// GIDReport is a row of a port's GID table.
type GIDReport struct {
	Index  int    `json:"index"`
	GID    string `json:"gid"` // an IPv6 address, IPv4 in its mapped form
	Type   string `json:"type"`
	Netdev string `json:"netdev,omitempty"`
	Chosen bool   `json:"chosen,omitempty"` // taken unless the peer's addresses make another better
	Why    string `json:"why"`              // chosen, or not
}

// Describe looks at every device, as Probe does, and tells all. What fails is in
// the report: there is no error.
func (t *Transport) Describe(ctx context.Context) Report {
	r := Report{Devices: []DeviceReport{}}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err == nil && limit.Cur != unix.RLIM_INFINITY {
		r.MemLock = &limit.Cur
	}
	all, err := t.Candidates(ctx)
	if err != nil {
		r.Library = err.Error()
		return r
	}
	for _, c := range all {
		i := slices.IndexFunc(r.Devices, func(d DeviceReport) bool { return d.Name == c.Device.Name })
		if i < 0 {
			i = len(r.Devices)
			r.Devices = append(r.Devices, DeviceReport{
				Name: c.Device.Name, Firmware: c.Device.Firmware, NUMA: c.Device.NUMA, IWARP: c.Device.IWARP,
			})
		}
		if c.Port.Number == 0 { // not even opened, or of no use as a whole
			r.Devices[i].Error = c.Err.Error()
			continue
		}
		r.Devices[i].Ports = append(r.Devices[i].Ports, portReport(c, t.trafficClass(c.Port)))
	}
	return r
}

func portReport(c Candidate, class uint8) PortReport {
	p := PortReport{
		Number: c.Port.Number, State: c.Port.State.String(), Link: "InfiniBand", Speed: c.Port.Speed,
		ActiveMTU: c.Port.ActiveMTU, MaxMTU: c.Port.MaxMTU, LID: c.Port.LID, GIDs: []GIDReport{}, Class: class,
	}
	if c.Port.Ethernet {
		p.Link = "Ethernet"
	}
	if c.Err == nil {
		p.Rail = c.Rail.Name
	} else {
		p.Error = c.Err.Error()
	}
	for _, g := range c.Port.GIDs {
		row := GIDReport{Index: g.Index, GID: netip.AddrFrom16(g.GID).String(), Type: g.Type.String(), Netdev: g.Netdev}
		row.Chosen = len(c.GIDs) > 0 && c.GIDs[0] == g
		row.Why = whyGID(c, g, row.Chosen)
		p.GIDs = append(p.GIDs, row)
	}
	return p
}

// whyGID says why a row of the table is chosen, or not.
func whyGID(c Candidate, g nic.GID, chosen bool) string {
	a := netip.AddrFrom16(g.GID)
	switch {
	case chosen && g.Type == nic.GIDIP:
		return "rdma_cm finds the port by it"
	case chosen && g.Type == nic.GIDIB:
		return "the port's own"
	case chosen && a.Is4In6():
		return "an IPv4 address, which can be routed"
	case chosen && a.IsLinkLocalUnicast():
		return "link-local, there is no other: give the network card an IP address to be found beyond this link"
	case chosen:
		return "a global IPv6 address, which can be routed"
	case len(c.GIDs) == 0:
		return "the port can't be used"
	case g.Type == nic.GIDIP && c.GIDs[0].Type != nic.GIDIP:
		return "for rdma_cm (--connect cm)"
	case g.Type != nic.GIDIP && c.GIDs[0].Type == nic.GIDIP:
		return "rdma_cm goes by IP addresses"
	case c.Port.Ethernet == (g.Type == nic.GIDIB):
		return "of another link layer"
	case g.Type == nic.GIDRoCEv1:
		return "RoCE v1 can't be routed"
	case a.IsLinkLocalUnicast():
		return "link-local, every card has one"
	}
	return fmt.Sprintf("index %d comes first, unless the peer is nearer to this", c.GIDs[0].Index)
}
