package main

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"scp_rdma/engine"
	"scp_rdma/localfs"
)

// maxShown: problems of one transfer that are told one by one.
const maxShown = 100

// console is where a run speaks to a person: results on stdout, everything
// else on stderr, a progress line below it if that is a terminal.
type console struct {
	out, err io.Writer
	quiet    bool
	bar      *progress // nil: no terminal

	mu       sync.Mutex
	problems uint64
	skipped  map[string]uint64
	told     map[string]bool // problems of OpenSource, so that its error does not say them again
}

func newConsole(e env, o *options) *console {
	c := &console{out: e.stdout, err: e.stderr, quiet: o.quiet, skipped: map[string]uint64{}, told: map[string]bool{}}
	if !o.quiet && !o.server {
		c.bar = newProgress(e.stderr)
	}
	return c
}

// say prints a line of results.
func (c *console) say(line string) {
	if c.quiet {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = fmt.Fprintln(c.out, line) // nobody left to tell if that fails
}

// note prints a word about a run that goes on.
func (c *console) note(line string) {
	if !c.quiet {
		c.line("scp_rdma: " + line)
	}
}

// line prints on stderr, above the progress line.
func (c *console) line(s string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bar != nil {
		c.bar.above(s)
		return
	}
	_, _ = fmt.Fprintln(c.err, s)
}

// Watch implements engine.Observer.
func (c *console) Watch(snapshot func() engine.Snapshot) {
	if c.bar != nil {
		c.bar.watch(snapshot)
	}
}

// Problem implements engine.Observer. Devices and the like are skipped with a
// word; everything else was not copied, which is an error.
func (c *console) Problem(p engine.Problem) {
	text := quote(p.Path) + ": " + quote(p.Err.Error())
	c.mu.Lock()
	c.told[p.Err.Error()] = true
	if errors.Is(p.Err, localfs.ErrSpecial) {
		c.skipped[quote(p.Err.Error())]++
		c.mu.Unlock()
		c.note(text)
		return
	}
	c.problems++
	n := c.problems
	c.mu.Unlock()
	switch {
	case n <= maxShown:
		c.line("scp_rdma: " + text)
	case n == maxShown+1:
		c.line("scp_rdma: further problems are only counted")
	}
}

// onlyIfNew drops an error that was told as a problem already.
func (c *console) onlyIfNew(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for told := range c.told {
		if told == err.Error() {
			return errors.Join(errTold, err)
		}
	}
	return err
}

// errTold marks an error whose text is on the screen already.
var errTold = errors.New("nothing to send")

func (c *console) failed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.problems > 0
}

func (c *console) begin() {
	if c.bar != nil {
		c.bar.begin()
	}
}

func (c *console) end() {
	if c.bar != nil {
		c.bar.end()
	}
}

// summary says what came of a transfer.
func (c *console) summary(r *engine.Report, done bool) {
	c.mu.Lock()
	skipped := c.skipped
	c.mu.Unlock()
	for _, line := range summarise(r, done, skipped) {
		c.say(line)
	}
}
