package main

import (
	"fmt"
	"time"

	"scp_rdma/engine"
)

// sample is a transfer at a time.
type sample struct {
	at   time.Time
	snap engine.Snapshot
}

// history is the samples of the last while.
type history struct {
	span time.Duration
	list []sample // oldest first
}

// add takes a sample, and gives the view from the oldest one on that is there to it, or
// from the beginning of the transfer.
func (h *history) add(s sample) view {
	n := len(h.list)
	if n > 0 && !h.list[n-1].snap.Started.Equal(s.snap.Started) {
		h.list = nil // another session: all was counted anew
	}
	// The oldest stays as long as no other is old enough.
	for len(h.list) > 1 && s.at.Sub(h.list[1].at) >= h.span {
		h.list = h.list[1:]
	}
	v := view{now: s.snap, took: s.at.Sub(s.snap.Started)}
	if len(h.list) > 0 {
		v.then, v.took = h.list[0].snap, s.at.Sub(h.list[0].at)
	}
	h.list = append(h.list, s)
	return v
}

// view is what a transfer did within a while.
type view struct {
	then, now engine.Snapshot
	took      time.Duration
}

// grown is what a counter has grown by; one that began anew has not.
func grown[T uint64 | time.Duration](then, now T) T { return now - min(then, now) }

// speed is what the acknowledged bytes grow by in a second.
func (v view) speed() string { return v.per(grown(v.then.BytesDone, v.now.BytesDone)) }

// per is n bytes in the while, in a second.
func (v view) per(n uint64) string { return rate(n, v.took) }

// rail is what a rail has carried in the while.
func (v view) rail(r engine.RailReport) uint64 {
	for _, o := range v.then.Rails {
		if o.Name == r.Name {
			return grown(o.Bytes, r.Bytes)
		}
	}
	return r.Bytes
}

// stream is how a stream was when the while began.
func (v view) stream(s engine.StreamReport) engine.StreamReport {
	for _, o := range v.then.Streams {
		if o.Stream == s.Stream && o.Joined <= s.Joined && o.Bytes <= s.Bytes {
			return o
		}
	}
	return engine.StreamReport{}
}

// mostly is what these streams did for most of the while, and the part of it.
func (v view) mostly(streams ...engine.StreamReport) (engine.Doing, float64) {
	var spent engine.Spent
	var sum time.Duration
	for _, s := range streams {
		o := v.stream(s)
		for d := range s.Spent {
			spent[d] += grown(o.Spent[d], s.Spent[d])
		}
	}
	best := engine.DoingJoin
	for d := range engine.DoingEnd {
		sum += spent[d]
		if spent[d] > spent[best] {
			best = d
		}
	}
	switch {
	case sum <= 0:
		return engine.DoingEnd, 1
	case best == engine.DoingIdle && !v.now.WalkDone:
		return engine.DoingWalk, spent[best].Seconds() / sum.Seconds()
	}
	return best, spent[best].Seconds() / sum.Seconds()
}

// left is the time until all is done, at the speed of the while; "" if nobody knows.
func (v view) left() string {
	n := grown(v.then.BytesDone, v.now.BytesDone)
	if !v.now.WalkDone || n == 0 || v.took <= 0 {
		return ""
	}
	secs := float64(grown(v.now.BytesDone, v.now.Bytes)) / float64(n) * v.took.Seconds()
	const century = 100 * 365 * 24 * 3600
	return (time.Duration(min(secs, century)) * time.Second).String()
}

// doingWords say what a worker does.
func doingWords(d engine.Doing) string {
	switch d {
	case engine.DoingJoin:
		return "opening streams"
	case engine.DoingCredits:
		return "waiting for credits"
	case engine.DoingWalk:
		return "waiting for the walk"
	case engine.DoingIdle, engine.DoingAnswers:
		return "idle"
	case engine.DoingRead:
		return "reading"
	case engine.DoingSum:
		return "summing"
	case engine.DoingLimit:
		return "held back by --limit"
	case engine.DoingSend:
		return "sending"
	case engine.DoingFrames:
		return "waiting for data"
	case engine.DoingWrite:
		return "writing"
	case engine.DoingFiles:
		return "making files"
	default:
		return "done"
	}
}

// streamWords say what a stream does, and whether that is nothing good.
func (v view) streamWords(s engine.StreamReport) (string, mood) {
	switch {
	case s.Doing == engine.DoingEnd:
		return "done", calm
	case s.Doing == engine.DoingJoin && s.Joined > 0:
		return "broken, being tried again", bad
	case s.Doing == engine.DoingJoin:
		return "being opened", waits
	}
	d, share := v.mostly(s)
	text := doingWords(d)
	if share < 0.95 {
		text = fmt.Sprintf("%s %.0f%%", text, 100*share)
	}
	switch d {
	case engine.DoingCredits, engine.DoingWalk, engine.DoingAnswers, engine.DoingLimit, engine.DoingFrames:
		return text, waits
	default:
		return text, calm
	}
}
