package main

import (
	"context"
	"fmt"
	"io/fs"
	"time"

	"github.com/hashicorp/go-hclog"

	"scp_rdma/engine"
	"scp_rdma/localfs"
	"scp_rdma/wire"
)

// nowhere is where what is only listed would go: a name that no directory has.
const nowhere = "scp_rdma only lists"

// list shows what a host has, a line for each entry.
func list(ctx context.Context, e env, con *console, o *options, args []string, log hclog.Logger) error {
	if len(args) == 0 {
		return usagef("--list shows what a host has, as in: scp_rdma --list server:dir")
	}
	j, err := parseFetch(args, ".", false, false, o.ssh)
	if err != nil {
		return err
	}
	j = o.alias.meantIn(j)
	if err := j.far().fits(o); err != nil {
		return err
	}
	con.begin("connecting")
	defer con.end()
	root, err := localfs.OpenHost()
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // a directory handle: nothing is lost with it
	con.fetches(o.alias.called(j.far().host))
	there, err := reach(ctx, e, con, o, j, log)
	if err != nil {
		return err
	}
	defer func() { _ = there.close() }()
	ctx, done := there.bound(ctx)
	defer done()
	_, err = engine.Fetch(ctx, engine.FetchConfig{
		Server: there.at, Wait: o.wait, Transports: there.reg, RetryFor: -1, Encrypt: o.encrypt,
		Paths: j.paths(), Filter: o.selection.rules.Lines(), OneFS: o.selection.oneFS, Dry: true, Compare: wire.CompareNever,
		NewSink: func(so localfs.SinkOptions) (engine.Sink, error) { return sinkAt(root, "", so) },
		Target:  localfs.Target{Path: nowhere + "/"}, Seen: con.listed, Observer: lister{con}, Logger: log.Named("engine"),
	})
	con.end()
	if sig, ok := interrupted(ctx); ok && err != nil {
		return sig
	}
	if err == nil && con.failed() {
		return errPartial
	}
	return err
}

// listed prints an entry as ls -l would, but for its owner.
func (c *console) listed(path string, e *localfs.Entry) {
	at := time.Unix(e.Meta.MtimeSec, int64(e.Meta.MtimeNsec))
	if c.json {
		c.emit("entry", event{
			Path: path, Kind: kindWord(e.Kind), Bytes: &e.Size, Mode: fmt.Sprintf("%04o", e.Meta.Mode), Mtime: at.UTC().Format(time.RFC3339Nano), Link: e.Link,
		})
		return
	}
	mode := fs.FileMode(e.Meta.Mode & 0o777)
	switch e.Kind {
	case localfs.KindDir:
		mode |= fs.ModeDir
	case localfs.KindSymlink:
		mode |= fs.ModeSymlink
		path += " -> " + e.Link
	case localfs.KindFile, localfs.KindDirEnd:
	}
	c.above(fmt.Sprintf("%v %14d %s %s", mode, e.Size, at.Format("2006-01-02 15:04:05"), quote(path)))
}

// lister is a console that tells only of trouble.
type lister struct{ *console }

// Would implements engine.Observer: the entry was listed.
func (lister) Would(string, int64) {}

// Chosen implements engine.Observer: nothing goes over it.
func (lister) Chosen(string, []error) {}
