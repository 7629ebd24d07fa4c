package sweep

import (
	"context"
	"slices"
)

// compare measures the defaults and the best in turns: what a host has done in one
// second says little of the next.
func (s *sweeper) compare(ctx context.Context) error {
	r := &s.report
	r.Best, r.Ratio, r.Turns = s.best, 1, []Turn{}
	if r.Best.Setting == r.Default.Setting {
		return nil
	}
	for range turns {
		var t Turn
		for _, of := range []struct {
			rate *float64
			set  Setting
		}{{&t.Default, r.Default.Setting}, {&t.Best, r.Best.Setting}} {
			b, err := s.measure(ctx, of.set)
			if err != nil {
				return err
			}
			*of.rate = b.Rate()
		}
		r.Turns = append(r.Turns, t)
	}
	def, best := medians(r.Turns)
	r.Ratio = def / max(best, 1)
	return nil
}

// medians of the defaults' rates and the best's.
func medians(turns []Turn) (def, best float64) {
	var defs, bests []float64
	for _, t := range turns {
		defs, bests = append(defs, t.Default), append(bests, t.Best)
	}
	slices.Sort(defs)
	slices.Sort(bests)
	return defs[len(defs)/2], bests[len(bests)/2]
}

// Enough says that the defaults are as good as the best that was found.
func (r *Report) Enough() bool { return r.Ratio >= near }

// Advice is what differs from the defaults in the settings to use; nothing where the
// defaults are enough.
func (r *Report) Advice() Setting {
	var a Setting
	if r.Enough() {
		return a
	}
	if r.Best.Streams != r.Default.Streams {
		a.Streams = r.Best.Streams
	}
	if r.Best.Slots != r.Default.Slots {
		a.Slots = r.Best.Slots
	}
	if r.Best.Size != r.Default.Size {
		a.Size = r.Best.Size
	}
	a.Rail = r.Best.Rail
	return a
}

// Rate is what the settings to use have carried, bytes per second.
func (r *Report) Rate() float64 {
	switch {
	case len(r.Turns) == 0:
		return r.Best.Rate
	case r.Enough():
		def, _ := medians(r.Turns)
		return def
	}
	_, best := medians(r.Turns)
	return best
}
