package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/cheggaaa/pb/v3"

	"scp_rdma/engine"
)

// fullSpan is what rates are of: long enough for numbers that can be read.
const fullSpan = 3 * time.Second

// progressFull is what rails and streams do, below the line of the whole.
type progressFull struct {
	history history
	paint   painter
}

func newProgressFull(paint painter) *progressFull {
	return &progressFull{history: history{span: fullSpan}, paint: paint}
}

// lines are at most so many of them, of so many cells: each rail with its streams. What
// has no room is counted.
func (f *progressFull) lines(s sample, width, room int) []string {
	v := f.history.add(s)
	if room < 1 {
		return nil
	}
	var all []string
	here := map[string]bool{}
	for _, rail := range v.now.Rails {
		here[rail.Name] = true
		all = append(all, f.rail(v, rail, width))
		for _, st := range v.now.Streams {
			if st.Rail == rail.Name {
				all = append(all, f.stream(v, st, width))
			}
		}
	}
	for _, st := range v.now.Streams {
		if !here[st.Rail] {
			all = append(all, f.stream(v, st, width))
		}
	}
	if over := len(all) - room; over > 0 {
		all = append(all[:room-1], f.paint.paint(fmt.Sprintf("  and %d more, in a higher window", over+1), "", calm, width))
	}
	return all
}

// rail is a line: what it has carried and carries.
func (f *progressFull) rail(v view, r engine.RailReport, width int) string {
	name := "rail " + quote(r.Name)
	if r.Peer != "" {
		name += " with " + quote(r.Peer)
	}
	return f.paint.paint(inColumns(name, r.Bytes, v.per(v.rail(r)), width), plural(uint64(r.Streams), "stream", "streams"), calm, width)
}

// stream is a line: what it carries, and what it does.
func (f *progressFull) stream(v view, s engine.StreamReport, width int) string {
	words, m := v.streamWords(s)
	return f.paint.paint(inColumns(fmt.Sprintf("  stream %d", s.Stream), s.Bytes, v.per(grown(v.stream(s).Bytes, s.Bytes)), width), words, m, width)
}

// inColumns is a name, what was carried and how fast, below each other. A narrow terminal
// has no room for long names.
func inColumns(name string, n uint64, speed string, width int) string {
	const least, numbers = 12, 50 // with the words behind them
	pad := max(least, min(width/3, 28))
	name = shorten(name, max(pad, min(width-numbers, 40)))
	return name + strings.Repeat(" ", max(1, pad-pb.CellCount(name))) + fmt.Sprintf("%11s %13s  ", size(n), speed)
}
