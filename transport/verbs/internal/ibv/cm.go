//go:build cgo && !noverbs && linux && (amd64 || arm64)

package ibv

/*
#include <stdlib.h>
#include "cm.h"
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"scp_rdma/transport"
	"scp_rdma/transport/verbs/internal/nic"
)

const (
	// cmSoname is the library's name since its first release.
	cmSoname = "librdmacm.so.1"
	// resolveTime is for finding an address, and then a route, ms: what rping takes.
	resolveTime = 2000
	// backlog is how many requests may wait to be looked at.
	backlog = 64
)

// sharedCM is librdmacm, opened once per process and never closed.
var sharedCM = sync.OnceValues(func() (*C.struct_cm_lib, error) { return loadCM(cmSoname) })

func loadCM(file string) (*C.struct_cm_lib, error) {
	name := C.CString(file)
	defer C.free(unsafe.Pointer(name))
	var text [256]C.char
	lib := C.lib_cm_open(name, &text[0], C.size_t(len(text)))
	if lib == nil {
		return nil, fmt.Errorf("open %s: %s: install rdma-core (Debian: librdmacm1): %w", file, C.GoString(&text[0]), transport.ErrUnavailable)
	}
	return lib, nil
}

// connector is rdma_cm of this host.
type connector struct {
	p   *Provider
	lib *C.struct_cm_lib
}

// Connector opens librdmacm, and tries whether the kernel has rdma_cm for us.
func (p *Provider) Connector() (nic.Connector, error) {
	lib, err := sharedCM()
	if err != nil {
		return nil, err
	}
	c := &connector{p, lib}
	ch, err := c.channel("a try")
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", err, p.sys.whyNoCM(), transport.ErrUnavailable)
	}
	return c, ch.close()
}

// cmChannel is an event channel of its own for each id: what is of one is read by
// nobody else.
type cmChannel struct {
	c      *connector
	h      *handle
	ch     *C.struct_cm_channel
	events *events
}

func (c *connector) channel(name string) (*cmChannel, error) {
	ch := &cmChannel{c: c}
	var err error
	ch.h, err = grow("rdma_cm channel of "+name, func() unix.Errno { return unix.Errno(C.lib_cm_channel(c.lib, &ch.ch)) }, c.p.root)
	if err != nil {
		return nil, err
	}
	if ch.events, err = newEvents(int(ch.ch.fd), "rdma_cm events"); err != nil {
		return nil, errors.Join(err, ch.end())
	}
	return ch, nil
}

func (ch *cmChannel) end() error {
	return ch.h.end(func() unix.Errno {
		C.lib_cm_close_channel(ch.c.lib, ch.ch)
		return 0
	})
}

func (ch *cmChannel) close() error {
	ch.events.close()
	return ch.end()
}

// next waits for an event.
func (ch *cmChannel) next(ctx context.Context) (C.struct_lib_cm_event, error) {
	var e C.struct_lib_cm_event
	err := ch.events.wait(ctx, func() unix.Errno { return unix.Errno(C.lib_cm_next(ch.c.lib, ch.ch, &e)) })
	return e, err
}

// socket is an address in C's memory.
func socket(a netip.AddrPort) unsafe.Pointer { return C.CBytes(socketBytes(a)) }

// socketBytes is an address as the library takes it: struct sockaddr_in or sockaddr_in6.
func socketBytes(a netip.AddrPort) []byte {
	var raw [unix.SizeofSockaddrInet6]byte
	port := [2]byte{byte(a.Port() >> 8), byte(a.Port())}
	addr := a.Addr().Unmap()
	if addr.Is4() {
		s := (*unix.RawSockaddrInet4)(unsafe.Pointer(&raw))
		s.Family, s.Addr = unix.AF_INET, addr.As4()
		*(*[2]byte)(unsafe.Pointer(&s.Port)) = port
	} else {
		s := (*unix.RawSockaddrInet6)(unsafe.Pointer(&raw))
		s.Family, s.Addr = unix.AF_INET6, addr.As16()
		*(*[2]byte)(unsafe.Pointer(&s.Port)) = port
	}
	return raw[:]
}

// cmListener is an id that listens.
type cmListener struct {
	ch *cmChannel
	h  *handle
	id *C.struct_cm_id
	at netip.AddrPort
}

// Listen implements nic.Connector.
func (c *connector) Listen(at netip.AddrPort) (nic.Listener, error) {
	ch, err := c.channel("a listener")
	if err != nil {
		return nil, err
	}
	l := &cmListener{ch: ch}
	addr := socket(at)
	defer C.free(addr)
	var port C.int
	l.h, err = grow("rdma_cm listener", func() unix.Errno {
		return unix.Errno(C.lib_cm_listen(c.lib, ch.ch, addr, backlog, &l.id, &port))
	}, ch.h)
	if err != nil {
		return nil, fmt.Errorf("listen on %v: %w", at, errors.Join(err, ch.close()))
	}
	l.at = netip.AddrPortFrom(at.Addr(), uint16(port))
	return l, nil
}

// Addr implements nic.Listener.
func (l *cmListener) Addr() netip.AddrPort { return l.at }

// Accept implements nic.Listener. Each request gets a channel of its own.
func (l *cmListener) Accept(ctx context.Context) (nic.Conn, error) {
	for {
		e, err := l.ch.next(ctx)
		if err != nil {
			return nil, fmt.Errorf("accept on %v: %w", l.at, err)
		}
		if e._type == C.CM_DEVICE_REMOVAL {
			return nil, fmt.Errorf("accept on %v: its device was removed: %w", l.at, unix.ENODEV)
		}
		if e._type != C.CM_CONNECT_REQUEST {
			continue
		}
		if c, err := l.take(&e); err == nil {
			return c, nil
		}
		// The machine is out of descriptors or memory: the request is refused.
	}
}

// take makes a Conn of a request, or refuses it.
func (l *cmListener) take(e *C.struct_lib_cm_event) (*cmConn, error) {
	lib := l.ch.c.lib
	refuse := func() unix.Errno {
		C.lib_cm_reject(lib, e.id)
		return unix.Errno(C.lib_cm_destroy(lib, e.id))
	}
	ch, err := l.ch.c.channel("a request")
	if err != nil {
		refuse()
		return nil, err
	}
	if errno := unix.Errno(C.lib_cm_migrate(lib, e.id, ch.ch)); errno != 0 {
		refuse()
		return nil, errors.Join(errno, ch.close())
	}
	c := &cmConn{ch: ch, id: e.id, asked: true, private: C.GoBytes(unsafe.Pointer(&e.private[0]), e.length)}
	c.h, err = grow("rdma_cm request", func() unix.Errno { return 0 }, ch.h)
	return c, err
}

// Close implements nic.Listener. Requests that nobody has taken are in the channel,
// and end with it.
func (l *cmListener) Close() error {
	l.ch.events.close()
	err := l.h.end(func() unix.Errno {
		for {
			var e C.struct_lib_cm_event
			if C.lib_cm_next(l.ch.c.lib, l.ch.ch, &e) != 0 {
				break
			}
			if e._type == C.CM_CONNECT_REQUEST {
				C.lib_cm_reject(l.ch.c.lib, e.id)
				C.lib_cm_destroy(l.ch.c.lib, e.id)
			}
		}
		return unix.Errno(C.lib_cm_destroy(l.ch.c.lib, l.id))
	})
	if err != nil {
		return err
	}
	return l.ch.end()
}
