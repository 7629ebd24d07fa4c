package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"scp_rdma/control"
	"scp_rdma/engine"
	"scp_rdma/keys"
	"scp_rdma/localfs"
	"scp_rdma/transport"
)

// serve receives until it is stopped.
func serve(ctx context.Context, e env, con *console, o *options, log hclog.Logger) error {
	grant, err := o.grants()
	if err != nil {
		return err
	}
	s := e.heir
	if s == nil {
		if s, err = o.open(ctx, e); err == nil {
			if err = s.settle(e, con, o, log); err != nil {
				err = errors.Join(err, s.close())
			}
		}
	}
	if err != nil {
		return err
	}
	defer func() { _ = s.root.Close() }() // a directory handle: nothing is lost with it
	if err := s.countable(s.ring); err != nil {
		return errors.Join(err, s.ln.Close())
	}
	in, err := listen(ctx, o, s, log)
	if err != nil {
		return errors.Join(err, s.unseen())
	}
	l := newLive(o, s, in, con, log)
	defer l.close()
	con.say(in.says(o, s))
	for _, err := range in.whyNot {
		con.say("not " + reason(err))
	}
	if s.Words != "" {
		con.say(s.Words)
	}
	if o.noAuth {
		con.line("scp_rdma: WARNING: --no-auth: whoever reaches " + in.ln.Addr().String() + " may write into " + quote(o.dir) + ", unseen by name, and may pose as this server")
	}
	log.Info("serving", "address", in.ln.Addr(), "allow", o.allow, "once", o.once, "grace", o.grace)
	unwatch, err := s.watch(ctx, con, o, in, log)
	if err != nil {
		return errors.Join(err, in.ln.Close())
	}
	defer unwatch()
	seen := &arrivals{con: con}
	con.ask.begin(seen.tells)
	defer con.ask.end()
	defer context.AfterFunc(ctx, func() { seen.stopping(o.grace) })()
	observer, stop, err := supervise(ctx, seen, in.ln, o.grace, log)
	if err != nil {
		return errors.Join(err, in.ln.Close())
	}
	defer stop()
	err = s.receive(ctx, e, o, in, engine.ServeConfig{
		Grant: grant, Once: o.once, Grace: o.grace, Observer: observer, Quota: o.limits.all(o.authorized != ""), Admits: l.admits,
	}, l.serve, log)
	if sig, ok := interrupted(ctx); ok && errors.Is(err, engine.ErrCut) {
		con.note(err.Error())
		return sig
	}
	return err
}

// receive has run serve what was opened, as cfg says and the flags do.
func (s *estate) receive(ctx context.Context, e env, o *options, in *intake, cfg engine.ServeConfig, run func(context.Context, engine.ServeConfig) error, log hclog.Logger) error {
	st, forget, err := s.remember(ctx, e, o, log)
	if err != nil {
		return errors.Join(err, in.ln.Close())
	}
	defer forget()
	cfg.Listener, cfg.Transports, cfg.State, cfg.Encrypt, cfg.Limit = in.ln, in.reg, st, o.encrypt, o.limiter()
	cfg.NewSink = func(h keys.Holder, so localfs.SinkOptions) (engine.Sink, error) {
		so.SafeLinks = o.safeLinks
		return sinkAt(s.root, h.Dir, so)
	}
	cfg.Allowance = s.account
	cfg.NewSource = func(h keys.Holder, paths []string, so localfs.SourceOptions) (engine.Offer, error) {
		return s.root.SourceAt(h.Dir, paths, so)
	}
	if s.SSH != nil && s.SSH.Sends {
		s.sendsOnly(&cfg)
	}
	cfg.Addrs = func() []string { return reachable(in.ln.Addr()) }
	cfg.Describe = func(ctx context.Context) []byte { return describe(ctx, o, log) }
	cfg.Meter = in.meter
	cfg.Limits, cfg.Logger = o.limits.session(), log.Named("engine")
	return run(ctx, cfg)
}

// sinkAt makes a sink below a root, or one that only looks.
func sinkAt(root *localfs.Root, dir string, so localfs.SinkOptions) (engine.Sink, error) {
	s, err := root.SinkAt(dir, so)
	if err != nil || !so.Dry {
		return s, err
	}
	return localfs.Dry{Sink: s}, nil
}

// intake is a server's port, with what takes the data that comes to it.
type intake struct {
	ln     *control.Listener
	reg    *transport.Registry
	meter  *engine.Meter
	names  []string // of the transports that work now
	whyNot []error  // of those that don't
}

// listen takes in who comes to the port.
func listen(ctx context.Context, o *options, s *estate, log hclog.Logger) (*intake, error) {
	// Where data goes is known only when the port is; data comes only after
	// a session began, so nobody meets the gap.
	var take atomic.Pointer[func(net.Conn)]
	meter := engine.NewMeter()
	ln, err := control.Listen(ctx, control.ListenConfig{
		Listener: s.ln, Keys: s.ring, NoAuth: o.noAuth, Pending: o.limits.handshakes, Met: meter.Met,
		Config: control.Config{Handshake: o.limits.handshake, Timeout: o.timeout, Logger: log.Named("control")},
		Data: func(c net.Conn) {
			if t := take.Load(); t != nil {
				(*t)(c)
				return
			}
			_ = c.Close() // an uninvited guest
		},
	})
	if err != nil {
		return nil, errors.Join(err, s.ln.Close())
	}
	reg, handle, err := serverTransports(o, ln.Addr(), log)
	in := &intake{ln: ln, reg: reg, meter: meter}
	if err == nil {
		in.names, in.whyNot, err = usable(ctx, o, reg)
	}
	if err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	take.Store(&handle)
	return in, nil
}

// says is the line that tells where the server listens.
func (in *intake) says(o *options, s *estate) string {
	only := ""
	if o.encrypt {
		only = "encrypted data only; "
	}
	return fmt.Sprintf("listening on %v, receiving into %s (transports: %s; %s%s)",
		in.ln.Addr(), quote(s.Dir), strings.Join(in.names, ", "), only, s.Says)
}

// unbracket takes [ADDR] for ADDR.
func unbracket(addr string) string {
	if strings.HasPrefix(addr, "[") && strings.HasSuffix(addr, "]") {
		return addr[1 : len(addr)-1]
	}
	return addr
}

// arrivals says what comes and goes on a server.
type arrivals struct {
	guests
	con     *console
	running atomic.Int64
}

var _ engine.ServeObserver = (*arrivals)(nil)

// Started implements engine.ServeObserver.
func (a *arrivals) Started(s engine.SessionInfo) {
	a.running.Add(1)
	a.come(s)
	a.con.say(fmt.Sprintf("%s: session %s begins, %s %s", who(s), s.ID, way(s), quote(s.Target)))
}

// Ended implements engine.ServeObserver.
func (a *arrivals) Ended(s engine.SessionInfo, r engine.Report, err error) {
	a.running.Add(-1)
	a.leave(s)
	line := fmt.Sprintf("%s: session %s ends, %s %s: %s", who(s), s.ID, way(s), quote(s.Target), counts(&r))
	if r.Skipped > 0 {
		line += ", " + plural(r.Skipped, "file was", "files were") + " there already"
	}
	if r.Failed > 0 {
		line += ", not copied: " + plural(r.Failed, "entry", "entries")
	}
	if err != nil {
		line += "; failed: " + errorLine(err)
	}
	a.con.say(line)
}

// way says which way a session's files go.
func way(s engine.SessionInfo) string {
	if s.Sends {
		return "from"
	}
	return "into"
}

// who names the client of a session.
func who(s engine.SessionInfo) string {
	if s.Name == "" {
		return s.Peer
	}
	return quote(s.Name) + "@" + s.Peer
}

// stopping tells a person that waits why a server is still there.
func (a *arrivals) stopping(grace time.Duration) {
	if n := a.running.Load(); n > 0 && grace > 0 {
		a.con.note(fmt.Sprintf("stopping: %s may go on for %v; a second signal ends at once", plural(uint64(n), "session", "sessions"), grace))
	}
}
