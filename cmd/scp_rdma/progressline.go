package main

import (
	"fmt"
	"math"

	"github.com/cheggaaa/pb/v3"

	"scp_rdma/engine"
)

// What the line shows, the most important first: a narrow terminal cuts the end.
const (
	// While nothing can be counted: the seconds show that it lives.
	waitTemplate = `{{string . "title"}} {{etime . "(%s)"}}`
	// While the walk runs the whole is not known: no percent and no time left.
	walkTemplate = `scanning: {{counters . "%s of %s found so far" "%[1]s of %[2]s found so far"}} {{speed . "%s/s" "0 B/s"}} {{string . "files"}} {{string . "current"}}`
	// Of a stream nobody knows the whole.
	streamTemplate = `{{counters . "%s" "%s"}} {{speed . "%s/s" "0 B/s"}} {{string . "current"}}`
	sendTemplate   = `{{percent . "%.0f%%" "0%"}} {{counters . "%s of %s" "%[1]s of %[2]s"}} {{speed . "%s/s" "0 B/s"}} {{rtime . "ETA %s" "%s" "ETA ?"}} {{string . "files"}} {{string . "current"}}`
	// With room for a bar.
	wideTemplate = `{{percent . "%.0f%%" "0%"}} {{bar .}} {{counters . "%s of %s" "%[1]s of %[2]s"}} {{speed . "%s/s" "0 B/s"}} {{rtime . "ETA %s" "%s" "ETA ?"}} {{string . "files"}} {{string . "current"}}`

	// wide: columns that all fields and a bar of ten need, with a name of a third.
	wide = 130
)

// progressLine turns snapshots into text.
type progressLine struct{ bar *pb.ProgressBar }

func newProgressLine() *progressLine {
	bar := pb.New(0).Set(pb.Static, true).Set(pb.Terminal, false).Set(pb.Color, false)
	return &progressLine{bar: bar.Start()} // static: starts no goroutine
}

// wait is a line for what can't be counted.
func (l *progressLine) wait(title string, width int) string {
	l.bar.Set("title", title)
	return l.render(waitTemplate, width)
}

// show is the line for a transfer. title is what is said until it is connected.
func (l *progressLine) show(s engine.Snapshot, title string, width int) string {
	switch s.Phase {
	case engine.PhaseConnecting:
		return l.wait(title, width)
	case engine.PhaseFinishing, engine.PhaseDone:
		return l.wait(fmt.Sprintf("finishing: %s sent, waiting for the server", plural(s.Files, "file", "files")), width)
	default:
	}
	l.count(s)
	template := sendTemplate
	more := ""
	switch {
	case s.Unsized:
		template = streamTemplate
	case !s.WalkDone:
		template, more = walkTemplate, "+"
	case width >= wide:
		template = wideTemplate
	}
	l.bar.Set("files", fmt.Sprintf("%d/%d%s files", s.FilesDone, s.Files, more))
	l.bar.Set("current", shorten(quote(s.Current), width/3))
	return l.render(template, width)
}

// count gives the bar its numbers: bytes, or files where all are empty.
func (l *progressLine) count(s engine.Snapshot) {
	total, done := s.Bytes, s.BytesDone
	if total == 0 {
		total, done = s.Files, s.FilesDone
	}
	l.bar.Set(pb.Bytes, s.Bytes > 0)
	total = min(total, math.MaxInt64)
	l.bar.SetTotal(int64(total)).SetCurrent(int64(min(done, total)))
}

func (l *progressLine) render(template string, width int) string {
	l.bar.SetWidth(width).SetTemplateString(template)
	return pb.StripString(l.bar.String(), width)
}

// shorten keeps the end of a path, which tells more than its beginning.
func shorten(s string, width int) string {
	const cut = "..."
	if pb.CellCount(s) <= width {
		return s
	}
	r := []rune(s)
	from, room := len(r), width-len(cut)
	for from > 0 && room >= pb.CellCount(string(r[from-1])) {
		from--
		room -= pb.CellCount(string(r[from]))
	}
	if room < 0 {
		return ""
	}
	return cut + string(r[from:])
}
