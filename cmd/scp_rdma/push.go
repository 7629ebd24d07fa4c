package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/go-hclog"

	"scp_rdma/engine"
	"scp_rdma/localfs"
)

// push sends the sources of a job.
func push(ctx context.Context, e env, con *console, o *options, j job, log hclog.Logger) error {
	for _, hint := range destinationHints(j.to, j.to.overSSH(o)) {
		con.note(hint)
	}
	con.begin("looking at the sources")
	defer con.end()
	defer context.AfterFunc(ctx, con.stopping)()
	if j.stream {
		return pushStdin(ctx, e, con, o, j, log)
	}
	only, sources, err := o.selection.only(e, j.sources)
	if err != nil {
		return err
	}
	src, err := o.openSources(con, sources, only, false, log)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }() // only read from: nothing is lost with it
	target, err := targetOf(j.to, o.exact, src.Tops())
	if err != nil {
		return err
	}
	for _, hint := range sourceHints(src.Tops()) {
		con.note(hint)
	}
	then, err := o.after(e, con, src)
	if err != nil {
		return err
	}
	defer func() { _ = then.close() }() // of what came to nothing
	report, err := send(ctx, e, con, o, j, src, target, then, log)
	late := then.end(ctx, err)
	con.end()
	return worse(settle(ctx, con, report, err), late)
}

// openSources opens what is sent. What can't be had is told; again: unless it was before.
func (o *options) openSources(con *console, sources []string, only *localfs.Only, again bool, log hclog.Logger) (*localfs.Source, error) {
	walking := false
	src, err := localfs.OpenSource(sources, localfs.SourceOptions{
		Exclude: o.selection.exclude(), Only: only, OneFS: o.selection.oneFS,
		Follow: o.follow, Owners: o.owner, Xattrs: o.xattr, ACLs: o.meta.acls, Chmod: o.meta.modes.change(), Direct: directs()[o.direct], Logger: log.Named("source"),
		SafeLinks: o.safeLinks, Outside: con.leadsOutside,
		Problem: func(path string, err error) {
			p := engine.Problem{Path: path, Err: err}
			switch {
			case again && con.told(p):
				return
			case !walking:
				con.missing(path, err)
				return
			}
			con.Problem(p)
		},
	})
	walking = true
	return src, err
}

// send runs the transfer. The report is nil if it did not begin.
func send(ctx context.Context, e env, con *console, o *options, j job, src engine.Source, target localfs.Target, then *after, log hclog.Logger) (*engine.Report, error) {
	there, err := reach(ctx, e, con, o, j, log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = there.close() }()
	return sendTo(ctx, con, o, there, src, target, then.settler(), log)
}

// sendTo runs the transfer to a server that is known.
func sendTo(ctx context.Context, con *console, o *options, there far, src engine.Source, target localfs.Target, settler engine.Settler, log hclog.Logger) (*engine.Report, error) {
	target.Path = there.path
	ctx, done := there.bound(ctx)
	defer done()
	log.Info("sending", "to", there.at.Addr, "path", target.Path, "transports", there.reg.Names(), "rails", o.rails)
	report, err := engine.Send(ctx, engine.SendConfig{
		Server: there.at, Wait: o.wait, Transports: there.reg, EveryRail: len(o.rails) > 0, RetryFor: o.retry(), Streams: o.streams, StreamsPerRail: o.perRail, Slots: o.slots, SlotSize: int(o.size), Memory: o.targets.memory(), NoChecksum: o.unchecked, Encrypt: o.encrypt, Limit: o.limiter(),
		Source: src, Target: target, Owner: o.owner, NumericIDs: o.numeric, Xattr: o.xattr, ACL: o.meta.acls, SetUser: o.meta.chown.User, SetGroup: o.meta.chown.Group,
		Fsync: o.fsync || o.meta.remove, Touch: o.meta.remove, Digest: o.meta.digest(), Settler: settler,
		Compare: o.compare(), ModifyWindow: o.within, Verify: o.verify || o.meta.remove, Choose: o.choose(), Backup: o.backups(), Dry: o.dry, Delete: o.deletion(func() bool { return !con.failed() }),
		Observer: con, Logger: log.Named("engine"),
	})
	if remote := (*engine.RemoteError)(nil); errors.As(err, &remote) && there.dir != "" {
		err = fmt.Errorf("%w (below %s there)", err, there.dir)
	}
	return report, err
}

// settle prints the summary and says what a transfer ended with.
func settle(ctx context.Context, con *console, r *engine.Report, err error) error {
	// A signal that came after the last confirmation has interrupted nothing.
	if sig, ok := interrupted(ctx); ok && err != nil {
		err = sig
	}
	if r != nil && (err == nil || r.Files > 0 || r.Skipped > 0 || travelled(r) > 0) {
		con.summary(r, err == nil)
	}
	if r != nil && err == nil && r.Unverified > 0 {
		return fmt.Errorf("%s: what the server's disk gives back is not what was written to it: %w", plural(r.Unverified, "file", "files"), engine.ErrVerify)
	}
	if r != nil && err == nil && (con.failed() || con.left.stays.total() > 0 || r.Failed > 0) {
		return errPartial
	}
	return err
}

var _ engine.Observer = (*console)(nil)
