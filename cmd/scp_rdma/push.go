package main

import (
	"context"
	"errors"
	"net"
	"strconv"

	"github.com/hashicorp/go-hclog"

	"scp_rdma/control"
	"scp_rdma/engine"
	"scp_rdma/localfs"
)

// push sends the sources of a job.
func push(ctx context.Context, e env, o *options, j job, log hclog.Logger) error {
	con := newConsole(e, o)
	src, err := localfs.OpenSource(j.sources, localfs.SourceOptions{
		Follow: o.follow, Owners: o.owner, Xattrs: o.xattr, Logger: log.Named("source"),
		Problem: func(path string, err error) { con.Problem(engine.Problem{Path: path, Err: err}) },
	})
	if err != nil {
		return con.onlyIfNew(err)
	}
	defer func() { _ = src.Close() }() // read-only: closing has nothing left to report
	target, err := targetOf(j.to, o.exact, src.Tops())
	if err != nil {
		return err
	}
	for _, hint := range hints(j.to, src.Tops(), o.follow) {
		con.note(hint)
	}
	reg, err := clientTransports(ctx, o, j.to.host, log)
	if err != nil {
		return err
	}
	con.begin()
	report, err := engine.Send(ctx, engine.SendConfig{
		Network: o.network(), Addr: net.JoinHostPort(j.to.host, strconv.Itoa(int(o.port))),
		Transports: reg, Streams: o.streams, NoChecksum: o.unchecked,
		Source: src, Target: target, Owner: o.owner, NumericIDs: o.numeric, Xattr: o.xattr,
		Control: control.Config{Logger: log.Named("control")}, Observer: con, Logger: log.Named("engine"),
	})
	con.end()
	var sig signalError
	if errors.As(context.Cause(ctx), &sig) {
		err = sig
	}
	if err == nil || report.Files > 0 {
		con.summary(report, err == nil)
	}
	if err == nil && con.failed() {
		return errPartial
	}
	return err
}
