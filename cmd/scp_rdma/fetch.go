package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/hashicorp/go-hclog"

	"scp_rdma/engine"
	"scp_rdma/localfs"
)

// fetch has a host send what a job names, and puts it where the job says.
func fetch(ctx context.Context, e env, con *console, o *options, j job, log hclog.Logger) error {
	from := j.far()
	if a := bareIPv6(from); a != "" {
		con.note(fmt.Sprintf("the host is %s; an IPv6 address is written [%s]:", quote(from.host), quote(a)))
	}
	switch {
	case o.follow && o.typed["follow"]:
		return usagef("-L is for sending: what is fetched comes as it is, symlinks as symlinks")
	case o.selection.from != "":
		return usagef("--files-from is for sending: name what is to be fetched")
	case o.meta.remove:
		return usagef("--remove-source-files is for sending: what is fetched from a server is not a client's to remove")
	case o.direct != "auto" && o.typed["direct"]:
		return usagef("--direct is for sending: the server reads as it likes")
	}
	if j.stream {
		return fetchToStdout(ctx, e, con, o, j, log)
	}
	con.begin("connecting")
	defer con.end()
	defer context.AfterFunc(ctx, con.stopping)()
	root, rest, err := localfs.OpenNearest(".", literal(j.into), o.exact)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // a directory handle: nothing is lost with it
	s := &estate{root: root}
	if _, err := s.remembersIn(e, con, o); err != nil {
		return err
	}
	st, forget, err := s.remember(ctx, e, o, log)
	if err != nil {
		return err
	}
	defer forget()
	con.fetches(o.alias.called(from.host))
	then, err := o.after(e, con, nil)
	if err != nil {
		return err
	}
	defer func() { _ = then.close() }() // of what came to nothing
	log.Info("fetching", "into", root.Path())
	report, err := fetchInto(ctx, e, con, o, j, engine.FetchConfig{
		Target: localfs.Target{Path: rest, Exact: o.exact}, State: st,
		NewSink: func(so localfs.SinkOptions) (engine.Sink, error) { return sinkAt(root, "", so) },
	}, then, log)
	late := then.end(ctx, err)
	con.end()
	return worse(settle(ctx, con, report, err), late)
}

// literal is a path of this host in which the shell has left nothing to mean more than it says.
func literal(path string) string {
	if strings.HasPrefix(path, "~") {
		return "./" + path
	}
	return path
}

// fetchInto runs the transfer to the place that cfg has. The report is nil if it did not begin.
func fetchInto(ctx context.Context, e env, con *console, o *options, j job, cfg engine.FetchConfig, then *after, log hclog.Logger) (*engine.Report, error) {
	there, err := reach(ctx, e, con, o, j, log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = there.close() }()
	ctx, done := there.bound(ctx)
	defer done()
	paths := j.paths()
	log.Info("fetching", "from", there.at.Addr, "paths", paths, "transports", there.reg.Names(), "rails", o.rails)
	own := os.Geteuid() == 0
	report, err := engine.Fetch(ctx, engine.FetchConfig{
		Server: there.at, Wait: o.wait, Transports: there.reg, EveryRail: len(o.rails) > 0, RetryFor: o.retry(), Streams: o.streams, StreamsPerRail: o.perRail, Slots: o.slots, SlotSize: int(o.size), NoChecksum: o.unchecked, Encrypt: o.encrypt, Limit: o.limiter(),
		Paths: paths, Filter: o.selection.rules.Lines(), OneFS: o.selection.oneFS,
		Target: cfg.Target, State: cfg.State, NewSink: cfg.NewSink, Out: cfg.Out,
		// Programs that run as another user are not made at a server's word, unless owners
		// are asked for too.
		Options: localfs.SinkOptions{
			Owner: o.owner, NumericIDs: o.numeric, Special: o.owner, Xattr: o.xattr, AllXattr: o.xattr && own, ACL: o.meta.acls, Chown: o.meta.chown.granted(), Fsync: o.fsync, SafeLinks: o.safeLinks, Backup: o.backups(),
		},
		Compare: o.compare(), ModifyWindow: o.within, Verify: o.verify, Choose: o.choose(), Dry: o.dry, Delete: o.deletion(nil),
		Chmod: o.meta.modes.change(), Digest: o.meta.digest(), Settler: then.settler(),
		Observer: con, Logger: log.Named("engine"),
	})
	if errors.Is(err, engine.ErrUnasked) {
		err = fmt.Errorf("%s: %w", quote(there.at.Addr), err)
	}
	return report, err
}
