package topology

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// Host is what a host tells of itself.
type Host struct{ sys fs.FS }

// New is the host whose sysfs this is; os.DirFS("/sys") is this one's.
func New(sys fs.FS) Host { return Host{sys} }

// ErrUnknown: sysfs does not tell.
var ErrUnknown = errors.New("not known to sysfs")

// NoNode is for what belongs to no NUMA node, or to one that nobody knows.
const NoNode = -1

// Place is where a device lies.
type Place struct {
	Node int // NUMA node, or NoNode
	// Way is how the host reaches it: the host bridge ("pci0000:3a"), then the PCI
	// address of each bridge, and last its own. Empty: it is on no PCI bus.
	Way []string
}

// Address is its own on the PCI bus, "" if it has none.
func (p Place) Address() string {
	if len(p.Way) < 2 {
		return ""
	}
	return p.Way[len(p.Way)-1]
}

// Distance is how far it is between two devices, the shorter the better.
type Distance uint8

// The distances. What goes from one to the other crosses:
const (
	Same   Distance = iota // nothing: they are one device, or functions of one
	Switch                 // PCIe bridges below one root port
	Bridge                 // the host bridge that both hang on
	Node                   // the NUMA node's own ways between host bridges
	Far                    // what joins NUMA nodes (UPI, Infinity Fabric)
	Nobody                 // nobody knows
)

// String is a word for people.
func (d Distance) String() string {
	switch d {
	case Same:
		return "same device"
	case Switch:
		return "same switch"
	case Bridge:
		return "same host bridge"
	case Node:
		return "same node"
	case Far:
		return "other node"
	case Nobody:
	}
	return "unknown"
}

// Between is the distance between two places.
func Between(a, b Place) Distance {
	common := 0
	for common < len(a.Way) && common < len(b.Way) && a.Way[common] == b.Way[common] {
		common++
	}
	switch {
	case a.Address() != "" && slot(a.Address()) == slot(b.Address()):
		return Same
	case common > 1: // beyond the host bridge: a root port, or what is below
		return Switch
	case common == 1:
		return Bridge
	case a.Node == NoNode || b.Node == NoNode:
		return Nobody
	case a.Node == b.Node:
		return Node
	}
	return Far
}

// slot is an address without the function: a NIC with two ports often is two functions.
func slot(address string) string {
	s, _, _ := strings.Cut(address, ".")
	return s
}

// place is where the device lies that a path of sysfs leads to.
func (h Host) place(name string) (Place, error) {
	real, err := h.resolve(name)
	if err != nil {
		return Place{}, err
	}
	p := Place{Node: NoNode}
	for part := range strings.SplitSeq(real, "/") {
		switch {
		case len(p.Way) == 0 && strings.HasPrefix(part, "pci"):
			p.Way = append(p.Way, part)
		case len(p.Way) > 0 && isAddress(part):
			p.Way = append(p.Way, part)
		}
	}
	// The node stands at the PCI function; what hangs on it (a namespace of a disk) has none.
	for at := real; at != "." && at != "/"; at = path.Dir(at) {
		if n, err := strconv.Atoi(h.text(path.Join(at, "numa_node"))); err == nil {
			p.Node = max(n, NoNode)
			break
		}
	}
	return p, nil
}

// isAddress says whether a name is a PCI address: domain:bus:device.function, in hex.
func isAddress(s string) bool {
	domain, rest, ok1 := strings.Cut(s, ":")
	bus, rest, ok2 := strings.Cut(rest, ":")
	device, function, ok3 := strings.Cut(rest, ".")
	if !ok1 || !ok2 || !ok3 || len(domain) < 4 || len(bus) != 2 || len(device) != 2 || len(function) != 1 {
		return false
	}
	return strings.Trim(domain+bus+device+function, "0123456789abcdefABCDEF") == ""
}

// text is the trimmed content of a small file, "" if it can't be read.
func (h Host) text(name string) string {
	b, err := fs.ReadFile(h.sys, name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// maxLinks is how many symbolic links may follow one another, as in path_resolution(7).
const maxLinks = 40

// resolve follows the symbolic links of a path, which sysfs is made of.
func (h Host) resolve(name string) (string, error) {
	left := strings.Split(path.Clean(name), "/")
	at := "."
	for links := 0; len(left) > 0; {
		next := path.Join(at, left[0])
		left = left[1:]
		if !fs.ValidPath(next) {
			return "", fmt.Errorf("%s leads out of sysfs: %w", name, ErrUnknown)
		}
		info, err := fs.Lstat(h.sys, next)
		if err != nil {
			return "", fmt.Errorf("%s: %w: %w", name, ErrUnknown, err)
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		if links++; links > maxLinks {
			return "", fmt.Errorf("%s: too many links: %w", name, ErrUnknown)
		}
		text, err := fs.ReadLink(h.sys, next)
		if err != nil || path.IsAbs(text) {
			return "", fmt.Errorf("%s: %w", name, ErrUnknown)
		}
		left = append(strings.Split(text, "/"), left...)
	}
	return at, nil
}
