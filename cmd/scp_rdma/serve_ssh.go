package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
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
	s := e.heir
	if s == nil {
		q, err := overssh.ReadRequest(e.stdin)
		if err != nil {
			return err
		}
		s = &estate{papers: papers{SSH: &q}}
	}
	e.stdout = e.stderr // the pipe is not for people
	o.asked(s.SSH)
	con := newConsole(e, o)
	log := newLog(con, o).Named("there")
	in, err := s.serveWhat(ctx, e, con, o, log)
	if err != nil {
		bye := engine.ByeFor(err)
		return overssh.Reply(e.pipe, overssh.Answer{Version: wire.Version, Code: bye.Code, Error: bye.Text})
	}
	defer func() { _ = s.root.Close() }() // a directory handle: nothing is lost with it
	err = overssh.Reply(e.pipe, overssh.Answer{
		Version: wire.Version, Port: in.ln.Addr().Port(), Addrs: reachable(in.ln.Addr()),
		Path: []byte(s.Rest), Dir: []byte(s.root.Path()),
	})
	if err != nil {
		return errors.Join(err, in.ln.Close())
	}
	return s.serveOne(ctx, e, con, o, in, log)
}

// asked are the options as a client wants them.
func (o *options) asked(q *overssh.Request) {
	o.server, o.quiet, o.verbose = true, q.Verbose == 0, q.Verbose
	o.encrypt = q.Encrypt
	if q.Timeout > 0 {
		o.timeout = max(time.Duration(q.Timeout), minTimeout)
	}
}

// serveWhat opens what the client asks for, unless that is done, and listens.
func (s *estate) serveWhat(ctx context.Context, e env, con *console, o *options, log hclog.Logger) (*intake, error) {
	if s.ln == nil {
		if err := s.openFor(ctx, o); err != nil {
			return nil, err
		}
		if err := s.settle(e, con, o, log); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	in, err := listen(ctx, o, s, log)
	if err != nil {
		return nil, errors.Join(err, s.root.Close())
	}
	return in, nil
}

// openFor opens the directory and the port, for the session's key.
func (s *estate) openFor(ctx context.Context, o *options) error {
	q := s.SSH
	key, err := keys.Parse(q.Key)
	switch {
	case err != nil:
		return fmt.Errorf("the session's key: %w", err)
	case q.Version != wire.Version:
		return fmt.Errorf("the client speaks version %d, this end version %d: update the older one: %w", q.Version, wire.Version, control.ErrVersion)
	}
	s.ring = keys.Single("", key)
	if q.Sends {
		s.root, err = localfs.OpenHost()
	} else {
		s.root, s.Rest, err = localfs.OpenNearest(".", string(q.Path), q.Exact)
	}
	if err != nil {
		return err
	}
	s.Path = s.root.Path()
	if s.ln, err = o.bindIn(ctx, q.Ports); err != nil {
		return errors.Join(err, s.root.Close())
	}
	return nil
}

// sendsOnly has a server send what its own user may read: paths are as they are for scp,
// from the home directory on.
func (s *estate) sendsOnly(cfg *engine.ServeConfig) {
	cfg.NewSink = func(keys.Holder, localfs.SinkOptions) (engine.Sink, error) {
		return nil, usagef("this end was started to send")
	}
	cfg.NewSource = func(_ keys.Holder, paths []string, so localfs.SourceOptions) (engine.Offer, error) {
		home, err := os.Getwd()
		if err != nil {
			return nil, fmt.Errorf("home directory: %w", err)
		}
		so.Typed = func(typed string) string { return withoutUps(fromHome(home, typed)) }
		return s.root.SourceAt("", paths, so)
	}
}

// fromHome is a path as scp takes it, from the top.
func fromHome(home, typed string) string {
	switch {
	case strings.HasPrefix(typed, "/"):
		return typed
	case typed == "~":
		typed = ""
	case strings.HasPrefix(typed, "~/"):
		typed = typed[2:]
	}
	if typed == "" {
		typed = "."
	}
	return strings.TrimSuffix(home, "/") + "/" + typed
}

// withoutUps is a path without "..", as far as names tell: behind a link it may have meant
// another directory.
func withoutUps(p string) string {
	if !slices.Contains(strings.Split(p, "/"), "..") {
		return p
	}
	clean := path.Clean(p)
	if strings.HasSuffix(p, "/") && clean != "/" {
		clean += "/"
	}
	return clean
}

// bindIn opens the first port of a range that is free.
func (o *options) bindIn(ctx context.Context, ports overssh.Ports) (net.Listener, error) {
	for port := ports.From; ; port++ {
		ln, err := o.bindTo(ctx, port)
		if err == nil || !errors.Is(err, syscall.EADDRINUSE) || port >= ports.To {
			return ln, err
		}
	}
}

// serveOne takes the session, and ends with it or with the pipe.
func (s *estate) serveOne(ctx context.Context, e env, con *console, o *options, in *intake, log hclog.Logger) error {
	to := net.JoinHostPort("127.0.0.1", strconv.Itoa(int(in.ln.Addr().Port())))
	p, err := overssh.Serve(ctx, e.stdin, e.pipe, to, log.Named("ssh"))
	if err != nil {
		return errors.Join(err, in.ln.Close())
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
	seen := &once{done: cancel}
	con.ask.begin(seen.tells)
	defer con.ask.end()
	own := os.Geteuid() == 0
	err = s.receive(ctx, e, o, in, engine.ServeConfig{
		// It is the user's own session, with the user's own rights.
		Grant:    localfs.SinkOptions{Owner: own, Special: true, Xattr: true, AllXattr: own, ACL: true},
		Observer: seen, Quota: o.limits.all(false),
	}, engine.Serve, log)
	if why := context.Cause(ctx); errors.Is(err, engine.ErrCut) && (errors.Is(why, errPipe) || errors.Is(why, errServed)) {
		return nil // the client is gone, or done
	}
	return err
}

// once ends a server after the first session that was done. One that broke off comes
// again, as long as the pipe is there.
type once struct {
	guests
	done context.CancelCauseFunc
}

var _ engine.ServeObserver = (*once)(nil)

// Started implements engine.ServeObserver.
func (n *once) Started(s engine.SessionInfo) { n.come(s) }

// Ended implements engine.ServeObserver.
func (n *once) Ended(s engine.SessionInfo, _ engine.Report, err error) {
	n.leave(s)
	if err == nil {
		n.done(errServed)
	}
}

// stdio is what a run may speak over where it is the other end of somebody's ssh.
type stdio struct {
	stdin io.ReadCloser
	pipe  io.WriteCloser // stdout
}
