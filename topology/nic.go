package topology

import (
	"math"
	"path"
	"strconv"
	"strings"
)

// Device is where an RDMA device lies (class infiniband).
func (h Host) Device(name string) (Place, error) {
	return h.place(path.Join("class/infiniband", path.Base(name), "device"))
}

// Interface is where a network interface lies. One that is made of others (bond, VLAN) is on
// no bus: its Way is empty.
func (h Host) Interface(name string) (Place, error) {
	return h.place(path.Join("class/net", path.Base(name)))
}

// Speed is what a network interface carries each way, bit/s (Documentation/ABI/testing/sysfs-class-net);
// ok is false where that is not told: of one that is down, and of most that are made by software.
func (h Host) Speed(name string) (bits uint64, ok bool) {
	mbit, err := strconv.ParseUint(h.text(path.Join("class/net", path.Base(name), "speed")), 10, 32)
	return mbit * 1e6, err == nil && mbit > 0 && mbit < math.MaxUint32 // which is "unknown" (SPEED_UNKNOWN)
}

// Link is what joins a device to the host.
type Link struct {
	GTs   float64 // each lane, 10^9 transfers a second
	Lanes int
}

// Bits is what a link carries each way at most, bit/s, once it is coded (PCI Express Base
// Specification: 8b/10b up to 5 GT/s, 128b/130b up to 32, 242 of 256 bytes of a flit from 64 on).
// Headers of packets take a tenth of it and more.
func (l Link) Bits() float64 {
	raw := l.GTs * 1e9 * float64(l.Lanes)
	switch {
	case l.GTs <= 5:
		return raw * 8 / 10
	case l.GTs < 64:
		return raw * 128 / 130
	}
	return raw * 242 / 256
}

// PCIe is the link of a device as it runs now, and the best that the device could. The link is
// the narrowest on the way, for a bridge may have less than what hangs on it. ok is false where
// sysfs has none, as for a virtual function.
func (h Host) PCIe(p Place) (now, best Link, ok bool) {
	at := "devices"
	for i, name := range p.Way {
		at = path.Join(at, name)
		if i == 0 {
			continue
		}
		l, known := h.link(at, "current")
		if !known {
			continue
		}
		if !ok || l.Bits() < now.Bits() {
			now = l
		}
		ok = true
		if b, known := h.link(at, "max"); known {
			best = b // the last is the device's own
		}
	}
	return now, best, ok
}

// link reads how a function of the PCI bus is joined, or could be at most.
func (h Host) link(at, which string) (Link, bool) {
	speed, _, _ := strings.Cut(h.text(path.Join(at, which+"_link_speed")), " ")
	gts, err1 := strconv.ParseFloat(speed, 64)
	lanes, err2 := strconv.Atoi(h.text(path.Join(at, which+"_link_width")))
	ok := err1 == nil && err2 == nil && gts > 0 && gts < 1000 && lanes > 0 && lanes <= 32
	return Link{gts, lanes}, ok
}
