package main

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"scp_rdma/topology"
	"scp_rdma/transport/verbs"
)

// twoSockets is a host with a NIC of 200 Gb/s on each socket, of which the second sits in a slot that
// is too narrow, and a device of software. The disk of dir lies beside the first.
func twoSockets(t *testing.T, dir string) topology.Host { return topology.New(twoSocketsFS(t, dir)) }

func twoSocketsFS(t *testing.T, dir string) fstest.MapFS {
	t.Helper()
	sys := fstest.MapFS{}
	link := func(name, to string) {
		sys[name] = &fstest.MapFile{Data: []byte(strings.Repeat("../", strings.Count(name, "/")) + to), Mode: fs.ModeSymlink}
	}
	for i, at := range []string{"devices/pci0000:15/0000:15:01.0", "devices/pci0000:97/0000:97:01.0"} {
		speed := []string{"16.0", "8.0"}[i]
		for name, text := range map[string]string{
			"numa_node": fmt.Sprint(i), "current_link_speed": speed + " GT/s PCIe", "max_link_speed": "16.0 GT/s PCIe",
			"current_link_width": "16", "max_link_width": "16",
		} {
			sys[at+"/0000:00:0"+fmt.Sprint(i)+".0/"+name] = &fstest.MapFile{Data: []byte(text)}
		}
		link("class/infiniband/mlx5_"+fmt.Sprint(i)+"/device", at+"/0000:00:0"+fmt.Sprint(i)+".0")
	}
	sys["devices/virtual/infiniband/rxe0/node_guid"] = &fstest.MapFile{}
	link("class/infiniband/rxe0", "devices/virtual/infiniband/rxe0")
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		t.Fatal(err)
	}
	disk := "devices/pci0000:15/0000:15:01.0/0000:00:05.0/nvme/nvme0/nvme0n1"
	sys[disk+"/size"] = &fstest.MapFile{}
	sys["devices/pci0000:15/0000:15:01.0/0000:00:05.0/numa_node"] = &fstest.MapFile{Data: []byte("0\n")}
	link(fmt.Sprintf("dev/block/%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev)), disk)
	sys["devices/system/node/node0/cpulist"] = &fstest.MapFile{Data: []byte("0,2\n")}
	sys["devices/system/node/node1/cpulist"] = &fstest.MapFile{Data: []byte("1,3\n")}
	return sys
}

func TestWhatLiesNearWhatIsShown(t *testing.T) {
	dir := t.TempDir()
	r := hostReport{Report: verbs.Report{}}
	for _, name := range []string{"mlx5_0", "mlx5_1", "rxe0"} {
		r.Devices = append(r.Devices, verbs.DeviceReport{Name: name, NUMA: -1, Ports: []verbs.PortReport{{Number: 1, Rail: name, Speed: 200e9}}})
	}
	r.Near = near(twoSockets(t, dir), &r.Report, dir)
	want := []string{
		"near each other (= same device, S same PCIe switch, B same host bridge, N same NUMA node, F other node):",
		"          node  PCIe         mlx5_0  mlx5_1  nvme0n1",
		"  mlx5_0  0     16 GT/s x16  =       F       S",
		"  mlx5_1  1     8 GT/s x16   F       =       F",
		"  nvme0n1: where " + dir + " lies",
		"  mlx5_1: its PCIe link (8 GT/s x16) carries 126 Gb/s at most, its ports 200; the device could do 16 GT/s x16: another slot?",
	}
	if diff := cmp.Diff(want, r.Near.lines()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if all := strings.Join(doctor(r), "\n"); !strings.HasSuffix(all, strings.Join(want, "\n")) {
		t.Errorf("the doctor does not say it:\n%s", all)
	}
	r.Devices = r.Devices[2:]
	if n := near(twoSockets(t, dir), &r.Report, dir); n != nil {
		t.Errorf("a device of software lies at %+v", n)
	}
}

// What a server says of itself may be anything.
func TestAnInventedMatrixIsShown(t *testing.T) {
	n := nearReport{Dir: "\x1b[2J", Disks: []string{"a\nb", "c"}, Devices: []nearDevice{
		{Name: "x\x1b[31m", Node: -7, ToDevices: []string{"?"}}, {Link: "\n", Bits: 1, Speed: 2, ToDisks: make([]string, 99)},
	}}
	for range 99 {
		n.Devices = append(n.Devices, nearDevice{})
	}
	lines := n.lines()
	if len(lines) > 2*maxNear+4 {
		t.Errorf("%d lines", len(lines))
	}
	for _, l := range lines {
		if strings.ContainsAny(l, "\x1b\n") {
			t.Errorf("%q", l)
		}
	}
}
