package control

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"scp_rdma/keys"
	"scp_rdma/wire"
)

// DialConfig describes a server and how to come in.
type DialConfig struct {
	Network string    // "" (any), "tcp", "tcp4", "tcp6"
	Addr    string    // host:port, as the user named it
	Addrs   []string  // where the server can be reached, best first; none: at Addr
	Last    string    // where, if at none of them; "": nowhere
	Key     *keys.Key // shown to the server, which must show the same; nil only with NoAuth
	NoAuth  bool      // take a server that proves nothing, and show it nothing
	// Connect makes the connection, where the kernel is not to. nil: net.Dialer does.
	Connect func(ctx context.Context, network, addr string) (net.Conn, error)
	Config
}

// Dial connects to a server, and both prove themselves, all within Handshake.
// Errors name the address and what to do. No right key on either side: the error
// Is ErrAuth; no room there: it is a *BusyError; ended by the server without a
// reason: it Is ErrDropped. With several addresses they are about the first.
func Dial(ctx context.Context, cfg DialConfig) (*Conn, error) {
	if len(cfg.Addrs) == 0 {
		cfg.Addrs = []string{cfg.Addr}
	}
	if len(cfg.Addrs) == 1 && cfg.Last == "" {
		cfg.Addr = cfg.Addrs[0]
		return dialOne(ctx, cfg)
	}
	return race(ctx, cfg)
}

// dialOne is Dial with the one address Addr.
func dialOne(ctx context.Context, cfg DialConfig) (*Conn, error) {
	addr, network, key := cfg.Addr, cfg.Network, cfg.Key
	cfg.Config = cfg.Config.withDefaults()
	ctx, cancel := context.WithTimeout(ctx, cfg.Handshake)
	defer cancel()
	switch {
	case cfg.NoAuth:
		key = nil
	case key == nil:
		return nil, fmt.Errorf("connect to %s: %w", addr, errConfig)
	}
	if network == "" {
		network = "tcp"
	}
	connect := cfg.Connect
	if connect == nil {
		connect = (&net.Dialer{}).DialContext
	}
	nc, err := connect(ctx, network, addr)
	if err != nil {
		return nil, dialError(ctx, addr, err)
	}
	tune(nc, cfg.Timeout)
	tc, err := greet(ctx, nc, key)
	if err != nil {
		_ = nc.Close()
		return nil, greetError(ctx, addr, err)
	}
	var h keys.Holder
	if key != nil {
		h.Key = *key
	}
	return proved(tc, h, cfg.Config)
}

// greet swaps preambles and proofs until ctx ends, and leaves no deadline behind.
func greet(ctx context.Context, nc net.Conn, key *keys.Key) (*tls.Conn, error) {
	stop := onDone(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := introduce(nc); err != nil {
		return nil, err
	}
	tc, err := proveClient(ctx, nc, key)
	stop()
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return tc, err
}

// introduce says the client's preamble and checks the server's.
func introduce(nc net.Conn) error {
	if _, err := nc.Write(preamble()); err != nil {
		return err
	}
	p, err := readPreamble(nc)
	if err != nil {
		return err
	}
	switch {
	case p.Kind == wire.KindBye:
		return noRoom(nc)
	case p.Kind != wire.KindControl:
		return fmt.Errorf("preamble of kind %q: %w", p.Kind, wire.ErrMalformed)
	case p.Version == wire.Version:
		return nil
	}
	return fmt.Errorf("the other side speaks version %d, this is version %d: update the older one: %w", p.Version, wire.Version, ErrVersion)
}

// noRoom reads why a server takes no connection now.
func noRoom(nc net.Conn) error {
	m, err := hear(nc, wire.TypeBye)
	if err != nil {
		return err
	}
	return refused(m.(*wire.Bye), nil)
}

// readPreamble reads the other side's preamble, and no more. Half of it is
// enough to know a stranger: many say less than a preamble and then wait.
func readPreamble(nc net.Conn) (wire.Preamble, error) {
	b := make([]byte, wire.PreambleSize)
	n, err := io.ReadFull(nc, b[:wire.PreambleSize/2])
	if err == nil {
		if _, err := wire.ParsePreamble(b[:n]); errors.As(err, new(*wire.ForeignError)) {
			return wire.Preamble{}, err
		}
		more, _ := io.ReadFull(nc, b[n:]) // too few bytes are malformed anyway
		n += more
	}
	if n == 0 {
		return wire.Preamble{}, err
	}
	return wire.ParsePreamble(b[:n])
}

// dialError says why there is no connection, and the cure.
func dialError(ctx context.Context, addr string, err error) error {
	var dns *net.DNSError
	hint := ""
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Errorf("connect to %s: unknown host %q: %w", addr, dns.Name, err)
	case errors.Is(err, syscall.ECONNREFUSED):
		hint = "is scp_rdma -s running there, on that port (-p)?"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		hint = "no route there from this host"
	case errors.Is(err, syscall.ETIMEDOUT), errors.Is(ctx.Err(), context.DeadlineExceeded):
		hint = "no answer: is the host up, and does a firewall let the port through?"
	}
	if hint == "" {
		return fmt.Errorf("connect to %s: %w", addr, err)
	}
	return fmt.Errorf("connect to %s: %s: %w", addr, hint, err)
}

// greetError says what is wrong with a peer that accepted the connection.
func greetError(ctx context.Context, addr string, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("connect to %s: %w", addr, context.Cause(ctx))
	case ctx.Err() != nil:
		return fmt.Errorf("connect to %s: it accepts connections but doesn't say that it is scp_rdma: %w", addr, err)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return fmt.Errorf("connect to %s: %w: %w", addr, ErrDropped, err)
	}
	return fmt.Errorf("connect to %s: %w", addr, err)
}
