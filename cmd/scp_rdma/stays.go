package main

import "scp_rdma/engine"

// departure is what became of sources that were to go.
type departure struct {
	wanted bool
	gone   uint64
	stays  tally
}

// stays tells of a source that is not removed.
func (c *console) stays(path string, err error) {
	c.report(c.left.stays, engine.Problem{Path: path, Err: err})
}

// forgetStays begins anew: all of it comes again.
func (c *console) forgetStays() {
	c.mu.Lock()
	clear(c.left.stays)
	c.mu.Unlock()
}

// removed notes how many sources went.
func (c *console) removed(n uint64) {
	c.mu.Lock()
	c.left.gone = n
	c.mu.Unlock()
}

// lines say it in the summary.
func (d *departure) lines(dry bool) (lines []string) {
	if !d.wanted {
		return nil
	}
	if dry {
		return []string{"nothing is removed here by a dry run (--remove-source-files)"}
	}
	lines = append(lines, "removed here: "+plural(d.gone, "entry", "entries"))
	if n := d.stays.total(); n > 0 {
		lines = append(lines, "not removed here: "+plural(n, "entry", "entries")+": "+d.stays.String())
	}
	return lines
}
