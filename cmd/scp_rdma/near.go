package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"scp_rdma/topology"
	"scp_rdma/transport/verbs"
)

// hostReport is what a host tells of its RDMA devices, and of what lies near them.
type hostReport struct {
	verbs.Report
	Near *nearReport `json:"near,omitempty"`
}

// nearReport is what lies near what: a row for each device.
type nearReport struct {
	Dir     string       `json:"dir"`   // whose disks these are
	Disks   []string     `json:"disks"` // empty: it lies on none (tmpfs, NFS), or nobody knows
	Devices []nearDevice `json:"devices"`
}

// nearDevice is a device, where it lies, and how far it is to each device and disk of the
// report, in words of topology.Distance.
type nearDevice struct {
	Name      string   `json:"name"`
	Node      int      `json:"numa_node"` // -1: none
	PCI       string   `json:"pci,omitempty"`
	Link      string   `json:"pcie,omitempty"`      // as it runs
	Best      string   `json:"pcie_best,omitempty"` // that the device could
	Bits      float64  `json:"pcie_bit_s,omitempty"`
	Speed     uint64   `json:"speed_bit_s,omitempty"` // of all its ports that can be used
	ToDevices []string `json:"to_devices"`
	ToDisks   []string `json:"to_disks"`
}

// near tells what lies near the devices of a report. nil: there are none that lie anywhere.
func near(h topology.Host, r *verbs.Report, dir string) *nearReport {
	n := &nearReport{Dir: dir, Disks: []string{}}
	var places []topology.Place
	for _, d := range r.Devices {
		p, err := h.Device(d.Name)
		if err != nil || p.Address() == "" {
			continue // made by software
		}
		places = append(places, p)
		nd := nearDevice{Name: d.Name, Node: p.Node, PCI: p.Address(), ToDevices: []string{}, ToDisks: []string{}}
		if now, best, ok := h.PCIe(p); ok {
			nd.Link, nd.Bits = linkWords(now), now.Bits()
			if best.Bits() > now.Bits() {
				nd.Best = linkWords(best)
			}
		}
		for _, port := range d.Ports {
			if port.Rail != "" {
				nd.Speed += port.Speed
			}
		}
		n.Devices = append(n.Devices, nd)
	}
	if len(places) == 0 {
		return nil
	}
	disks := disksOf(h, dir)
	for _, d := range disks {
		n.Disks = append(n.Disks, d.Name)
	}
	for i := range n.Devices {
		for _, p := range places {
			n.Devices[i].ToDevices = append(n.Devices[i].ToDevices, topology.Between(places[i], p).String())
		}
		for _, d := range disks {
			n.Devices[i].ToDisks = append(n.Devices[i].ToDisks, topology.Between(places[i], d.Place).String())
		}
	}
	return n
}

func linkWords(l topology.Link) string { return fmt.Sprintf("%g GT/s x%d", l.GTs, l.Lanes) }

// disksOf are the disks that a directory lies on; none, if nobody knows.
func disksOf(h topology.Host, dir string) []topology.Disk {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return nil
	}
	dev := uint64(st.Dev) // not everywhere as wide
	disks, err := h.Disks(unix.Major(dev), unix.Minor(dev))
	if err != nil {
		return nil
	}
	return disks
}

// thisHost is where sysfs is.
func thisHost() topology.Host { return topology.New(os.DirFS("/sys")) }

// maxNear is how many devices and disks a terminal can show side by side.
const maxNear = 24

// lines is the matrix for people, and what is amiss.
func (n *nearReport) lines() []string {
	lines := []string{"near each other (= same device, S same PCIe switch, B same host bridge, N same NUMA node, F other node):"}
	head := []string{"", "node", "PCIe"}
	devices := n.Devices[:min(len(n.Devices), maxNear)]
	disks := n.Disks[:min(len(n.Disks), maxNear)]
	for _, d := range devices {
		head = append(head, quote(d.Name))
	}
	for _, d := range disks {
		head = append(head, quote(d))
	}
	table := [][]string{head}
	for _, d := range devices {
		row := []string{quote(d.Name), nodeWord(d.Node), d.linkCell()}
		for i := range devices {
			row = append(row, sign(d.ToDevices, i))
		}
		for i := range disks {
			row = append(row, sign(d.ToDisks, i))
		}
		table = append(table, row)
	}
	lines = append(lines, indented(columns(table))...)
	if len(n.Disks) > 0 {
		lines = append(lines, fmt.Sprintf("  %s: %s", strings.Join(quoted(disks), ", "), "where "+quote(n.Dir)+" lies"))
	}
	for _, d := range devices {
		lines = append(lines, d.amiss()...)
	}
	return lines
}

// amiss is what keeps a device from carrying what it could.
func (d *nearDevice) amiss() []string {
	switch {
	case d.Bits > 0 && d.Bits < float64(d.Speed):
		line := fmt.Sprintf("  %s: its PCIe link (%s) carries %.0f Gb/s at most, its ports %.0f", quote(d.Name), quote(d.Link), d.Bits/1e9, float64(d.Speed)/1e9)
		if d.Best != "" {
			line += fmt.Sprintf("; the device could do %s: another slot?", quote(d.Best))
		}
		return []string{line}
	}
	return nil
}

func (d *nearDevice) linkCell() string {
	if d.Link == "" {
		return "-"
	}
	return quote(d.Link)
}

func nodeWord(n int) string {
	if n < 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

// sign is a distance in one letter.
func sign(words []string, i int) string {
	if i >= len(words) {
		return "?" // of a report that somebody else has made
	}
	for d, s := range map[topology.Distance]string{
		topology.Same: "=", topology.Switch: "S", topology.Bridge: "B", topology.Node: "N", topology.Far: "F",
	} {
		if d.String() == words[i] {
			return s
		}
	}
	return "?"
}

func quoted(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = quote(s)
	}
	return out
}

// columns pads a table's cells, so that they stand below one another.
func columns(table [][]string) []string {
	width := make([]int, len(table[0]))
	for _, row := range table {
		for i, cell := range row {
			width[i] = max(width[i], len(cell))
		}
	}
	var lines []string
	for _, row := range table {
		var b strings.Builder
		for i, cell := range row {
			fmt.Fprintf(&b, "%-*s  ", width[i], cell)
		}
		lines = append(lines, strings.TrimRight(b.String(), " "))
	}
	return lines
}
