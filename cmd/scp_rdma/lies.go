package main

import (
	"scp_rdma/topology"
	"scp_rdma/transport/verbs"
)

// usefulPart of what a PCIe link carries is data, the rest heads of its packets: of 256 bytes
// 24 to 28 (PCI Express Base Specification, transaction layer).
const usefulPart = 0.9

// whereTo says where RDMA devices lie: near which cores, how fast their slot is, and whether the
// files below dir are on the other socket. A host of one NUMA node has nothing to choose.
func whereTo(h topology.Host, dir string) func(device string) verbs.Lies {
	nodes := h.Nodes()
	disks := disksOf(h, dir)
	return func(device string) verbs.Lies {
		p, err := h.Device(device)
		if err != nil {
			return verbs.Lies{}
		}
		var l verbs.Lies
		if now, _, ok := h.PCIe(p); ok {
			l.Rate = uint64(now.Bits() * usefulPart)
		}
		if len(nodes) < 2 || p.Node == topology.NoNode {
			return l
		}
		l.Cores, _ = h.CPUs(p.Node) // one that is not known keeps nobody anywhere
		if farOff(p, disks) {
			l.Far = 1
		}
		return l
	}
}

// farOff says whether all disks are on other nodes than a device.
func farOff(p topology.Place, disks []topology.Disk) bool {
	for _, d := range disks {
		if topology.Between(p, d.Place) != topology.Far {
			return false
		}
	}
	return len(disks) > 0
}

// speedOf tells what network interfaces carry, bit/s; 0: not known.
func speedOf(h topology.Host) func(iface string) uint64 {
	return func(iface string) uint64 {
		bits, _ := h.Speed(iface)
		return bits
	}
}
