package main

import (
	"fmt"
	"strings"
	"time"

	"scp_rdma/engine"
)

// RailChanged implements engine.Observer. Programs are told of each change; people, once it lasts,
// that a rail is slow, and once more if it gets nothing at all; and then that it is well again.
func (c *console) RailChanged(r engine.RailChange) {
	if c.json && !r.Lasts {
		c.emit("rail", event{Rail: r.Rail, Best: r.Best, State: r.State.String(), Part: &r.Part})
	}
	c.mu.Lock()
	if c.slow == nil {
		c.slow = map[string]engine.RailState{}
	}
	worst := c.slow[r.Rail]
	if r.State == engine.RailCarries || r.Lasts {
		c.slow[r.Rail] = r.State
	}
	c.mu.Unlock()
	switch {
	case r.Expected:
	case r.State == engine.RailCarries && worst > engine.RailCarries:
		c.note(fmt.Sprintf("rail %s is well again and carries its share", quote(r.Rail)))
	case r.Lasts && r.State > worst:
		c.note(slowWords(r))
	}
}

// slowWords warn of a rail that is slow.
func slowWords(r engine.RailChange) string {
	given := "it is given less"
	if r.State == engine.RailNone {
		given = "it is given nothing but a probe now and then"
	}
	return fmt.Sprintf("warning: rail %s is slow, it does %s of what %s does: %s. Look at its cable and port, for pause frames (ethtool -S), and at it alone: scp_rdma bench -d %s HOST",
		quote(r.Rail), part(r.Part), quote(r.Best), given, quote(r.Rail))
}

// part is a share of a whole, as people read it.
func part(p float64) string {
	if p < 0.01 {
		return "less than 1%"
	}
	return fmt.Sprintf("%.0f%%", 100*p)
}

// railHealth is what is said of a rail that has carried n of all bytes.
func railHealth(r engine.RailReport, all uint64) string {
	var parts []string
	if all > 0 {
		parts = append(parts, part(float64(r.Bytes)/float64(all))+" of all")
	}
	if r.Latency > 0 {
		parts = append(parts, fmt.Sprintf("%s/s at work, a frame takes %s", size(uint64(r.Rate)), shortTime(r.Latency)))
	}
	if r.Slow > 0 {
		text := fmt.Sprintf("slow for %s", seconds(r.Slow))
		if r.State != engine.RailCarries {
			text += fmt.Sprintf(" (%s of the best one, given %s)", part(r.Part), givenWord(r.State))
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

func givenWord(s engine.RailState) string {
	if s == engine.RailNone {
		return "nothing"
	}
	return s.String()
}

// shortTime is a latency.
func shortTime(d time.Duration) string {
	if d < 100*time.Microsecond {
		return fmt.Sprintf("%d us", d.Microseconds())
	}
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}
