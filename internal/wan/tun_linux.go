package wan

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// offloads: what TUNSETOFFLOAD (linux/if_tun.h) takes: packets without checksums, and
// of many segments.
const offloads = 0x01 | 0x02 | 0x04 // TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6

// Tun makes a TUN interface in the network namespace of a process. It is there as long
// as the file is open. The interface is down and has no address.
func Tun(pid int, name string) (*os.File, error) {
	type made struct {
		f   *os.File
		err error
	}
	done := make(chan made)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends in the other namespace
		f, err := tunIn(pid, name)
		done <- made{f, err}
	}()
	m := <-done
	if m.err != nil {
		return nil, fmt.Errorf("tun %s: %w", name, m.err)
	}
	return m.f, nil
}

func tunIn(pid int, name string) (*os.File, error) {
	ns, err := unix.Open(fmt.Sprintf("/proc/%d/ns/net", pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(ns) }() // only read from
	if err := unix.Setns(ns, unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("setns: %w", err)
	}
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	req, err := unix.NewIfreq(name)
	if err == nil {
		req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err == nil {
		err = unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, offloads)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("make it: %w", err)
	}
	return os.NewFile(uintptr(fd), "tun "+name), nil
}
