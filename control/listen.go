package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"scp_rdma/wire"
)

// ListenConfig describes a server's port.
type ListenConfig struct {
	Network string // "" (any), "tcp", "tcp4", "tcp6"
	Addr    string // host:port
	// Data takes over a data connection whose preamble is read, in the handshake's
	// goroutine and with the handshake's deadline still set: it clears that when
	// the connection has proved itself. Close sets it to now, also for one that
	// Data is just handing on. nil: data connections are refused.
	Data func(net.Conn)
	Config
}

// Listener accepts control connections; data connections go to Data.
type Listener struct {
	cfg    ListenConfig
	ln     net.Listener
	accept chan *Conn
	slots  chan struct{} // one per connection that has not said what it is
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// Listen opens the port. ctx is for that alone: Close ends the listening.
func Listen(ctx context.Context, cfg ListenConfig) (*Listener, error) {
	cfg.Config = cfg.Config.withDefaults()
	if cfg.Network == "" {
		cfg.Network = "tcp"
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, cfg.Network, cfg.Addr)
	if err != nil {
		return nil, listenError(cfg.Addr, err)
	}
	return newListener(ctx, ln, cfg), nil
}

// newListener takes over a socket that listens.
func newListener(ctx context.Context, ln net.Listener, cfg ListenConfig) *Listener {
	l := &Listener{cfg: cfg, ln: ln, accept: make(chan *Conn), slots: make(chan struct{}, maxPending)}
	l.ctx, l.cancel = context.WithCancel(context.WithoutCancel(ctx))
	l.wg.Go(l.run)
	return l
}

// listenError says why there is no listening, and the cure.
func listenError(addr string, err error) error {
	hint := ""
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		hint = "the port is in use, choose another with -p: "
	case errors.Is(err, syscall.EACCES):
		hint = "ports below 1024 need more rights, choose another with -p: "
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		hint = "this host has no such address: "
	}
	return fmt.Errorf("listen on %s: %s%w", addr, hint, err)
}

// Addr is where it listens.
func (l *Listener) Addr() netip.AddrPort { return addrPort(l.ln.Addr()) }

// Accept waits for the next control connection, whose preamble was good. After
// Close it returns ErrClosed.
func (l *Listener) Accept(ctx context.Context) (*Conn, error) {
	select {
	case c := <-l.accept:
		return c, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-l.ctx.Done():
		return nil, ErrClosed
	}
}

// Close closes the port, ends the handshakes and waits for them and for calls of
// Data. Connections that Accept returned live on.
func (l *Listener) Close() error {
	l.cancel()
	err := l.ln.Close()
	l.wg.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// run accepts until the port is closed. Out of descriptors is no reason to stop:
// sessions that end give some back.
func (l *Listener) run() {
	pause := 5 * time.Millisecond
	for {
		nc, err := l.ln.Accept()
		switch {
		case err == nil:
			pause = 5 * time.Millisecond
			l.begin(nc)
		case l.ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return
		default:
			l.cfg.Logger.Warn("accept failed", "error", err, "again in", pause)
			select {
			case <-time.After(pause):
			case <-l.ctx.Done():
				return
			}
			pause = min(2*pause, time.Second)
		}
	}
}

func (l *Listener) begin(nc net.Conn) {
	select {
	case l.slots <- struct{}{}:
	default:
		l.cfg.Logger.Warn("too many connections that say nothing, closing one", "peer", nc.RemoteAddr())
		_ = nc.Close()
		return
	}
	l.wg.Go(func() {
		l.greet(nc)
		<-l.slots
	})
}

// greet finds out what a connection is. One deadline covers all of it, so a
// peer that says a byte a second gains nothing.
func (l *Listener) greet(nc net.Conn) {
	_ = nc.SetDeadline(time.Now().Add(l.cfg.Handshake))
	stop := onDone(l.ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	p, err := readPreamble(nc)
	switch {
	case err != nil:
		l.refuse(nc, err)
	case p.Version != wire.Version:
		l.refuseVersion(nc, p.Version)
	case p.Kind == wire.KindControl:
		l.hand(nc, stop)
	case l.cfg.Data != nil:
		l.cfg.Data(nc)
	default:
		l.cfg.Logger.Info("data connection where none is expected", "peer", nc.RemoteAddr())
		_ = nc.Close()
	}
}

// refuse closes a connection that is not ours; a browser is told.
func (l *Listener) refuse(nc net.Conn, err error) {
	defer func() { _ = nc.Close() }()
	l.cfg.Logger.Info("not a client", "peer", nc.RemoteAddr(), "error", err)
	var foreign *wire.ForeignError
	if errors.As(err, &foreign) && foreign.Speaks == "http" {
		_, _ = io.WriteString(nc, "HTTP/1.0 400 Bad Request\r\nConnection: close\r\n\r\nscp_rdma speaks its own protocol here\n")
		linger(nc)
	}
}

// refuseVersion answers in the one layout that all versions share.
func (l *Listener) refuseVersion(nc net.Conn, theirs uint16) {
	defer func() { _ = nc.Close() }()
	l.cfg.Logger.Info("another version", "peer", nc.RemoteAddr(), "version", theirs, "here", wire.Version)
	text := fmt.Sprintf("the client speaks version %d, this server version %d: update the older one", theirs, wire.Version)
	out, err := wire.AppendMessage(preamble(), &wire.Bye{Code: wire.ByeVersion, Text: text, Version: wire.Version})
	if err != nil {
		l.cfg.Logger.Error("no word for another version", "error", err)
		return
	}
	if _, err := nc.Write(out); err == nil {
		linger(nc)
	}
}

// preamble is this side's.
func preamble() []byte {
	return wire.AppendPreamble(nil, wire.Preamble{Kind: wire.KindControl, Version: wire.Version})
}

// hand answers the preamble and gives the connection to Accept. stop disarms
// the listener's end for it.
func (l *Listener) hand(nc net.Conn, stop func()) {
	_, err := nc.Write(preamble())
	stop()
	if err != nil || l.ctx.Err() != nil || nc.SetDeadline(time.Time{}) != nil {
		_ = nc.Close()
		return
	}
	tune(nc, l.cfg.Timeout)
	c := newConn(nc, l.cfg.Config)
	wait := time.NewTimer(l.cfg.Handshake)
	defer wait.Stop()
	select {
	case l.accept <- c:
	case <-wait.C:
		l.cfg.Logger.Warn("nobody takes a connection, closing it", "peer", nc.RemoteAddr())
		c.Abort()
	case <-l.ctx.Done():
		c.Abort()
	}
}
