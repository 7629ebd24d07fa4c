package main

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"scp_rdma/engine"
)

// statusSignals ask how far it is: SIGUSR1, and SIGINFO (Ctrl-T) where there is one.
func statusSignals() []os.Signal {
	list := []os.Signal{syscall.SIGUSR1}
	if s := unix.SignalNum("SIGINFO"); s != 0 {
		list = append(list, s)
	}
	return list
}

// heedStatus has those signals asked on a channel, from now on.
func heedStatus() <-chan os.Signal {
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, statusSignals()...)
	return ch
}

// deafToStatus has the signals do nothing, not even to the program that takes the place of
// this one before it knows them: a disposition to ignore outlives execve(2).
func deafToStatus() { signal.Ignore(statusSignals()...) }

// statusSpan: who asks again sees what has been since, if it was so lately.
const statusSpan = time.Minute

// teller answers whoever asks how far it is, as long as there is something to tell.
type teller struct {
	asked <-chan os.Signal // nil: nobody can ask
	say   func(line string)

	mu   sync.Mutex
	stop func() // nil: nothing goes on
}

// begin has it tell that from now on.
func (t *teller) begin(tells func() []string) {
	t.end()
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-t.asked:
				for _, line := range tells() {
					t.say("scp_rdma: " + line)
				}
			case <-done:
				return
			}
		}
	})
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stop = func() { close(done); wg.Wait() }
}

// end has it tell nothing any more: what it was just telling is told when this returns.
// More calls change nothing.
func (t *teller) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stop != nil {
		t.stop()
		t.stop = nil
	}
}

// own is a client's transfer, for a teller.
type own struct {
	mu       sync.Mutex
	title    string
	snapshot func() engine.Snapshot
	history  history
}

func (t *own) setTitle(title string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.title = title
}

func (t *own) watch(snapshot func() engine.Snapshot) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.snapshot = snapshot
}

// tells is how far it is, in a line.
func (t *own) tells() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.snapshot == nil {
		return []string{t.title}
	}
	snap := t.snapshot()
	switch snap.Phase {
	case engine.PhaseConnecting:
		return []string{t.title}
	case engine.PhaseFinishing, engine.PhaseDone:
		return []string{"all is sent, waiting for the last confirmation"}
	case engine.PhaseSending:
	}
	t.history.span = statusSpan
	return []string{statusLine(t.history.add(sample{time.Now(), snap}))}
}

// statusLine is a transfer in a line.
func statusLine(v view) string {
	snap, total := &v.now, "found so far"
	if snap.WalkDone {
		total = "in all"
	}
	parts := []string{fmt.Sprintf("%s of %s %s", size(snap.BytesDone), size(snap.Bytes), total)}
	if snap.WalkDone && snap.Bytes > 0 {
		parts[0] = fmt.Sprintf("%.0f%%, ", 100*min(1, float64(snap.BytesDone)/float64(snap.Bytes))) + parts[0]
	}
	parts = append(parts, v.speed())
	if left := v.left(); left != "" {
		parts = append(parts, "ETA "+left)
	}
	parts = append(parts, fmt.Sprintf("%d of %s", snap.FilesDone, plural(snap.Files, "file", "files")))
	text := strings.Join(parts, ", ")
	for _, r := range snap.Rails {
		text += fmt.Sprintf("; rail %s %s, %s", quote(r.Name), size(r.Bytes), v.per(v.rail(r)))
	}
	if d, share := v.mostly(snap.Streams...); d != engine.DoingEnd {
		text += fmt.Sprintf("; streams mostly %s (%.0f%%)", doingWords(d), 100*share)
	}
	if n := tried(snap.Streams); n > 0 {
		text += "; " + plural(n, "stream is broken and tried again", "streams are broken and tried again")
	}
	return text
}

// tried is how many streams broke and are not back.
func tried(streams []engine.StreamReport) (n uint64) {
	for _, s := range streams {
		if s.Doing == engine.DoingJoin && s.Joined > 0 {
			n++
		}
	}
	return n
}

// guests are the sessions of a server, for a teller.
type guests struct {
	mu   sync.Mutex
	list []*guest // oldest first
}

type guest struct {
	info    engine.SessionInfo
	history history
}

func (g *guests) come(s engine.SessionInfo) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.list = append(g.list, &guest{info: s, history: history{span: statusSpan}})
}

func (g *guests) leave(s engine.SessionInfo) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, o := range g.list {
		if o.info.ID == s.ID {
			g.list = append(g.list[:i], g.list[i+1:]...)
			return
		}
	}
}

// tells is a line for each session, and their sum.
func (g *guests) tells() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.list) == 0 {
		return []string{"no session"}
	}
	now := time.Now()
	var lines []string
	var done, streams uint64
	var speed float64
	for _, o := range g.list {
		v := o.history.add(sample{now, o.info.Snapshot()})
		lines = append(lines, fmt.Sprintf("%s: session %s, %s %s: %s", who(o.info), o.info.ID, way(o.info), quote(o.info.Target), statusLine(v)))
		done += v.now.BytesDone
		streams += uint64(len(v.now.Streams))
		speed += float64(grown(v.then.BytesDone, v.now.BytesDone)) / max(v.took, time.Millisecond).Seconds()
	}
	return append(lines, fmt.Sprintf("%s, %s: %s, %s/s", plural(uint64(len(g.list)), "session", "sessions"),
		plural(streams, "stream", "streams"), size(done), size(uint64(speed))))
}
