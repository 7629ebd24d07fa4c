package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"

	"scp_rdma/control"
	"scp_rdma/engine"
	"scp_rdma/localfs"
)

// serve receives until it is stopped.
func serve(ctx context.Context, e env, o *options, log hclog.Logger) error {
	grant, err := o.grants()
	if err != nil {
		return err
	}
	root, err := localfs.OpenRoot(o.dir, true)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // a directory handle: nothing is lost with it
	// Data connections can come only after a session began, so after take is set.
	var take atomic.Pointer[func(net.Conn)]
	ln, err := control.Listen(ctx, control.ListenConfig{
		Network: o.network(), Addr: net.JoinHostPort(o.bind, strconv.Itoa(int(o.port))),
		Config: control.Config{Logger: log.Named("control")},
		Data: func(c net.Conn) {
			if t := take.Load(); t != nil {
				(*t)(c)
				return
			}
			_ = c.Close()
		},
	})
	if err != nil {
		return err
	}
	reg, handle, err := serverTransports(o, ln.Addr(), log)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	take.Store(&handle)
	con := newConsole(e, o)
	dir, err := filepath.Abs(o.dir)
	if err != nil {
		dir = o.dir
	}
	con.say(fmt.Sprintf("listening on %v, receiving into %s (transports: %v); anyone who can reach it may write there", ln.Addr(), quote(dir), reg.Names()))
	err = engine.Serve(ctx, engine.ServeConfig{
		Listener: ln, Transports: reg, Grant: grant, Once: o.once, Grace: o.grace,
		NewSink:  func(so localfs.SinkOptions) (engine.Sink, error) { return root.Sink(so), nil },
		Observer: arrivals{con}, Logger: log.Named("engine"),
	})
	var sig signalError
	if errors.Is(err, engine.ErrCut) && errors.As(context.Cause(ctx), &sig) {
		con.note("stopped while sessions were running: their clients were told")
		return sig
	}
	return err
}

// arrivals says what comes and goes on a server.
type arrivals struct{ con *console }

// Started implements engine.ServeObserver.
func (a arrivals) Started(s engine.SessionInfo) {
	a.con.say(fmt.Sprintf("%s: session %s begins, into %s", s.Peer, s.ID, quote(s.Target)))
}

// Ended implements engine.ServeObserver.
func (a arrivals) Ended(s engine.SessionInfo, r engine.Report, err error) {
	line := fmt.Sprintf("%s: session %s: %s", s.Peer, s.ID, counts(&r))
	if r.Failed > 0 {
		line += ", " + plural(r.Failed, "entry", "entries") + " could not be had"
	}
	if err != nil {
		line += "; ended early: " + quote(err.Error())
	}
	a.con.say(line)
}
