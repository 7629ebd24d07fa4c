package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"scp_rdma/engine"
	"scp_rdma/localfs"
)

// after is what follows a transfer: the report of what is there, the removal of what was
// sent. It is told of each entry meanwhile.
type after struct {
	con   *console
	sum   string             // of what the report has
	told  bool               // --json: each file is told
	src   *localfs.Source    // nil: it is fetched
	clear *localfs.Clearance // nil: nothing is removed

	mu     sync.Mutex
	report *reportFile // nil: none
	begun  time.Time   // the session
}

var _ engine.Settler = (*after)(nil)

// after prepares what the flags ask for. src is what is sent, nil where it is fetched.
func (o *options) after(e env, con *console, src *localfs.Source) (*after, error) {
	a := &after{con: con, src: src, sum: o.meta.sum, told: o.json && o.meta.report != ""}
	var err error
	if o.meta.remove && !o.dry {
		if a.clear, err = src.Clearance(1); err != nil {
			return nil, err
		}
	}
	if o.meta.report != "" {
		if a.report, err = openReport(o.meta.report, e.stdout); err != nil {
			return nil, errors.Join(err, a.close())
		}
	}
	return a, nil
}

// settler is who is told; nil: nobody needs to be.
func (a *after) settler() engine.Settler {
	if a.clear == nil && a.report == nil {
		return nil
	}
	return a
}

// close forgets what was not brought to an end.
func (a *after) close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.report != nil {
		a.report.drop()
		a.report = nil
	}
	if a.clear == nil {
		return nil
	}
	return a.clear.Close()
}

// Begin implements engine.Settler.
func (a *after) Begin() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.begun = time.Now()
	if a.report != nil {
		a.report.begin()
	}
	if a.clear != nil {
		a.con.forgetStays()
		a.clear.Reset()
	}
}

// Settled implements engine.Settler.
func (a *after) Settled(e *localfs.Entry, s engine.Settlement) {
	a.mu.Lock()
	if a.report != nil && len(s.Digest) > 0 {
		a.report.add(s.Path, s.Digest)
	}
	begun := a.begun
	a.mu.Unlock()
	switch file := e.Kind == localfs.KindFile; {
	case a.told && len(s.Digest) > 0:
		a.con.emit("file", event{Path: s.Path, Bytes: &e.Size, Sum: hex.EncodeToString(s.Digest), SumKind: a.sum})
	case a.report != nil && file && s.How != engine.HowThere && len(s.Digest) == 0:
		a.con.Problem(engine.Problem{Path: s.Path, Err: errors.New("it is there, but could not be read for its checksum"), Sent: false})
	}
	if a.clear == nil {
		return
	}
	err := mayGo(e, s.How, begun)
	if err == nil {
		err = a.clear.Have(e)
	}
	if err != nil {
		a.con.stays(a.src.Path(e), err)
	}
}

// justBefore is more than the tick of the clock that a ctime is taken from, which has 10 ms on
// the slowest kernels.
const justBefore = 50 * time.Millisecond

// mayGo says why an entry is not removed that is at the receiver in some way.
func mayGo(e *localfs.Entry, how engine.How, begun time.Time) error {
	switch {
	case how == engine.HowThere:
		return fmt.Errorf("%w: it was there already, and its contents were not compared (--checksum does)", localfs.ErrStays)
	case how == engine.HowCompared && e.Stamp.Ctime.After(begun.Add(-justBefore)):
		// Whether it is itself what the receiver has, its ctime could not tell.
		return fmt.Errorf("%w: it was there already, and changed just before", localfs.ErrStays)
	}
	return nil
}

// end does what follows a transfer that ended with err. Its own error is another one: all has
// been copied then.
func (a *after) end(ctx context.Context, err error) error {
	if err != nil {
		return nil //nolint:nilerr // nothing follows
	}
	a.mu.Lock()
	report := a.report
	a.report = nil
	a.mu.Unlock()
	if a.clear != nil {
		var n uint64
		n, err = a.clear.Remove(ctx, a.con.stays)
		a.con.removed(n)
	}
	if report != nil {
		err = errors.Join(err, report.done())
	}
	return err
}

// worse is the error of a transfer, or of what followed it. That some could not be copied was
// told, and is none beside what was not.
func worse(err, late error) error {
	if late != nil && (err == nil || errors.Is(err, errPartial)) {
		return late
	}
	return err
}
