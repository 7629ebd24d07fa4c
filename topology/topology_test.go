package topology

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"slices"
	"testing"
	"testing/fstest"
)

func device(t *testing.T, h Host, name string) Place {
	t.Helper()
	p, err := h.Device(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func disks(t *testing.T, h Host, major, minor uint32) []Disk {
	t.Helper()
	list, err := h.Disks(major, minor)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func names(list []Disk) (all []string) {
	for _, d := range list {
		all = append(all, d.Name)
	}
	return all
}

func TestEightNICsOnTwoSockets(t *testing.T) {
	h := dgx().host()
	if n := h.Nodes(); !slices.Equal(n, []int{0, 1}) {
		t.Errorf("nodes %v", n)
	}
	if c, err := h.CPUs(1); err != nil || len(c) != 112 || c[0] != 56 || c[111] != 223 {
		t.Errorf("%v, %v", c, err)
	}
	first, last := device(t, h, "mlx5_0"), device(t, h, "mlx5_7")
	if first.Node != 0 || last.Node != 1 || first.Address() != "0000:1f:00.0" {
		t.Errorf("%+v, %+v", first, last)
	}
	stripe := disks(t, h, 9, 127)
	if want := []string{"nvme0n1", "nvme1n1", "nvme2n1", "nvme3n1", "nvme4n1", "nvme5n1", "nvme6n1", "nvme7n1"}; !slices.Equal(names(stripe), want) {
		t.Errorf("the stripe is over %v", names(stripe))
	}
	for i, want := range []Distance{Switch, Switch, Node, Node, Node, Node, Node, Node} {
		if d := Between(first, stripe[i].Place); d != want {
			t.Errorf("from mlx5_0 to %s: %v, want %v", stripe[i].Name, d, want)
		}
		if d := Between(last, stripe[i].Place); d != Far {
			t.Errorf("from mlx5_7 to %s: %v", stripe[i].Name, d)
		}
	}
	if now, best, ok := h.PCIe(first); !ok || now != best || math.Abs(now.Bits()-504.1e9) > 1e8 {
		t.Errorf("%+v, %+v, %v: %.1f Gbit/s", now, best, ok, now.Bits()/1e9)
	}
}

func TestTwoSocketsWithoutSwitches(t *testing.T) {
	h := dual().host()
	a, b, c := device(t, h, "mlx5_0"), device(t, h, "mlx5_1"), device(t, h, "mlx5_2")
	if d := Between(a, b); d != Same {
		t.Errorf("two functions of one NIC: %v", d)
	}
	if d := Between(a, c); d != Node {
		t.Errorf("two NICs of a node: %v", d)
	}
	if p, err := h.Interface("ens1f1"); err != nil || Between(p, b) != Same {
		t.Errorf("%+v, %v", p, err)
	}
	on := disks(t, h, 253, 1) // an encrypted volume on a partition
	if !slices.Equal(names(on), []string{"sda"}) || on[0].Node != 1 || Between(a, on[0].Place) != Far {
		t.Errorf("%+v", on)
	}
	now, best, ok := h.PCIe(a)
	if !ok || now != (Link{8, 8}) || best != (Link{8, 16}) {
		t.Errorf("%+v, %+v, %v", now, best, ok)
	}
}

func TestVirtualFunctionsTellLittle(t *testing.T) {
	h := functions().host()
	a, b := device(t, h, "mlx5_0"), device(t, h, "mlx5_1")
	if a.Node != NoNode || Between(a, b) != Bridge {
		t.Errorf("%+v, %+v: %v", a, b, Between(a, b))
	}
	for _, p := range []Place{a, b} {
		if now, best, ok := h.PCIe(p); ok {
			t.Errorf("%+v, %+v", now, best)
		}
	}
	if d := disks(t, h, 254, 0); d[0].Name != "vda" || Between(a, d[0].Place) != Bridge {
		t.Errorf("%+v", d)
	}
}

func TestADiskWithTwoWays(t *testing.T) {
	d := disks(t, multipath().host(), 259, 0)
	if !slices.Equal(names(d), []string{"nvme0", "nvme1"}) || d[0].Node != 0 || d[1].Node != 1 {
		t.Errorf("%+v", d)
	}
}

func TestWhatIsNotThereIsSaid(t *testing.T) {
	v := dual()
	v.link("class/infiniband/loop0", "class/infiniband/loop1")
	v.link("class/infiniband/loop1", "class/infiniband/loop0")
	v.MapFS["class/infiniband/out"] = &fstest.MapFile{Data: []byte("../../../etc"), Mode: fs.ModeSymlink}
	v.MapFS["class/infiniband/abs"] = &fstest.MapFile{Data: []byte("/etc"), Mode: fs.ModeSymlink}
	v.file("devices/system/node/node7/cpulist", "3-1")
	for _, name := range []string{"mlx5_9", "loop0", "out", "abs", "..", "../../devices"} {
		if p, err := v.host().Device(name); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	if _, err := v.host().Disks(0, 45); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	if _, err := v.host().CPUs(7); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	// A stack that stands on itself ends.
	v.over(v.block("devices/virtual/block/dm-8", "253:8"), "devices/virtual/block/dm-9")
	v.over(v.block("devices/virtual/block/dm-9", "253:9"), "devices/virtual/block/dm-8")
	if d := disks(t, v.host(), 253, 8); len(d) != 0 {
		t.Errorf("%+v", d)
	}
	if d := Between(Place{Node: NoNode}, Place{Node: 1}); d != Nobody {
		t.Error(d)
	}
}

func TestListsOfCores(t *testing.T) {
	for text, want := range map[string][]int{"": nil, "0": {0}, "0-2,7": {0, 1, 2, 7}, "4,1-2,2": {1, 2, 4}} {
		if got, ok := parseList(text); !ok || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v", text, got, ok)
		}
	}
	for _, text := range []string{",", "a", "1-", "-1", "5-4", "0-99999999999", "0-20000"} {
		if got, ok := parseList(text); ok {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func FuzzParseList(f *testing.F) {
	for _, s := range []string{"0-3,8", "", "1-0", "9999999-99999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if list, ok := parseList(text); ok && (!slices.IsSorted(list) || len(list) > maxCPU) {
			t.Errorf("%q: %d cores", text, len(list))
		}
	})
}

// This host has at least one node or none, and whatever it has can be read.
func TestThisHost(t *testing.T) {
	h := New(os.DirFS("/sys"))
	for _, n := range h.Nodes() {
		if c, err := h.CPUs(n); err != nil || len(c) == 0 {
			t.Errorf("node %d: %v, %v", n, c, err)
		}
	}
	entries, err := os.ReadDir("/sys/class/net")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if p, err := h.Interface(e.Name()); err != nil {
			t.Errorf("%s: %+v, %v", e.Name(), p, err)
		}
	}
}
