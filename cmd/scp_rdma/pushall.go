package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"scp_rdma/engine"
	"scp_rdma/localfs"
)

// oneTarget is one of several targets of a run.
type oneTarget struct {
	job    job
	o      *options // as they hold for its host
	con    *console
	view   *engine.View
	there  far
	target localfs.Target

	mu       sync.Mutex
	snapshot func() engine.Snapshot // nil: it has not begun
	report   *engine.Report
	err      error
}

// pushToAll sends the same sources to several targets, and reads them once.
func pushToAll(ctx context.Context, e env, con *console, o *options, args []string, log hclog.Logger) error {
	jobs, err := parseTargets(args, o)
	if err != nil {
		return err
	}
	con.begin("looking at the sources")
	defer con.end()
	defer context.AfterFunc(ctx, con.stopping)()
	only, sources, err := o.selection.only(e, args)
	if err != nil {
		return err
	}
	src, err := o.openSources(con, sources, only, false, log)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }() // only read from: nothing is lost with it
	for _, hint := range sourceHints(src.Tops()) {
		con.note(hint)
	}
	fan, err := engine.NewFan(src, len(jobs), func() (engine.Source, error) { return o.openSources(con, sources, only, true, log) })
	if err != nil {
		return err
	}
	defer func() { _ = fan.Close() }() // what it kept of what was read
	list, err := o.allTargets(con, jobs, fan, src.Tops())
	if err != nil {
		return err
	}
	gone, err := o.leave(con, src, len(list))
	if err != nil {
		return err
	}
	defer func() { _ = gone.close() }() // of what came to nothing
	reachAll(ctx, e, con, list, log)
	sendToAll(ctx, con, list, gone, log)
	con.end()
	return conclude(ctx, con, list, gone)
}

// allTargets are the targets, with what holds for each one's host.
func (o *options) allTargets(con *console, jobs []job, fan *engine.Fan, tops []localfs.Top) ([]*oneTarget, error) {
	var list []*oneTarget
	for i, j := range jobs {
		n, _, err := o.again(o.texts, false, j.to.host)
		if err != nil {
			return nil, err
		}
		n.texts, n.targets.share = o.texts, len(jobs)
		j = n.alias.meantIn(j)
		if err := j.far().fits(n); err != nil {
			return nil, err
		}
		t := &oneTarget{job: j, o: n, con: con.forTarget(o.targets.list[i], n), view: fan.Views()[i]}
		for _, hint := range destinationHints(j.to, j.to.overSSH(n)) {
			t.con.note(hint)
		}
		if t.target, err = targetOf(j.to, n.exact, tops); err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	return list, nil
}

// reachAll finds the servers, one after the other: ssh may ask for a password.
func reachAll(ctx context.Context, e env, con *console, list []*oneTarget, log hclog.Logger) {
	for _, t := range list {
		con.title("connecting to " + quote(t.job.to.host))
		if t.there, t.err = reach(ctx, e, t.con, t.o, t.job, log); t.err != nil {
			t.view.Leave()
		}
	}
}

// sendToAll runs the transfers, all at once.
func sendToAll(ctx context.Context, con *console, list []*oneTarget, gone *leaving, log hclog.Logger) {
	con.Watch(func() engine.Snapshot {
		var all []func() engine.Snapshot
		for _, t := range list {
			t.mu.Lock()
			if t.snapshot != nil {
				all = append(all, t.snapshot)
			}
			t.mu.Unlock()
		}
		return sum(all)
	})
	var wg sync.WaitGroup
	for i, t := range list {
		if t.err != nil {
			continue
		}
		wg.Go(func() {
			defer func() { _ = t.there.close() }()
			defer t.view.Leave()
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			t.view.Bind(ctx)
			t.report, t.err = sendTo(ctx, t.con, t.o, t.there, t.view, t.target, gone.of(i), log.With("target", t.con.target))
		})
	}
	wg.Wait()
}

// conclude says what came of each, and removes what all have.
func conclude(ctx context.Context, con *console, list []*oneTarget, gone *leaving) error {
	var all, first []error
	for _, t := range list {
		err := settle(ctx, t.con, t.report, t.err)
		if err != nil {
			first = append(first, err)
		}
		if err == nil || errors.Is(err, errPartial) {
			continue
		}
		for _, line := range errorLines(err) {
			t.con.line("scp_rdma: " + line)
		}
		all = append(all, toldError{err})
	}
	con.said()
	late := gone.end(ctx, len(first) == 0)
	if late != nil && !errors.Is(late, errPartial) {
		con.line("scp_rdma: " + errorLine(late))
		late = toldError{late}
	}
	if len(all) == 0 && (len(first) > 0 || con.failed() || con.left.stays.total() > 0) {
		all = append(all, errPartial)
	}
	return errors.Join(append(all, late)...)
}

// leaving has sources go that all targets have (--remove-source-files).
type leaving struct {
	con     *console
	src     *localfs.Source
	clear   *localfs.Clearance // nil: nothing is removed
	mu      sync.Mutex
	spoiled bool // a target began anew: who had what is not known any more
}

// leave prepares it for so many targets.
func (o *options) leave(con *console, src *localfs.Source, n int) (*leaving, error) {
	l := &leaving{con: con, src: src}
	if !o.meta.remove || o.dry {
		return l, nil
	}
	var err error
	l.clear, err = src.Clearance(n)
	return l, err
}

func (l *leaving) close() error {
	if l.clear == nil {
		return nil
	}
	return l.clear.Close()
}

// of is who is told of what a target has; nil: nobody needs to be.
func (l *leaving) of(int) engine.Settler {
	if l.clear == nil {
		return nil
	}
	return &leavingOf{l: l}
}

// leavingOf is one target's part in it.
type leavingOf struct {
	l     *leaving
	begun time.Time
}

// Begin implements engine.Settler.
func (p *leavingOf) Begin() {
	p.l.mu.Lock()
	defer p.l.mu.Unlock()
	p.l.spoiled = p.l.spoiled || !p.begun.IsZero()
	p.begun = time.Now()
}

// Settled implements engine.Settler.
func (p *leavingOf) Settled(e *localfs.Entry, s engine.Settlement) {
	p.l.mu.Lock()
	begun, spoiled := p.begun, p.l.spoiled
	p.l.mu.Unlock()
	if spoiled {
		return
	}
	err := mayGo(e, s.How, begun)
	if err == nil {
		err = p.l.clear.Have(e)
	}
	if err != nil {
		p.l.con.stays(p.l.src.Path(e), err)
	}
}

// end removes what all have, if all went well.
func (l *leaving) end(ctx context.Context, well bool) error {
	switch {
	case l.clear == nil:
		return nil
	case !well:
		l.con.note("nothing was removed here, because not every target has everything")
		return nil
	case l.spoiled:
		l.con.note("nothing was removed here, because a server was lost meanwhile: the same command with --checksum does it")
		return errPartial
	}
	n, err := l.clear.Remove(ctx, l.con.stays)
	l.con.removed(n)
	for _, line := range l.con.left.lines(false) {
		l.con.say(line)
	}
	if err != nil {
		return fmt.Errorf("remove sources: %w", err)
	}
	return nil
}
