package control

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"scp_rdma/keys"
	"scp_rdma/wire"
)

// ListenConfig describes a server's port.
type ListenConfig struct {
	Network  string       // "" (any), "tcp", "tcp4", "tcp6"
	Addr     string       // host:port
	Listener net.Listener // of TCP, which is there already, in place of both; the Listener's own from now on
	// Data takes over a data connection whose preamble is read, in the handshake's
	// goroutine and with the handshake's deadline still set: it clears that when
	// the connection has proved itself. Close sets it to now, also for one that
	// Data is just handing on. nil: data connections are refused.
	Data func(net.Conn)
	// Keys are those of the clients that may come in; nil only with NoAuth.
	Keys    *keys.Ring
	NoAuth  bool // let anybody in
	Pending int  // connections that have proved nothing, at once; 0: DefaultPending
	// Met hears what became of each connection that is not for data, and how long that
	// took. nil: nobody does.
	Met func(o Outcome, took time.Duration)
	Config
}

// Listener accepts control connections; data connections go to Data.
type Listener struct {
	cfg    ListenConfig
	ln     net.Listener
	accept chan *Conn
	asked  chan chan struct{} // by Alive; run closes what comes
	pulse  chan struct{}      // by Alive, for Accept
	tls    *tls.Config
	new    *pending      // connections that have proved nothing
	no     chan struct{} // one per refusal under way
	knocks knocks
	keys   atomic.Pointer[keys.Ring] // of the config, until SetKeys
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// Listen opens the port. ctx is for that alone: Close ends the listening.
func Listen(ctx context.Context, cfg ListenConfig) (*Listener, error) {
	cfg.Config = cfg.Config.withDefaults()
	switch {
	case cfg.NoAuth:
		cfg.Keys = nil
	case cfg.Keys == nil:
		return nil, fmt.Errorf("listen on %s: %w", cfg.Addr, errConfig)
	}
	if cfg.Pending == 0 {
		cfg.Pending = DefaultPending
	}
	cert, err := identity()
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", cfg.Addr, err)
	}
	if cfg.Listener == nil {
		if cfg.Listener, err = Bind(ctx, cfg.Network, cfg.Addr); err != nil {
			return nil, err
		}
	}
	return newListener(ctx, cfg.Listener, cfg, cert), nil
}

// Bind opens a port and no more: clients that come wait for Listen. Its arguments are those
// of ListenConfig.
func Bind(ctx context.Context, network, addr string) (net.Listener, error) {
	if network == "" {
		network = "tcp"
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, network, addr)
	if err != nil {
		return nil, listenError(addr, err)
	}
	return ln, nil
}

// newListener takes over a socket that listens.
func newListener(ctx context.Context, ln net.Listener, cfg ListenConfig, cert tls.Certificate) *Listener {
	l := &Listener{
		cfg: cfg, ln: ln, accept: make(chan *Conn), asked: make(chan chan struct{}, 1), pulse: make(chan struct{}),
		tls: serverTLS(cert), new: newPending(cfg.Pending), no: make(chan struct{}, maxRefusals),
	}
	l.keys.Store(cfg.Keys)
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

// SetKeys has other keys open the door from now on. Whoever has come in by then is in. With
// NoAuth there are none, and there will be none.
func (l *Listener) SetKeys(r *keys.Ring) {
	if !l.cfg.NoAuth && r != nil {
		l.keys.Store(r)
	}
}

// Addr is where it listens.
func (l *Listener) Addr() netip.AddrPort { return addrPort(l.ln.Addr()) }

// Accept waits for the next control connection of a peer that has proved itself. After
// Close it returns ErrClosed.
func (l *Listener) Accept(ctx context.Context) (*Conn, error) {
	for {
		select {
		case c := <-l.accept:
			return c, nil
		case <-l.pulse: // whoever calls this lives
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-l.ctx.Done():
			return nil, ErrClosed
		}
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
		case errors.Is(err, os.ErrDeadlineExceeded):
			l.answer()
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
	in, out := l.new.enter(nc, time.Now())
	if out != nil {
		l.cfg.Logger.Info("too many unproved connections, closing one that goes no further", "peer", out.nc.RemoteAddr())
		_ = out.nc.Close() // its handshake ends by that
	}
	if in == nil {
		l.turnAway(nc)
		return
	}
	l.wg.Go(func() {
		defer l.new.leave(in)
		l.greet(in)
	})
}

// turnAway tells a client that there is no room, if there is room for that.
func (l *Listener) turnAway(nc net.Conn) {
	l.met(TurnedAway, time.Now())
	select {
	case l.no <- struct{}{}:
	default:
		_ = nc.Close()
		return
	}
	l.cfg.Logger.Info("too many unproved connections, turning one away", "peer", nc.RemoteAddr())
	l.wg.Go(func() {
		defer func() { <-l.no }()
		defer func() { _ = nc.Close() }()
		_ = nc.SetDeadline(time.Now().Add(lingerWait))
		l.bye(nc, wire.KindBye, wire.ByeBusy, "too many connections are just being made (--max-handshakes)")
	})
}

// greet finds out what a connection is. One deadline covers all of it, so a
// peer that says a byte a second gains nothing.
func (l *Listener) greet(u *unproved) {
	nc, came := u.nc, time.Now()
	_ = nc.SetDeadline(came.Add(l.cfg.Handshake))
	stop := onDone(l.ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	p, err := readPreamble(nc)
	l.new.step(u, time.Now())
	switch {
	case err != nil:
		l.refuse(nc, err, came)
	case p.Version != wire.Version:
		l.met(OtherVersion, came)
		l.refuseVersion(nc, p.Version)
	case p.Kind == wire.KindControl:
		l.prove(u, stop, came)
	case p.Kind == wire.KindData && l.cfg.Data != nil:
		l.cfg.Data(nc)
	default:
		l.met(Foreign, came)
		l.cfg.Logger.Info("a connection of a kind that none is expected of", "kind", string(p.Kind), "peer", nc.RemoteAddr())
		_ = nc.Close()
	}
}

// refuse closes a connection that is not ours; a browser is told.
func (l *Listener) refuse(nc net.Conn, err error, came time.Time) {
	defer func() { _ = nc.Close() }()
	l.cfg.Logger.Info("not a client", "peer", nc.RemoteAddr(), "error", err)
	var foreign *wire.ForeignError
	if !errors.As(err, &foreign) {
		l.met(BrokenOff, came)
		return
	}
	l.met(Foreign, came)
	if foreign.Speaks == "http" {
		_, _ = io.WriteString(nc, "HTTP/1.0 400 Bad Request\r\nConnection: close\r\n\r\nscp_rdma speaks its own protocol here\n")
		linger(nc)
	}
}

// refuseVersion answers in the one layout that all versions share.
func (l *Listener) refuseVersion(nc net.Conn, theirs uint16) {
	defer func() { _ = nc.Close() }()
	l.cfg.Logger.Info("another version", "peer", nc.RemoteAddr(), "version", theirs, "here", wire.Version)
	l.bye(nc, wire.KindControl, wire.ByeVersion, fmt.Sprintf(
		"the client speaks version %d, this server version %d: update the older one", theirs, wire.Version))
}

// bye says a last word to a client that is not let in, in the clear.
func (l *Listener) bye(nc net.Conn, kind byte, code uint16, text string) {
	out := wire.AppendPreamble(nil, wire.Preamble{Kind: kind, Version: wire.Version})
	out, err := wire.AppendMessage(out, &wire.Bye{Code: code, Text: text, Version: wire.Version})
	if err != nil {
		l.cfg.Logger.Error("no last word", "error", err)
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

// prove answers the preamble, has the client prove itself and gives the
// connection to Accept. stop disarms the listener's end for it.
func (l *Listener) prove(u *unproved, stop func(), came time.Time) {
	c, err := l.letIn(u, stop)
	l.met(outcomeOf(err), came)
	if err != nil {
		l.tell(u.nc, err)
		_ = u.nc.Close()
		return
	}
	l.new.leave(u) // however long it takes until somebody takes it
	l.hand(c)
}

func (l *Listener) letIn(u *unproved, stop func()) (*Conn, error) {
	nc := u.nc
	if _, err := nc.Write(preamble()); err != nil {
		return nil, err
	}
	tc, holder, err := proveServer(l.ctx, nc, l.tls, l.keys.Load(), func() { l.new.step(u, time.Now()) })
	stop()
	switch {
	case err != nil:
		return nil, err
	case l.ctx.Err() != nil:
		return nil, ErrClosed
	}
	// The handshake's deadline needs no clearing: Conn sets one of its own for each read and write.
	tune(nc, l.cfg.Timeout)
	return proved(tc, holder, l.cfg.Config)
}

// hand gives a connection to Accept.
func (l *Listener) hand(c *Conn) {
	wait := time.NewTimer(l.cfg.Handshake)
	defer wait.Stop()
	select {
	case l.accept <- c:
	case <-wait.C:
		l.cfg.Logger.Warn("nobody takes a connection, closing it", "peer", c.RemoteAddr())
		c.Abort()
	case <-l.ctx.Done():
		c.Abort()
	}
}
