package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/hashicorp/go-hclog"

	"scp_rdma/control"
	"scp_rdma/engine"
)

// supervised tells a service manager that started the server how it does (sd_notify(3)): ready
// once clients come through, alive as long as they do, how many sessions there are, and that it
// stops. Without a manager it does nothing.
type supervised struct {
	engine.ServeObserver
	ln       *control.Listener
	grace    time.Duration
	interval time.Duration // within which it must hear from the server; 0: it does not ask
	log      hclog.Logger
	running  atomic.Int64
	changed  chan struct{}
}

// supervise begins that; stop ends it and waits. What goes by to the observer is counted.
func supervise(ctx context.Context, next engine.ServeObserver, ln *control.Listener, grace time.Duration, log hclog.Logger) (_ engine.ServeObserver, stop func(), err error) {
	if os.Getenv("NOTIFY_SOCKET") == "" {
		return next, func() {}, nil
	}
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return nil, nil, fmt.Errorf("WATCHDOG_USEC: %w", err)
	}
	s := &supervised{ServeObserver: next, ln: ln, grace: grace, interval: interval, log: log, changed: make(chan struct{}, 1)}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { s.run(run, ctx) })
	return s, func() { cancel(); wg.Wait() }, nil
}

// run tells until ctx ends. Once serving has ended no more clients come, and sessions have the
// grace time to end.
func (s *supervised) run(ctx, serving context.Context) {
	if s.ready(ctx, serving) {
		s.tell(daemon.SdNotifyReady, s.status())
	}
	var tick <-chan time.Time
	if s.interval > 0 {
		t := time.NewTicker(s.interval / 2) // as sd_watchdog_enabled(3) asks for
		defer t.Stop()
		tick = t.C
	}
	stopping := serving.Done()
	for {
		select {
		case <-stopping:
			stopping = nil
			s.tell(daemon.SdNotifyStopping, s.status(), fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", (s.grace+stopMargin).Microseconds()))
		case <-s.changed:
			s.tell(s.status())
		case <-tick:
			if stopping == nil || s.alive(ctx) {
				s.tell(daemon.SdNotifyWatchdog)
			}
		case <-ctx.Done():
			return
		}
	}
}

// stopMargin is for what follows the grace time: sessions that are cut off, and what they have
// in memory of files.
const stopMargin = 30 * time.Second

// ready waits until a first client would come through.
func (s *supervised) ready(ctx, serving context.Context) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(serving, cancel)()
	return s.ln.Alive(ctx) == nil
}

// alive says whether clients still come through.
func (s *supervised) alive(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, s.interval/2)
	defer cancel()
	err := s.ln.Alive(ctx)
	if err != nil && ctx.Err() != nil {
		s.log.Error("no sign of life for the service manager", "why", err)
	}
	return err == nil
}

// status is for people: systemctl status shows it.
func (s *supervised) status() string {
	return fmt.Sprintf("STATUS=listening on %v, %s", s.ln.Addr(), plural(uint64(max(s.running.Load(), 0)), "session", "sessions"))
}

// tell sends the manager words.
func (s *supervised) tell(words ...string) { tellManager(s.log, words...) }

// tellManager sends the service manager what it knows by these words (sd_notify(3)); without one
// it does nothing.
func tellManager(log hclog.Logger, words ...string) {
	if _, err := daemon.SdNotify(false, strings.Join(words, "\n")); err != nil {
		log.Warn("the service manager can't be told", "what", words[0], "error", err)
	}
}

// count notes a session that has begun or ended.
func (s *supervised) count(n int64) {
	s.running.Add(n)
	select {
	case s.changed <- struct{}{}:
	default: // it is to be told already
	}
}

// Started implements engine.ServeObserver.
func (s *supervised) Started(i engine.SessionInfo) {
	s.count(1)
	s.ServeObserver.Started(i)
}

// Ended implements engine.ServeObserver.
func (s *supervised) Ended(i engine.SessionInfo, r engine.Report, err error) {
	s.count(-1)
	s.ServeObserver.Ended(i, r, err)
}
