//go:build cgo && !noverbs && linux && (amd64 || arm64)

package ibv

/*
#include "lib.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"scp_rdma/transport"
	"scp_rdma/transport/verbs/internal/nic"
)

// Provider is libibverbs with the devices it lists.
type Provider struct {
	lib  *C.struct_lib
	sys  sysfs
	root *handle
}

// Open opens the library. Without it the error is transport.ErrUnavailable and
// says what to install.
func Open() (nic.Provider, error) {
	lib, err := shared()
	if err != nil {
		return nil, err
	}
	return &Provider{lib: lib, sys: sysfs{"/sys", "/dev"}, root: &handle{name: "libibverbs", leaks: &leaks{}}}, nil
}

// Leaks lists the handles that are open now, "QP of rxe0 (2)"; for tests.
func (p *Provider) Leaks() []string { return p.root.leaks.list() }

// list calls f with every device that the library lists, while the list is valid
// (ibv_get_device_list(3)).
func (p *Provider) list(f func(name string, d *C.struct_ibv_device)) error {
	var list **C.struct_ibv_device
	var n C.int
	errno := unix.Errno(C.lib_devices(p.lib, &list, &n))
	if errno == unix.ENOSYS || errno == unix.ENOENT {
		return nil // the kernel has no RDMA subsystem: no devices
	}
	if errno != 0 {
		return failed("list devices", errno)
	}
	defer C.lib_free_devices(p.lib, list)
	for _, d := range unsafe.Slice(list, int(n)) {
		f(C.GoString(&d.name[0]), d)
	}
	return nil
}

// Devices lists every device that the library or the kernel knows, by name.
// What can't be used says why. An error means that the list itself failed.
func (p *Provider) Devices() ([]nic.Listed, error) {
	var all []nic.Listed
	if err := p.list(func(name string, _ *C.struct_ibv_device) { all = append(all, nic.Listed{Name: name}) }); err != nil {
		return nil, err
	}
	for _, name := range p.sys.devices() {
		if !slices.ContainsFunc(all, func(l nic.Listed) bool { return l.Name == name }) {
			all = append(all, nic.Listed{Name: name, Err: fmt.Errorf("%s: %s: %w", name, p.sys.whyUnlisted(name), transport.ErrUnavailable)})
		}
	}
	slices.SortFunc(all, func(a, b nic.Listed) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// Open opens a device by name (ibv_open_device(3)). One that can't be used is
// transport.ErrUnavailable, with the reason and the names of those there are.
func (p *Provider) Open(name string) (nic.Device, error) {
	d := &Device{p: p, name: name}
	found, names := false, []string(nil)
	var openErr error
	err := p.list(func(n string, dev *C.struct_ibv_device) {
		names = append(names, n)
		if n == name && !found {
			found = true
			d.h, openErr = grow("device "+name, func() unix.Errno { return unix.Errno(C.lib_open_device(p.lib, dev, &d.ctx)) }, p.root)
		}
	})
	switch {
	case err != nil:
		return nil, err
	case !found && slices.Contains(p.sys.devices(), name):
		return nil, fmt.Errorf("open %s: %s: %w", name, p.sys.whyUnlisted(name), transport.ErrUnavailable)
	case !found:
		return nil, fmt.Errorf("open %s: no such device, there are %v: %w", name, names, transport.ErrUnavailable)
	case openErr != nil:
		return nil, fmt.Errorf("%w: %w", openErr, transport.ErrUnavailable)
	}
	if node := C.GoString(&d.ctx.device.dev_name[0]); p.sys.is(node, name) {
		d.node = node // else it can't be told whether it is still there
	}
	d.iwarp = d.ctx.device.transport_type == C.IBV_TRANSPORT_IWARP
	if d.async, err = newEvents(int(d.ctx.async_fd), name+" events"); err != nil {
		return nil, errors.Join(err, d.h.end(d.closeContext))
	}
	return d, nil
}
