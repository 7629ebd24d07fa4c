package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"

	"scp_rdma/control"
	"scp_rdma/localfs"
	"scp_rdma/wire"
)

const (
	// againPause is the first pause before a server that was lost is looked for again,
	// each further one is twice as long, up to againPauseMax: a restarted server is
	// found soon after it listens.
	againPause    = 100 * time.Millisecond
	againPauseMax = 2 * time.Second
)

// Send carries everything of cfg.Source to the server at cfg.Server. It returns
// when the receiver has confirmed all of it, or with what ended it; the report
// is never nil. Entries that could not be copied are no error: they are counted
// in Report.Failed and told to the observer. A server that is lost on the way is
// looked for again, for cfg.RetryFor, and what it has by then is not sent again.
func Send(ctx context.Context, cfg SendConfig) (*Report, error) {
	if cfg.RetryFor == 0 {
		cfg.RetryFor = DefaultRetryFor
	}
	j := newJourney(&cfg.Server, cfg.RetryFor, cfg.Observer, cfg.Logger)
	j.rewind = func() error {
		cfg.EveryRail = false // what had to carry has carried
		return cfg.Source.Rewind()
	}
	return j.run(ctx, func() trip {
		if cfg.Settler != nil {
			cfg.Settler.Begin()
		}
		s := newSender(cfg)
		s.continues = j.continues
		return s
	})
}

// trip is one session of a journey.
type trip interface {
	session(ctx context.Context) error
	report() *Report
	snapshot() Snapshot
	began() bool        // the target was open
	gotOn() bool        // something was carried
	cut(err error) bool // the server was lost, or stopped: it may be there again
	known() (id []byte, addrs []string)
}

// began implements trip.
func (s *sender) began() bool { return isClosed(s.opened) }

// gotOn implements trip.
func (s *sender) gotOn() bool { return s.acked.Load() }

// known implements trip.
func (s *sender) known() (id []byte, addrs []string) { return slices.Clone(s.id[:]), s.addrs }

// journey is one transfer, over as many sessions as it takes.
type journey struct {
	server   *control.DialConfig // of the next session
	retryFor time.Duration
	observer Observer
	log      hclog.Logger
	rewind   func() error // before another session

	started   time.Time
	before    *Report  // of the sessions before; nil: there were none
	continues []byte   // number of the session that was lost
	addrs     []string // of the server; the first is what the user named

	lost  error     // what the last session that got on was lost with; nil: none was
	since time.Time // when
	tries int       // since then
	stuck error     // why there can't be another session
}

func newJourney(server *control.DialConfig, retryFor time.Duration, o Observer, log hclog.Logger) *journey {
	j := &journey{server: server, retryFor: retryFor, observer: o, log: loggerOr(log), addrs: server.Addrs, started: time.Now()}
	if len(j.addrs) == 0 {
		j.addrs = []string{server.Addr}
	}
	return j
}

// run makes sessions until one ends well, or there is no hope.
func (j *journey) run(ctx context.Context, begin func() trip) (*Report, error) {
	for {
		if j.lost != nil {
			j.server.Addrs = j.addrs
		}
		t := begin()
		if j.observer != nil {
			j.observer.Watch(t.snapshot)
		}
		err := t.session(ctx)
		rep := j.add(t)
		switch {
		case err == nil:
			return rep, nil
		case ctx.Err() != nil:
			return rep, withPeer(j.server.Addr, fmt.Errorf("%w: %w", errCancelled, context.Cause(ctx)))
		case !j.again(ctx, t, err):
			return rep, j.why(withPeer(j.server.Addr, err))
		}
	}
}

// again waits until the server may be looked for once more; false: not any more.
func (j *journey) again(ctx context.Context, t trip, err error) bool {
	switch {
	case t.cut(err):
		if j.lost == nil || t.gotOn() {
			j.lost, j.since, j.tries = err, time.Now(), 0
		}
		var addrs []string
		j.continues, addrs = t.known()
		for _, a := range addrs {
			if !slices.Contains(j.addrs, a) {
				j.addrs = append(slices.Clone(j.addrs), a)
			}
		}
	case j.lost == nil || t.began() || !mayHeal(err):
		return false
	}
	left := j.retryFor - time.Since(j.since)
	if left <= 0 {
		return false
	}
	if j.stuck = j.rewind(); j.stuck != nil {
		return false
	}
	if j.observer != nil {
		j.observer.Lost(withPeer(j.server.Addr, err), left)
	}
	pause := min(againPause<<min(j.tries, 8), againPauseMax, left)
	j.tries++
	j.log.Info("looking for the server again", "addresses", j.addrs, "in", pause, "error", err)
	waitFor(ctx.Done(), pause) // if it has ended the next session ends at once, with the reason
	return true
}

// why is what the transfer ended with: what the server was lost with, and what has
// kept it from being found again.
func (j *journey) why(err error) error {
	if j.lost == nil || j.retryFor <= 0 {
		return err
	}
	lost := withPeer(j.server.Addr, j.lost)
	if j.stuck != nil {
		return fmt.Errorf("%w; %w", lost, j.stuck)
	}
	if errors.Is(err, j.lost) {
		return fmt.Errorf("%w; it got no further in %v (--retry-for)", lost, j.retryFor)
	}
	return fmt.Errorf("%w; not there again within %v (--retry-for): %w", lost, j.retryFor, err)
}

// cut says whether an error is that the connection to a server that had a target open
// is gone, or that the server was stopped.
func (s *sender) cut(err error) bool {
	var remote *RemoteError
	switch {
	case s.conn == nil || !isClosed(s.opened):
		return false
	case errors.As(err, &remote):
		return remote.Code == wire.ByeCancelled
	}
	return s.gone.Load() || s.conn.Broken()
}

// mayHeal says whether a server that can't be had now may be had in a moment.
func mayHeal(err error) bool {
	var remote *RemoteError
	if errors.As(err, &remote) {
		return remote.Code == wire.ByeCancelled || remote.Code == wire.ByeError
	}
	for _, no := range []error{control.ErrAuth, control.ErrVersion, localfs.ErrUsage, ErrProtocol, wire.ErrMalformed} {
		if errors.Is(err, no) {
			return false
		}
	}
	return true
}

// add counts a session in, and gives the report of all so far.
func (j *journey) add(t trip) *Report {
	r := t.report()
	if b := j.before; b != nil {
		// What an earlier session has put is skipped by this one. Of some of it the word
		// may have been lost: that counts as skipped.
		r.Skipped -= min(r.Skipped, b.Files)
		r.SkippedBytes -= min(r.SkippedBytes, b.Bytes)
		r.Resumed = b.Resumed // the rest was carried by this command
		r.Files += b.Files
		r.Bytes += b.Bytes
		r.Resent += b.Resent
		r.Damaged += b.Damaged
		r.CarriedAgain += b.CarriedAgain
		r.Times.add(&b.Times)
		r.Reconnected = b.Reconnected
		if r.Transport == "" {
			r.Transport = b.Transport
		}
		r.Rails = addRails(b.Rails, r.Rails)
		if t.began() {
			r.Reconnected++
		}
	}
	r.Elapsed = time.Since(j.started)
	j.before = r
	return r
}

// addRails counts what rails carried before to what they carry now.
func addRails(before, now []RailReport) []RailReport {
	all := slices.Clone(before)
	for _, r := range now {
		i := slices.IndexFunc(all, func(o RailReport) bool { return o.Name == r.Name })
		if i < 0 {
			all = append(all, r)
			continue
		}
		all[i].Bytes += r.Bytes
		all[i].Streams = max(all[i].Streams, r.Streams)
		r.Slow += all[i].Slow
		all[i].RailHealth = r.RailHealth
		if r.Peer != "" {
			all[i].Peer = r.Peer
		}
	}
	return all
}
