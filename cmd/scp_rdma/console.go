package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"sync"
	"time"

	"scp_rdma/engine"
	"scp_rdma/localfs"
)

// console is where a run speaks to a person: results on stdout, everything
// else on stderr, and a progress line below that if it is a terminal.
type console struct {
	out, err io.Writer
	quiet    bool
	rails    bool      // the summary shows the pairing
	dry      bool      // nothing is sent
	stream   bool      // nothing goes on where it broke off
	json     bool      // stdout gets events and nothing else
	logJSON  bool      // stderr gets objects of JSON and nothing else
	from     string    // host that is fetched from; "": it is sent to
	why      bool      // the summary says where the time went
	costly   []string  // flags that cost time at the receiver
	bar      *progress // nil: no terminal
	own      own       // the transfer, for whoever asks
	target   string    // of several in a run, as typed; "": there is one
	all      *console  // that of the run, where there are several; nil: this is it
	ask      teller

	mu       sync.Mutex
	problems tally           // what was not copied
	skipped  tally           // what is never copied
	outside  uint64          // symlinks that lead out of what is sent
	missed   tally           // sources that can't be had; of problems
	left     departure       // sources that were to go
	shown    map[string]bool // what was told: it comes again once a server that was lost is found
	again    bool            // it was
	waiting  bool            // it has been said that the server is busy
	deaf     bool            // stdout can't be written to

	slow map[string]engine.RailState // what was told of rails
}

func newConsole(e env, o *options) *console {
	c := &console{out: e.stdout, err: e.stderr, quiet: o.quiet, rails: o.showRails, dry: o.dry, json: o.json, logJSON: o.logsJSON(), problems: tally{}, skipped: tally{}, missed: tally{}, shown: map[string]bool{}, left: departure{wanted: o.meta.remove, stays: tally{}}}
	if o.meta.report == stdoutName {
		c.out = e.stderr // stdout is for the list
	}
	c.why, c.costly = o.verbose > 0, o.costly()
	c.ask.asked, c.ask.say = e.asked, c.line
	if !o.quiet && !o.server && !o.json && !o.logsJSON() {
		c.bar = newProgress(e, o.progress)
	}
	return c
}

// say prints a line of results, for people.
func (c *console) say(line string) {
	if c.quiet || c.json {
		return
	}
	c.print(c.tagged(line))
}

// print prints a line on stdout. When nobody can read it, that is said once.
func (c *console) print(line string) {
	if c.all != nil {
		c.all.print(line)
		return
	}
	c.mu.Lock()
	_, err := fmt.Fprintln(c.out, line)
	first := err != nil && !c.deaf
	c.deaf = c.deaf || err != nil
	c.mu.Unlock()
	if first {
		c.line("scp_rdma: " + errorLine(fmt.Errorf("write to stdout: %w", err)))
	}
}

// above prints a line of results while a transfer runs.
func (c *console) above(line string) {
	if c.all != nil {
		c.all.above(c.tagged(line))
		return
	}
	if c.bar != nil {
		c.bar.above(line)
		return
	}
	c.say(line)
}

// note prints a word about a run that goes on.
func (c *console) note(line string) {
	if c.quiet {
		return
	}
	line = c.tagged("scp_rdma: " + line)
	if c.logJSON {
		c.raw(logRecord("info", line))
		return
	}
	c.raw(line)
}

// line prints on stderr, in the format of the log.
func (c *console) line(s string) {
	s = c.tagged(s)
	if c.logJSON {
		s = logRecord(levelOf(s), s)
	}
	c.raw(s)
}

// raw prints on stderr, above the progress line. If that fails there is nobody left to tell.
func (c *console) raw(s string) {
	if c.all != nil {
		c.all.raw(s)
		return
	}
	if c.bar != nil {
		c.bar.above(s)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = fmt.Fprintln(c.err, s)
}

// Watch implements engine.Observer.
func (c *console) Watch(snapshot func() engine.Snapshot) {
	c.own.watch(snapshot)
	if c.bar != nil {
		c.bar.watch(snapshot)
	}
}

// Busy implements engine.Observer. The first time is told; the progress line shows the rest.
func (c *console) Busy(why error, again time.Duration) {
	c.mu.Lock()
	first := !c.waiting
	c.waiting = true
	c.mu.Unlock()
	if first {
		c.note(errorLine(why) + "; asking again")
	}
	c.title(fmt.Sprintf("no room at the server, asking again in %.1f s", again.Seconds()))
}

// Lost implements engine.Observer. The first time is told; the progress line shows the
// rest. Everything is walked again, so that the problems are counted anew.
func (c *console) Lost(why error, left time.Duration) {
	c.mu.Lock()
	first := !c.again
	c.again = true
	clear(c.problems)
	clear(c.skipped)
	c.outside = 0
	maps.Copy(c.problems, c.missed)
	c.mu.Unlock()
	if c.json {
		c.emit("lost", event{Error: why.Error()})
	}
	if first {
		c.note(errorLine(why) + fmt.Sprintf("; looking for the server again for %v", left.Round(time.Second)))
	}
	c.title(fmt.Sprintf("looking for the server again, for %v more", left.Round(time.Second)))
}

// Stalled implements engine.Observer.
func (c *console) Stalled(d time.Duration) {
	c.note(fmt.Sprintf("the server answers, but has written nothing for %v: is its disk slow? Waiting", d.Round(time.Second)))
}

// Scarce implements engine.Observer.
func (c *console) Scarce(need, free uint64) {
	c.note(fmt.Sprintf("the server has %s free, and the files to be sent need %s or more: it will be full before all is there", size(free), size(need)))
}

// Chosen implements engine.Observer: a transfer that is slower than the user
// hoped for says at its start why.
func (c *console) Chosen(transport string, passed []error) {
	if c.json {
		var why []string
		for _, err := range passed {
			why = append(why, err.Error())
		}
		c.emit("transport", event{Transport: transport, Passed: why})
	}
	for _, err := range passed {
		text := "going over " + quote(transport) + ", not " + reason(err)
		c.mu.Lock()
		before := c.shown[text]
		c.shown[text] = true
		c.mu.Unlock()
		if !before { // it comes again with each session
			c.above(text)
		}
	}
}

// named is a path with the host that it is fetched from.
func (c *console) named(path string) string {
	if c.from == "" {
		return path
	}
	return c.from + ":" + path
}

// fetches says that all that comes comes from a host.
func (c *console) fetches(host string) { c.from = host }

// Problem implements engine.Observer. Devices and the like are skipped with a
// warning; everything else was not copied, which is an error.
func (c *console) Problem(p engine.Problem) {
	if p.Sent {
		c.leadsOutside("", "")
		return
	}
	p.Path = c.named(p.Path)
	if errors.Is(p.Err, localfs.ErrSpecial) {
		if !c.quiet {
			c.report(c.skipped, p)
		}
		return
	}
	c.report(c.problems, p)
}

// Would implements engine.Observer.
func (c *console) Would(path string, n int64) {
	path = c.named(path)
	if n == localfs.Unsized {
		if c.json {
			c.emit("would", event{Path: path})
		}
		c.above(quote(path) + " (of no known size)")
		return
	}
	if c.json {
		c.emit("would", event{Path: path, Bytes: &n})
	}
	c.above(fmt.Sprintf("%s (%s)", quote(path), size(uint64(n))))
}

// leadsOutside counts a symlink that leads out of what is sent.
func (c *console) leadsOutside(string, string) {
	c.mu.Lock()
	c.outside++
	c.mu.Unlock()
}

// missing is a source that was named but can't be had: an error, whatever it is.
func (c *console) missing(path string, err error) {
	c.mu.Lock()
	c.missed.add(kindOf(err))
	c.mu.Unlock()
	c.report(c.problems, engine.Problem{Path: path, Err: err})
}

// report tells of a problem, or only counts it.
func (c *console) report(t tally, p engine.Problem) {
	if c.json {
		kind := "failed"
		switch {
		case errors.Is(p.Err, localfs.ErrSpecial):
			kind = "skipped"
		case errors.Is(p.Err, localfs.ErrStays):
			kind = "kept"
		case errors.Is(p.Err, errDiffers):
			kind = "differs"
		}
		c.emit("problem", event{Path: p.Path, Error: p.Err.Error(), Kind: kind})
	}
	text := problemLine(p)
	c.mu.Lock()
	kind, n := t.add(kindOf(p.Err))
	before := c.shown[text]
	if n <= maxShown {
		c.shown[text] = true
	}
	c.mu.Unlock()
	switch {
	case before:
	case n <= maxShown:
		c.line(text)
	case n == maxShown+1:
		c.line(fmt.Sprintf("scp_rdma: more than %d times: %s; more of these are only counted", maxShown, kind))
	}
}

// problemLine is what is told of a problem.
func problemLine(p engine.Problem) string {
	return "scp_rdma: " + quote(p.Path) + ": " + errorLine(p.Err)
}

// told says whether a problem was told already.
func (c *console) told(p engine.Problem) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shown[problemLine(p)]
}

// failed says whether anything was not copied.
func (c *console) failed() bool {
	if c.all != nil && c.all.failed() {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.problems) > 0
}

// begin shows the progress line, with a word on what is done until Watch, and tells it to
// whoever asks.
func (c *console) begin(title string) {
	c.own.setTitle(title)
	c.ask.begin(c.own.tells)
	if c.bar != nil {
		c.bar.begin(title)
	}
}

// title says what is done now; until Watch.
func (c *console) title(title string) {
	c.own.setTitle(title)
	if c.bar != nil {
		c.bar.setTitle(title)
	}
}

// stopping says that the run was interrupted and winds down.
func (c *console) stopping() {
	c.own.watch(nil)
	c.own.setTitle("interrupted, stopping")
	if c.bar != nil {
		c.bar.setStopping()
	}
}

// end takes the progress line away. More calls change nothing.
func (c *console) end() {
	c.ask.end()
	if c.bar != nil {
		c.bar.end()
	}
}

// summary says what came of a transfer.
func (c *console) summary(r *engine.Report, done bool) {
	if c.json {
		s := summaryOf(r, done, c.dry)
		s.Removed, s.Kept = c.left.gone, c.left.stays.total()
		c.emit("summary", event{Summary: s})
	}
	c.mu.Lock()
	lines := summarise(r, done, c.from != "", c.dry, c.skipped, c.problems)
	if c.stream && !done {
		lines = lines[:len(lines)-1] // the same command begins anew
	}
	if c.outside > 0 {
		lines = append(lines, outsideWords(c.outside))
	}
	if done {
		lines = append(lines, c.left.lines(c.dry)...)
	}
	if c.rails || c.why && len(r.Rails) > 1 {
		lines = append(lines, pairing(r)...)
	}
	if c.why && done && !c.dry {
		lines = append(lines, timeWent(r, c.from != "", c.costly)...)
	}
	c.mu.Unlock()
	for _, line := range lines {
		c.say(line)
	}
}

// logLines is where a logger writes: its lines don't break the progress line,
// and what a peer has put into them is escaped: newlines as well, so that no
// peer can write a line of its own.
type logLines struct{ con *console }

// Write implements io.Writer.
func (l logLines) Write(p []byte) (int, error) {
	line := strings.TrimSuffix(string(p), "\n")
	if l.con.logJSON {
		l.con.raw(visible(line))
	} else {
		l.con.line(quote(line))
	}
	return len(p), nil
}
