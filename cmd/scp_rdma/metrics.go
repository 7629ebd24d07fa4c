package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/hashicorp/go-hclog"

	"scp_rdma/metrics"
)

// metricsValue is an address to show what a server does at: PORT, :PORT, HOST:PORT.
type metricsValue struct {
	given bool
	host  string // "": loopback
	port  uint16 // 0: any that is free
}

// String implements pflag.Value.
func (v *metricsValue) String() string {
	if !v.given {
		return ""
	}
	return net.JoinHostPort(v.host, strconv.Itoa(int(v.port)))
}

// Type implements pflag.Value.
func (*metricsValue) Type() string { return "ADDR" }

// Set implements pflag.Value.
func (v *metricsValue) Set(s string) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil && strings.Trim(s, "0123456789") == "" {
		port, err = s, nil
	}
	n, errPort := strconv.ParseUint(port, 10, 16)
	if err != nil || errPort != nil {
		return usagef("--metrics %s: it takes a port, which is on loopback then, or ADDRESS:PORT, like 192.0.2.7:9177 or [::]:9177", quote(s))
	}
	*v = metricsValue{given: true, host: host, port: uint16(n)}
	return nil
}

// listen opens the port; nil where none is asked for.
func (v *metricsValue) listen(ctx context.Context, network string) (net.Listener, error) {
	if !v.given {
		return nil, nil
	}
	host := v.host
	switch {
	case host == "" && network == "tcp6":
		host = netip.IPv6Loopback().String()
	case host == "":
		host, network = "127.0.0.1", "tcp4"
	}
	at := net.JoinHostPort(host, strconv.Itoa(int(v.port)))
	ln, err := (&net.ListenConfig{}).Listen(ctx, network, at)
	hint := ""
	switch {
	case err == nil:
		return ln, nil
	case errors.Is(err, syscall.EADDRINUSE):
		hint = "the port is in use, choose another: "
	case errors.Is(err, syscall.EACCES):
		hint = "ports below 1024 need more rights, choose another: "
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		hint = "this host has no such address: "
	}
	return nil, fmt.Errorf("--metrics %s: %s%w", at, hint, err)
}

// names are those under which the page may be asked for, beside addresses and localhost.
func (v *metricsValue) names() []string {
	names := []string{v.host}
	if own, err := os.Hostname(); err == nil {
		names = append(names, own)
	}
	return names
}

// public says whether others than users of this host reach an address.
func public(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	return !ok || !t.IP.IsLoopback()
}

// unseen closes the port for --metrics.
func (s *estate) unseen() error {
	if s.seen == nil {
		return nil
	}
	return s.seen.Close()
}

// watch shows what the server does, where that is asked for. unwatch ends it.
func (s *estate) watch(ctx context.Context, con *console, o *options, in *intake, log hclog.Logger) (unwatch func(), err error) {
	if s.seen == nil {
		return func() {}, nil
	}
	at := s.seen.Addr()
	shown, err := metrics.Serve(s.seen, metrics.Config{
		Read: in.meter.Read, Version: version, Dir: s.Dir, Addr: in.ln.Addr().String(),
		Alive: in.ln.Alive, Stopping: func() bool { return ctx.Err() != nil || in.ln.Closed() },
		Quote: quote, Names: o.metrics.names(), Public: public(at), Logger: log.Named("metrics"),
	})
	if err != nil {
		return nil, fmt.Errorf("--metrics: %w", err)
	}
	con.say("what it does: http://" + at.String() + "/ (for Prometheus: /metrics)")
	if public(at) {
		con.line("scp_rdma: whoever reaches " + at.String() + " may read how much is copied with which key, but no names of files (--metrics " + strconv.Itoa(int(o.metrics.port)) + ": this host alone)")
	}
	return func() {
		if err := shown.Close(); err != nil {
			log.Debug("metrics did not end cleanly", "error", err)
		}
	}, nil
}
