package model

import (
	"math"
	"time"
)

// instant is a point of virtual time, or a span of it: picoseconds, so that a segment
// of 4 KiB at 800 Gbit/s is not rounded away.
type instant int64

const second = instant(1e12)

// spanOf is a duration in virtual time.
func spanOf(d time.Duration) instant { return instant(d) * 1000 }

// spanAt is what n bytes take at a rate in bytes per second; 0: no time.
func spanAt(n int, rate float64) instant {
	if rate == 0 {
		return 0
	}
	return instant(math.Round(float64(n) / rate * float64(second)))
}

// seconds of a span.
func (i instant) seconds() float64 { return float64(i) / float64(second) }

// event is what happens at a time. Of those at one time the first that was asked
// for happens first.
type event struct {
	at   instant
	turn uint64
	do   func()
}

// clock is virtual time and what is to happen in it.
type clock struct {
	now    instant
	turn   uint64
	events events
}

// after has something happen when a span is over.
func (c *clock) after(span instant, do func()) {
	c.turn++
	c.events.push(event{at: c.now + span, turn: c.turn, do: do})
}

// step goes on to the next event; false: there is none.
func (c *clock) step() bool {
	if len(c.events) == 0 {
		return false
	}
	e := c.events.pop()
	c.now = e.at
	e.do()
	return true
}

// events is a binary heap. That of container/heap takes values as any, which is an
// allocation for each: half of the time of a run.
type events []event

func (e events) before(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].turn < e[j].turn
}

func (e *events) push(v event) {
	*e = append(*e, v)
	list := *e
	for i := len(list) - 1; i > 0; {
		up := (i - 1) / 2
		if !list.before(i, up) {
			return
		}
		list[i], list[up] = list[up], list[i]
		i = up
	}
}

func (e *events) pop() event {
	list := *e
	first, last := list[0], len(list)-1
	list[0], list[last] = list[last], event{} // what it did is not kept alive
	*e = list[:last]
	for i := 0; ; {
		least := i
		for _, down := range []int{2*i + 1, 2*i + 2} {
			if down < last && list.before(down, least) {
				least = down
			}
		}
		if least == i {
			return first
		}
		list[i], list[least] = list[least], list[i]
		i = least
	}
}
