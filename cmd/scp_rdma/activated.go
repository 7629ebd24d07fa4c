package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"
)

// openPort opens the port, or takes the one that whoever started the server has opened for it
// (sd_listen_fds(3)). The second start of the program inherits either like everything else.
func (o *options) openPort(ctx context.Context) (net.Listener, error) {
	files := activation.Files(true)
	if len(files) == 0 {
		return o.bindTo(ctx, o.port)
	}
	defer func() {
		for _, f := range files {
			_ = f.Close() // the listener has a descriptor of its own
		}
	}()
	switch {
	case len(files) > 1:
		return nil, usagef("%d sockets were passed (LISTEN_FDS), a server has one port: leave one ListenStream= in its .socket unit; without an address it takes IPv4 and IPv6", len(files))
	case o.portGiven || o.bind != "" || o.ipv4 || o.ipv6:
		return nil, usagef("-p, --bind, -4 and -6 are for a server that opens its port itself, and this one was passed its socket: say it by ListenStream= in its .socket unit")
	}
	return passed(files[0])
}

// passed is the port that a descriptor is.
func passed(f *os.File) (net.Listener, error) {
	listens, err := unix.GetsockoptInt(int(f.Fd()), unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err == nil && listens == 0 {
		err = errors.New("it does not listen (Accept=yes in its .socket unit?)")
	}
	if err != nil {
		return nil, fmt.Errorf("the socket that was passed: %w", err)
	}
	ln, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("the socket that was passed: %w", err)
	}
	if _, ok := ln.(*net.TCPListener); !ok {
		return nil, errors.Join(usagef("the socket that was passed is %s, not TCP: ListenStream=PORT in its .socket unit", ln.Addr().Network()), ln.Close())
	}
	return ln, nil
}
