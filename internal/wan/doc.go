// Package wan makes a long way between two network namespaces: a TUN interface in each,
// and a relay between them that holds every packet back for some time and lets only so
// many bytes a second pass. Kernels without netem have no other. Packets are those that
// the kernel hands to a device that segments by itself, up to 64 KiB (virtio's header,
// TUN_F_TSO4), so that one core carries some GB/s.
package wan
