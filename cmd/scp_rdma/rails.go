package main

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"scp_rdma/transport"
	"scp_rdma/transport/verbs"
)

// railNames is what -d names, by the transport whose rails they are.
type railNames struct{ verbs, tcp []string }

// sortRails finds out whose rails -d names: an address or an interface is tcp's,
// a device of RDMA is verbs'; what is both is verbs', unless --transport says tcp.
// A name that is neither is an error that lists what there is.
func sortRails(o *options, devices verbs.Provider) (railNames, error) {
	names := unique(o.rails)
	switch o.transport {
	case nameTCP:
		return railNames{tcp: names}, nil
	case nameVerbs:
		return railNames{verbs: names}, nil
	}
	var r railNames
	for _, name := range names {
		device, _, _ := strings.Cut(name, ":")
		switch {
		case isAddress(name):
			r.tcp = append(r.tcp, name)
		case isDevice(devices, device):
			r.verbs = append(r.verbs, name)
		case isInterface(name):
			r.tcp = append(r.tcp, name)
		default:
			return r, fmt.Errorf("-d %s: no rail of this host has that name: interfaces: %s; RDMA devices: %s: %w",
				quote(name), interfaceNames(), deviceNames(devices), transport.ErrUnavailable)
		}
	}
	return r, nil
}

func isAddress(name string) bool {
	_, err := netip.ParseAddr(name)
	return err == nil
}

func isInterface(name string) bool {
	_, err := net.InterfaceByName(name)
	return err == nil
}

func isDevice(devices verbs.Provider, name string) bool {
	list, err := devices.Devices()
	return err == nil && slices.ContainsFunc(list, func(d verbs.Listed) bool { return d.Name == name })
}

// interfaceNames lists the interfaces with their addresses, for an error.
func interfaceNames() string {
	all, err := net.Interfaces()
	if err != nil {
		return err.Error()
	}
	var list []string
	for _, in := range all {
		text := in.Name
		if in.Flags&net.FlagUp == 0 {
			text += " (down)"
		} else if addrs, err := in.Addrs(); err == nil && len(addrs) > 0 {
			var texts []string
			for _, a := range addrs {
				if p, err := netip.ParsePrefix(a.String()); err == nil {
					texts = append(texts, p.Addr().String())
				}
			}
			text += " (" + strings.Join(texts, ", ") + ")"
		}
		list = append(list, text)
	}
	return strings.Join(list, ", ")
}

// deviceNames lists the RDMA devices, or says why there are none.
func deviceNames(devices verbs.Provider) string {
	list, err := devices.Devices()
	switch {
	case err != nil:
		return err.Error()
	case len(list) == 0:
		return "none"
	}
	var names []string
	for _, d := range list {
		names = append(names, d.Name)
	}
	return strings.Join(names, ", ")
}
