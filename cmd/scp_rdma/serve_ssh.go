package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"scp_rdma/control"
	"scp_rdma/engine"
	"scp_rdma/keys"
	"scp_rdma/localfs"
	"scp_rdma/overssh"
	"scp_rdma/wire"
)

var (
	// errPipe: the client that had this end started is gone.
	errPipe = errors.New("ssh has ended")
	// errServed: its session is done.
	errServed = errors.New("the session is done")
)

// serveOverSSH receives for the client at the other end of stdin and stdout, below what
// the path it names means to the user that runs this.
func serveOverSSH(ctx context.Context, e env, o *options) error {
	if e.stdin == nil {
		return usagef("--over-ssh is for what a client starts by ssh")
	}
	q, err := overssh.ReadRequest(e.stdin)
	if err != nil {
		return err
	}
	e.stdout = e.stderr // the pipe is not for people
	o.server, o.quiet, o.verbose = true, q.Verbose == 0, q.Verbose
	o.encrypt = q.Encrypt
	if q.Timeout > 0 {
		o.timeout = max(time.Duration(q.Timeout), minTimeout)
	}
	con := newConsole(e, o)
	log := newLog(con, o).Named("there")
	s, err := o.openForSSH(ctx, q, log)
	if err != nil {
		bye := engine.ByeFor(err)
		return overssh.Reply(e.pipe, overssh.Answer{Version: wire.Version, Code: bye.Code, Error: bye.Text})
	}
	err = overssh.Reply(e.pipe, overssh.Answer{
		Version: wire.Version, Port: s.in.ln.Addr().Port(), Addrs: reachable(s.in.ln.Addr()),
		Path: []byte(s.rest), Dir: []byte(s.root.Path()),
	})
	if err != nil {
		return errors.Join(err, s.in.ln.Close(), s.root.Close())
	}
	return s.serve(ctx, e, con, o, log)
}

// overSSH is what one client gets.
type overSSH struct {
	root *localfs.Root
	rest string // of the path, below it
	in   *intake
}

// openForSSH opens the directory and the port.
func (o *options) openForSSH(ctx context.Context, q overssh.Request, log hclog.Logger) (*overSSH, error) {
	key, err := keys.Parse(q.Key)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the session's key: %w", err)
	case q.Version != wire.Version:
		return nil, fmt.Errorf("the client speaks version %d, this end version %d: update the older one: %w", q.Version, wire.Version, control.ErrVersion)
	}
	root, rest, err := localfs.OpenNearest(".", string(q.Path), q.Exact)
	if err != nil {
		return nil, err
	}
	in, err := o.listenIn(ctx, q.Ports, door{ring: keys.Single("", key)}, log)
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return &overSSH{root, rest, in}, nil
}

// listenIn listens on the first port of a range that is free.
func (o *options) listenIn(ctx context.Context, ports overssh.Ports, d door, log hclog.Logger) (in *intake, err error) {
	for port := ports.From; ; port++ {
		o.port = port
		in, err = listen(ctx, o, d, log)
		if err == nil || !errors.Is(err, syscall.EADDRINUSE) || port >= ports.To {
			return in, err
		}
	}
}

// serve takes the session, and ends with it or with the pipe.
func (s *overSSH) serve(ctx context.Context, e env, con *console, o *options, log hclog.Logger) error {
	defer func() { _ = s.root.Close() }() // a directory handle: nothing is lost with it
	st, forget, err := settleIn(ctx, e, con, o, nil, s.root, log)
	if err != nil {
		return errors.Join(err, s.in.ln.Close())
	}
	defer forget()
	to := net.JoinHostPort("127.0.0.1", strconv.Itoa(int(s.in.ln.Addr().Port())))
	p, err := overssh.Serve(ctx, e.stdin, e.pipe, to, log.Named("ssh"))
	if err != nil {
		return errors.Join(err, s.in.ln.Close())
	}
	defer func() { _ = p.Close() }()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() { // ends with ctx
		select {
		case <-p.Ended():
			cancel(errPipe)
		case <-ctx.Done():
		}
	}()
	own := os.Geteuid() == 0
	err = engine.Serve(ctx, engine.ServeConfig{
		Listener: s.in.ln, Transports: s.in.reg, Encrypt: o.encrypt,
		// It is the user's own session, with the user's own rights.
		Grant:   localfs.SinkOptions{Owner: own, Special: true, Xattr: true, AllXattr: own},
		NewSink: func(_ keys.Holder, so localfs.SinkOptions) (engine.Sink, error) { return s.root.SinkAt("", so) },
		State:   st, Addrs: func() []string { return reachable(s.in.ln.Addr()) },
		Describe: func(ctx context.Context) []byte { return describe(ctx, o, log) },
		Limits:   o.limits.session(), Quota: o.limits.all(false),
		Observer: once{cancel}, Logger: log.Named("engine"),
	})
	if why := context.Cause(ctx); errors.Is(err, engine.ErrCut) && (errors.Is(why, errPipe) || errors.Is(why, errServed)) {
		return nil // the client is gone, or done
	}
	return err
}

// once ends a server after the first session that was done. One that broke off comes
// again, as long as the pipe is there.
type once struct{ done context.CancelCauseFunc }

var _ engine.ServeObserver = once{}

// Started implements engine.ServeObserver.
func (once) Started(engine.SessionInfo) {}

// Ended implements engine.ServeObserver.
func (n once) Ended(_ engine.SessionInfo, _ engine.Report, err error) {
	if err == nil {
		n.done(errServed)
	}
}

// stdio is what a run may speak over where it is the other end of somebody's ssh.
type stdio struct {
	stdin io.ReadCloser
	pipe  io.WriteCloser // stdout
}
