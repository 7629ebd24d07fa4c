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
	// Data takes a data connection whose preamble is read, in the handshake's
	// goroutine and with the handshake's deadline still set. nil: refused.
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

// Listen opens the port.
func Listen(ctx context.Context, cfg ListenConfig) (*Listener, error) {
	cfg.Config = cfg.Config.withDefaults()
	if cfg.Network == "" {
		cfg.Network = "tcp"
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, cfg.Network, cfg.Addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listen on %s: the port is in use, choose another with -p: %w", cfg.Addr, err)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", cfg.Addr, err)
	}
	l := &Listener{cfg: cfg, ln: ln, accept: make(chan *Conn), slots: make(chan struct{}, maxPending)}
	l.ctx, l.cancel = context.WithCancel(context.WithoutCancel(ctx))
	l.wg.Go(l.run)
	return l, nil
}

// Addr is where it listens.
func (l *Listener) Addr() netip.AddrPort { return addrPort(l.ln.Addr()) }

// Accept waits for the next control connection.
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

// Close closes the port and waits for handshakes to end.
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
	tune(nc, l.cfg.Timeout)
	_ = nc.SetDeadline(time.Now().Add(l.cfg.Handshake))
	stop := context.AfterFunc(l.ctx, func() { _ = nc.SetDeadline(past) })
	defer stop()
	b := make([]byte, wire.PreambleSize)
	n, err := io.ReadFull(nc, b)
	var p wire.Preamble
	if n > 0 {
		p, err = wire.ParsePreamble(b[:n])
	}
	if err != nil {
		l.refuse(nc, err)
		return
	}
	switch {
	case p.Version != wire.Version:
		l.refuseVersion(nc, p.Version)
	case p.Kind == wire.KindControl:
		l.hand(nc, stop)
	case l.cfg.Data != nil:
		l.cfg.Data(nc)
	default:
		_ = nc.Close()
	}
}

// refuse closes a connection that is not ours; a browser is told.
func (l *Listener) refuse(nc net.Conn, err error) {
	l.cfg.Logger.Info("not a client", "peer", nc.RemoteAddr(), "error", err)
	var foreign *wire.ForeignError
	if errors.As(err, &foreign) && foreign.Speaks == "http" {
		_, _ = io.WriteString(nc, "HTTP/1.0 400 Bad Request\r\nConnection: close\r\n\r\nscp_rdma speaks its own protocol here\n")
	}
	_ = nc.Close()
}

// refuseVersion answers in the one layout that all versions share.
func (l *Listener) refuseVersion(nc net.Conn, theirs uint16) {
	l.cfg.Logger.Info("another version", "peer", nc.RemoteAddr(), "version", theirs, "here", wire.Version)
	out := wire.AppendPreamble(nil, wire.Preamble{Kind: wire.KindControl, Version: wire.Version})
	text := fmt.Sprintf("the client speaks version %d, this server version %d: update the older one", theirs, wire.Version)
	if out, err := wire.AppendMessage(out, &wire.Bye{Code: wire.ByeVersion, Text: text, Version: wire.Version}); err == nil {
		_, _ = nc.Write(out)
	}
	_ = nc.Close()
}

// hand answers the preamble and gives the connection to Accept. stop disarms
// the listener's end for it.
func (l *Listener) hand(nc net.Conn, stop func() bool) {
	out := wire.AppendPreamble(nil, wire.Preamble{Kind: wire.KindControl, Version: wire.Version})
	if _, err := nc.Write(out); err != nil || !stop() {
		_ = nc.Close()
		return
	}
	_ = nc.SetDeadline(time.Time{})
	c := newConn(nc, l.cfg.Config)
	wait := time.NewTimer(l.cfg.Handshake)
	defer wait.Stop()
	select {
	case l.accept <- c:
	case <-wait.C:
		c.Abort()
	case <-l.ctx.Done():
		c.Abort()
	}
}
