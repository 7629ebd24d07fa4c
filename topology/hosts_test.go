package topology

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
	"testing/fstest"
)

// invented is a sysfs that a test makes up.
type invented struct{ fstest.MapFS }

func newInvented() invented { return invented{fstest.MapFS{}} }

func (v invented) host() Host { return New(v.MapFS) }

func (v invented) file(name, text string) {
	v.MapFS[name] = &fstest.MapFile{Data: []byte(text + "\n"), Mode: 0o444}
}

// link makes a relative symbolic link, as sysfs has them.
func (v invented) link(name, to string) {
	up := strings.Repeat("../", strings.Count(name, "/"))
	v.MapFS[name] = &fstest.MapFile{Data: []byte(up + to), Mode: fs.ModeSymlink | 0o777}
}

// function is one of the PCI bus: its way below devices, its node, its link ("16.0 GT/s PCIe", 16; none: "").
func (v invented) function(way string, node int, speed string, lanes int) string {
	at := "devices/" + way
	v.file(at+"/numa_node", strconv.Itoa(node))
	if speed != "" {
		for _, which := range []string{"current", "max"} {
			v.file(at+"/"+which+"_link_speed", speed)
			v.file(at+"/"+which+"_link_width", strconv.Itoa(lanes))
		}
	}
	return at
}

func (v invented) rdma(name, at string) {
	v.link("class/infiniband/"+name, at+"/infiniband/"+name)
	v.link(at+"/infiniband/"+name+"/device", at)
}

func (v invented) net(name, at string) {
	v.link("class/net/"+name, at+"/net/"+name)
	v.link(at+"/net/"+name+"/device", at)
}

// block is a block device at a path, with its number.
func (v invented) block(at, number string) string {
	v.file(at+"/dev", number)
	v.link("dev/block/"+number, at)
	return at
}

func (v invented) partition(disk, name, number string) string {
	at := v.block(path.Join(disk, name), number)
	v.file(at+"/partition", "1")
	return at
}

func (v invented) over(at string, members ...string) {
	for _, m := range members {
		v.link(at+"/slaves/"+path.Base(m), m)
	}
}

func (v invented) nodes(lists ...string) {
	v.file("devices/system/node/online", "all")
	for i, l := range lists {
		v.file("devices/system/node/node"+strconv.Itoa(i)+"/cpulist", l)
	}
}

// dgx is a host with two sockets and four PCIe switches on each, of which each has a NIC and two
// NVMe disks; md127 is a stripe over the disks of the first socket.
func dgx() invented {
	v := newInvented()
	v.nodes("0-55,112-167", "56-111,168-223")
	var members []string
	for i := range 8 {
		node := i / 4
		root := []string{"pci0000:15", "pci0000:37", "pci0000:48", "pci0000:59", "pci0000:97", "pci0000:b7", "pci0000:c7", "pci0000:d7"}[i]
		bus := root[len("pci0000:"):]
		port := v.function(root+"/0000:"+bus+":01.0", node, "32.0 GT/s PCIe", 16)[len("devices/"):]
		sw := port + "/0000:" + bus[:1] + "e:00.0"
		v.function(sw, node, "32.0 GT/s PCIe", 16)
		nic := v.function(sw+"/0000:"+bus[:1]+"f:00.0", node, "32.0 GT/s PCIe", 16)
		v.rdma("mlx5_"+strconv.Itoa(i), nic)
		for d := range 2 {
			n := strconv.Itoa(2*i + d)
			at := v.function(sw+"/0000:"+bus[:1]+"f:0"+strconv.Itoa(1+d)+".0", node, "16.0 GT/s PCIe", 4)
			disk := v.block(at+"/nvme/nvme"+n+"/nvme"+n+"n1", "259:"+n)
			if node == 0 {
				members = append(members, v.partition(disk, "nvme"+n+"n1p1", "259:1"+n))
			}
		}
	}
	v.over(v.block("devices/virtual/block/md127", "9:127"), members...)
	return v
}

// dual is a host with two sockets without switches: a NIC of two ports on the first, in a slot that
// has half of its lanes, a disk on the second.
func dual() invented {
	v := newInvented()
	v.nodes("0,2,4", "1,3,5")
	v.function("pci0000:16/0000:16:02.0", 0, "8.0 GT/s PCIe", 8)
	for f := range 2 {
		name := "mlx5_" + strconv.Itoa(f)
		at := v.function("pci0000:16/0000:16:02.0/0000:17:00."+strconv.Itoa(f), 0, "8.0 GT/s PCIe", 8)
		v.file(at+"/max_link_width", "16")
		v.rdma(name, at)
		v.net("ens1f"+strconv.Itoa(f), at)
	}
	v.rdma("mlx5_2", v.function("pci0000:17/0000:17:05.0", 0, "8.0 GT/s PCIe", 16))
	sda := v.block(v.function("pci0000:64/0000:64:00.0/0000:65:00.0", 1, "8.0 GT/s PCIe", 8)+"/host0/target0:2:0/0:2:0:0/block/sda", "8:0")
	sda2 := v.partition(sda, "sda2", "8:2")
	crypt := v.block("devices/virtual/block/dm-0", "253:0")
	v.over(crypt, sda2)
	v.over(v.block("devices/virtual/block/dm-1", "253:1"), crypt)
	return v
}

// functions is a guest with virtual functions of a NIC: no link is told, and no node.
func functions() invented {
	v := newInvented()
	v.nodes("0-7")
	v.rdma("mlx5_0", v.function("pci0000:00/0000:00:05.0", -1, "", 0))
	v.rdma("mlx5_1", v.function("pci0000:00/0000:00:06.0", -1, "Unknown", 0))
	v.block(v.function("pci0000:00/0000:00:04.0", -1, "", 0)+"/virtio2/block/vda", "254:0")
	return v
}

// multipath is a host with an NVMe disk that two controllers reach.
func multipath() invented {
	v := newInvented()
	subsystem := "devices/virtual/nvme-subsystem/nvme-subsys0"
	for i := range 2 {
		n := strconv.Itoa(i)
		at := v.function("pci0000:0"+n+"/0000:0"+n+":01.0/0000:1"+n+":00.0", i, "16.0 GT/s PCIe", 4)
		v.file(at+"/nvme/nvme"+n+"/state", "live")
		v.link(subsystem+"/nvme"+n, at+"/nvme/nvme"+n)
	}
	v.block(subsystem+"/nvme0n1", "259:0")
	return v
}
