// Package topology tells what lies near what in a host: NICs, disks, and the memory and
// cores of NUMA nodes. It reads sysfs and nothing else (Documentation/ABI/testing/sysfs-bus-pci,
// stable/sysfs-devices-node, stable/sysfs-block), through an fs.FS, so that hosts of any build
// can be invented for tests.
//
//	[1] place: a device's NUMA node and its way from the host bridge down (place.go)
//	[2] nic: that of an RDMA device or network interface, and what its PCIe link carries (nic.go)
//	[3] disk: those that a file system's device stands on, through partitions, md, dm and
//	    NVMe multipath (disk.go)
//	[4] node: which cores a NUMA node has (node.go)
package topology
