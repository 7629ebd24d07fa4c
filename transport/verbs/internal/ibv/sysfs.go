package ibv

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// sysfs reads what the kernel says of RDMA devices beside the library, below
// root ("/sys"; Documentation/ABI/stable/sysfs-class-infiniband). dev is where
// the device nodes lie ("/dev").
type sysfs struct{ root, dev string }

// text is the trimmed content of a small file, "" if it can't be read: in a
// network namespace some attributes give EINVAL, and others aren't there.
func (s sysfs) text(elem ...string) string {
	b, err := os.ReadFile(filepath.Join(append([]string{s.root, "class"}, elem...)...))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// names lists a class, sorted; nothing if the class isn't there.
func (s sysfs) names(class string) []string {
	entries, err := os.ReadDir(filepath.Join(s.root, "class", class))
	if err != nil {
		return nil
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	slices.Sort(all)
	return all
}

// devices are the names of all devices that the kernel has, usable or not.
func (s sysfs) devices() []string { return s.names("infiniband") }

// is says whether a node of ib_uverbs, such as uverbs0, is that of a device.
func (s sysfs) is(node, device string) bool {
	return s.text("infiniband_verbs", node, "ibdev") == device
}

// node is the path of the device's node, "" if it has none.
func (s sysfs) node(device string) string {
	for _, name := range s.names("infiniband_verbs") {
		if s.is(name, device) {
			return filepath.Join(s.dev, "infiniband", name)
		}
	}
	return ""
}

// whyUnlisted says why the library doesn't list a device that the kernel has.
func (s sysfs) whyUnlisted(device string) string {
	node := s.node(device)
	if node == "" {
		return "the kernel offers no user access to it: modprobe ib_uverbs"
	}
	f, err := os.OpenFile(node, os.O_RDWR, 0)
	switch {
	case os.IsNotExist(err):
		return fmt.Sprintf("%s is missing: give the container --device=%s", node, node)
	case err != nil:
		return fmt.Sprintf("%v: join the group that owns the node (often rdma), or let the container have the device", err)
	}
	// It was opened only to see whether it can be.
	_ = f.Close()
	return "libibverbs has no provider for it: install ibverbs-providers, or the vendor's"
}

// whyNoCM says why rdma_cm can't be used.
func (s sysfs) whyNoCM() string {
	node := filepath.Join(s.dev, "infiniband", "rdma_cm")
	f, err := os.OpenFile(node, os.O_RDWR, 0)
	switch {
	case os.IsNotExist(err) && s.text("misc", "rdma_cm", "abi_version") == "":
		return "the kernel has no rdma_cm for programs: modprobe rdma_ucm"
	case os.IsNotExist(err):
		return fmt.Sprintf("%s is missing: give the container --device=%s", node, node)
	case err != nil:
		return fmt.Sprintf("%v: join the group that owns the node (often rdma), or let the container have it", err)
	}
	// It was opened only to see whether it can be.
	_ = f.Close()
	return "the kernel's log may have the reason (dmesg)"
}

// numa is the device's NUMA node, -1 if it has none.
func (s sysfs) numa(device string) int {
	n, err := strconv.Atoi(s.text("infiniband", device, "device", "numa_node"))
	if err != nil || n < 0 {
		return -1
	}
	return n
}

// virtual says whether the device is a virtual function: the kernel links it to the
// physical one (Documentation/ABI/testing/sysfs-bus-pci).
func (s sysfs) virtual(device string) bool {
	_, err := os.Lstat(filepath.Join(s.root, "class", "infiniband", device, "device", "physfn"))
	return err == nil
}

// pkeys is a port's P_Key table of n rows; a row that can't be read is 0, as one
// that is empty.
func (s sysfs) pkeys(device string, port, n int) []uint16 {
	all := make([]uint16, n)
	for i := range all {
		text := s.text("infiniband", device, "ports", strconv.Itoa(port), "pkeys", strconv.Itoa(i))
		if v, err := strconv.ParseUint(strings.TrimPrefix(text, "0x"), 16, 16); err == nil {
			all[i] = uint16(v)
		}
	}
	return all
}

// netdev is the network device of a port: that of its GID entry, which other
// network namespaces can't read.
func (s sysfs) netdev(device string, port, index int) string {
	return s.text("infiniband", device, "ports", strconv.Itoa(port), "gid_attrs", "ndevs", strconv.Itoa(index))
}

// rate is the port's speed in bit/s, 0 if it isn't known. The file reads
// "100 Gb/sec (4X EDR)", and knows speeds that older libraries have no code for.
func (s sysfs) rate(device string, port int) uint64 {
	number, unit, ok := strings.Cut(s.text("infiniband", device, "ports", strconv.Itoa(port), "rate"), " ")
	f, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || !strings.HasPrefix(unit, "Gb/sec") || f < 0 || f > 1e6 {
		return 0
	}
	return uint64(f * 1e9)
}

// trafficClass is what the host has set for RoCE on a port: for all of its QPs, in
// the vendor's file ("Global tclass=106"; MLNX_OFED, class attribute tc), or else for
// those that rdma_cm makes (Documentation/ABI/testing/configfs-rdma_cm). 0: nothing.
func (s sysfs) trafficClass(device string, port int) uint8 {
	p := strconv.Itoa(port)
	_, text, ok := strings.Cut(s.text("infiniband", device, "tc", p, "traffic_class"), "Global tclass=")
	if !ok {
		text = s.text("..", "kernel", "config", "rdma_cm", device, "ports", p, "default_roce_tos")
	}
	text, _, _ = strings.Cut(text, "\n")
	n, err := strconv.ParseUint(text, 10, 8)
	if err != nil {
		return 0
	}
	return uint8(n)
}

// gidEntry is one row of a port's GID table.
type gidEntry struct {
	port, index int
	gid         [16]byte
	kind        string // "IB/RoCE v1" or "RoCE v2", as in gid_attrs/types
	netdev      string
}

// gids reads a port's table of at most n rows, for libraries older than
// ibv_query_gid_table. Rows that are empty or can't be read are left out.
func (s sysfs) gids(device string, port, n int) []gidEntry {
	var all []gidEntry
	p := strconv.Itoa(port)
	for i := range n {
		row := strconv.Itoa(i)
		a, err := netip.ParseAddr(s.text("infiniband", device, "ports", p, "gids", row))
		kind := s.text("infiniband", device, "ports", p, "gid_attrs", "types", row)
		if err != nil || !a.Is6() || a.IsUnspecified() || kind == "" {
			continue
		}
		all = append(all, gidEntry{port, i, a.As16(), kind, s.netdev(device, port, i)})
	}
	return all
}
