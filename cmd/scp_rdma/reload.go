package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/hashicorp/go-hclog"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"scp_rdma/control"
	"scp_rdma/engine"
	"scp_rdma/keys"
)

// live is a server that runs, and what of it SIGHUP can change.
type live struct {
	begun   *options // as it was started
	now     *options // as it was last told
	s       *estate
	in      *intake
	con     *console
	log     hclog.Logger // the one that all others come of
	hup     chan os.Signal
	nohup   bool // whoever started this wants it to outlive the terminal
	limiter *engine.Limiter
	ring    atomic.Pointer[keys.Ring]
	server  *engine.Server
}

// newLive has SIGHUP no longer end the process; close undoes that.
func newLive(o *options, s *estate, in *intake, con *console, log hclog.Logger) *live {
	l := &live{
		begun: o, now: o, s: s, in: in, con: con, log: log, hup: make(chan os.Signal, 1), nohup: signal.Ignored(syscall.SIGHUP), limiter: engine.NewLimiter(o.limit),
	}
	l.ring.Store(s.ring)
	signal.Notify(l.hup, syscall.SIGHUP)
	return l
}

func (l *live) close() {
	signal.Stop(l.hup)
	if l.s.keep != nil {
		_ = l.s.keep.Close() // it ends with this
	}
}

// admits says whether a key is taken that was once proved.
func (l *live) admits(h keys.Holder) error {
	r := l.ring.Load()
	if r == nil {
		return nil
	}
	if _, ok := r.Lookup(h.Key.ID()); !ok {
		return fmt.Errorf("the key of %s was taken back: %w", h.Name, control.ErrAuth)
	}
	return nil
}

// serve serves, and reads again what it was told when SIGHUP comes.
func (l *live) serve(ctx context.Context, cfg engine.ServeConfig) error {
	cfg.Limit = l.limiter
	l.server = engine.NewServer(cfg)
	ctx, cancel := context.WithCancelCause(ctx)
	over := make(chan struct{})
	go func() { // ends with ctx; waited for below
		defer close(over)
		for {
			select {
			case <-l.hup:
				if !l.nohup && hungUp() {
					cancel(signalError{syscall.SIGTERM})
					return
				}
				l.reload()
			case <-ctx.Done():
				return
			}
		}
	}()
	err := l.server.Serve(ctx)
	cancel(nil)
	<-over
	return err
}

// hungUp says whether the terminal of this process is gone, of which SIGHUP tells too: whoever
// started a server there and left does not expect it to stay.
func hungUp() bool {
	for fd := range 3 {
		if _, err := unix.IoctlGetTermios(fd, getTermios); err == unix.EIO {
			return true
		}
	}
	return false
}

// reload is where the settings of a running server change, and nowhere else: it begins with
// this and is over when this returns. What is wrong leaves all as it was.
func (l *live) reload() {
	tellManager(l.log, daemon.SdNotifyReloading, strings.TrimSpace(daemon.SdNotifyMonotonicUsec()))
	defer tellManager(l.log, daemon.SdNotifyReady)
	said, err := l.takeUp()
	if err != nil {
		l.con.line("scp_rdma: reload: " + errorLine(err) + "; nothing has changed")
		return
	}
	l.con.say("reloaded: " + quote(strings.Join(said, "; ")))
}

// reloadable are the flags that a running server can be told anew.
func reloadable() []string {
	return []string{
		"limit", "max-sessions", "max-sessions-per-key", "max-memory", "session-memory", "max-streams", "max-entries", "max-path",
		"max-open-files", "verbose",
	}
}

// takeUp reads again what the server was told, and does it. Nothing is done before all of it
// is known to be right.
func (l *live) takeUp() (said []string, err error) {
	texts, list, err := l.read()
	if err != nil {
		return nil, err
	}
	o, flags, err := l.begun.again(texts, true, "")
	if err != nil {
		return nil, err
	}
	o.authorized = l.begun.authorized // the file is the one that was named
	ring := l.ring.Load()
	if l.begun.authorized != "" {
		if ring, err = o.ringOf(list); err == nil {
			err = l.s.countable(ring)
		}
		if err != nil {
			return nil, err
		}
	}
	_, before, err := l.now.again(l.now.texts, true, "")
	if err != nil {
		return nil, err
	}
	_, first, err := l.begun.again(l.begun.texts, true, "")
	if err != nil {
		return nil, err
	}
	said = append(changes(before, flags), l.turn(o, ring)...)
	if stay := unlike(first, flags); len(stay) > 0 {
		said = append(said, "not before the next start: "+strings.Join(stay, ", "))
	}
	if len(said) == 0 {
		said = []string{"nothing has changed"}
	}
	return said, nil
}

// read reads the files again.
func (l *live) read() (texts []configText, list string, err error) {
	number := 0
	next := func(string) ([]byte, error) {
		number++
		return l.s.readAgain(l.begun, number-1)
	}
	if l.begun.authorized != "" {
		text, err := next("")
		if err != nil {
			return nil, "", err
		}
		list = string(text)
	}
	texts = slices.Clone(l.begun.texts)
	for i := range texts {
		if err := texts[i].load(next, texts[i].Kind == "file"); err != nil {
			return nil, "", err
		}
	}
	return texts, list, nil
}

// turn has other settings and keys hold, and says what is different about the keys.
func (l *live) turn(o *options, ring *keys.Ring) (said []string) {
	l.now = o
	l.log.SetLevel(o.level())
	engine.SetLimit(l.limiter, o.limit)
	l.server.Change(o.limits.session(), o.limits.all(l.begun.authorized != ""))
	if ring == nil || ring == l.ring.Load() {
		return nil
	}
	c := ring.Since(l.ring.Load())
	for _, w := range []struct {
		what    string
		holders []keys.Holder
	}{{"new keys: ", c.Added}, {"keys taken back: ", c.Removed}, {"keys changed, from their next session on: ", c.Changed}} {
		if len(w.holders) > 0 {
			said = append(said, w.what+names(w.holders))
		}
	}
	l.ring.Store(ring)
	l.in.ln.SetKeys(ring)
	l.server.Recheck()
	return said
}

func names(list []keys.Holder) string {
	var all []string
	for _, h := range list {
		all = append(all, h.Name)
	}
	return strings.Join(all, ", ")
}

// changes are those of the flags that can be told anew.
func changes(before, after *pflag.FlagSet) (said []string) {
	for _, name := range reloadable() {
		if was, is := before.Lookup(name).Value.String(), after.Lookup(name).Value.String(); was != is {
			said = append(said, fmt.Sprintf("%s %s (it was %s)", name, is, was))
		}
	}
	return said
}

// unlike names the other flags that have changed.
func unlike(first, after *pflag.FlagSet) (names []string) {
	first.VisitAll(func(f *pflag.Flag) {
		if !slices.Contains(reloadable(), f.Name) && f.Value.String() != after.Lookup(f.Name).Value.String() {
			names = append(names, f.Name)
		}
	})
	return names
}
