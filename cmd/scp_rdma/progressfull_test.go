package main

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cheggaaa/pb/v3"

	"scp_rdma/engine"
)

// twoRails is a transfer over two rails, a second after another.
func twoRails(base time.Time) (first, second sample) {
	snap := engine.Snapshot{
		Phase: engine.PhaseSending, WalkDone: true, Files: 4, Bytes: 100 << 20, BytesDone: 10 << 20, Started: base,
		Rails: []engine.RailReport{{Name: "a\x1b[2J", Peer: "x", Streams: 2, Bytes: 10 << 20}, {Name: "b", Streams: 1}},
		Streams: []engine.StreamReport{
			{Stream: 0, Rail: "a\x1b[2J", Bytes: 8 << 20, Doing: engine.DoingCredits, Joined: 1, Spent: engine.Spent{engine.DoingRead: time.Second}},
			{Stream: 1, Rail: "b", Doing: engine.DoingSend, Joined: 1},
			{Stream: 2, Rail: "a\x1b[2J", Bytes: 2 << 20, Doing: engine.DoingWalk, Joined: 1},
			{Stream: 3},
		},
	}
	next := snap
	next.BytesDone, next.FilesDone = 30<<20, 2
	next.Rails = []engine.RailReport{{Name: "a\x1b[2J", Peer: "x", Streams: 2, Bytes: 26 << 20}, {Name: "b", Streams: 1, Bytes: 4 << 20}}
	next.Streams = []engine.StreamReport{
		{Stream: 0, Rail: "a\x1b[2J", Bytes: 16 << 20, Doing: engine.DoingRead, Joined: 1,
			Spent: engine.Spent{engine.DoingRead: 1400 * time.Millisecond, engine.DoingCredits: 1600 * time.Millisecond}},
		{Stream: 1, Rail: "b", Bytes: 4 << 20, Doing: engine.DoingJoin, Joined: 1, Spent: engine.Spent{engine.DoingJoin: time.Second}},
		{Stream: 2, Rail: "a\x1b[2J", Bytes: 10 << 20, Doing: engine.DoingIdle, Joined: 1, Spent: engine.Spent{engine.DoingWalk: 2 * time.Second}},
		{Stream: 3, Doing: engine.DoingEnd},
	}
	return sample{base.Add(time.Second), snap}, sample{base.Add(3 * time.Second), next}
}

func TestRailsAndStreamsTellWhatTheyDo(t *testing.T) {
	first, second := twoRails(time.Now())
	full := func(room int) string {
		f := newProgressFull(painter{})
		f.lines(first, 100, room)
		return strings.Join(f.lines(second, 100, room), "\n")
	}
	want := `rail a\x1b[2J with x           26.0 MiB     8.0 MiB/s  2 streams
  stream 0                     16.0 MiB     4.0 MiB/s  waiting for credits 80%
  stream 2                     10.0 MiB     4.0 MiB/s  waiting for the walk
rail b                          4.0 MiB     2.0 MiB/s  1 stream
  stream 1                      4.0 MiB     2.0 MiB/s  broken, being tried again
  stream 3                          0 B         0 B/s  done`
	if got := full(20); got != want {
		t.Errorf("\n%s\nwant\n%s", got, want)
	}
	lines := strings.Split(want, "\n")
	if got := full(3); got != lines[0]+"\n"+lines[1]+"\n  and 4 more, in a higher window" {
		t.Errorf("\n%s", got)
	}
	if got := full(0); got != "" {
		t.Errorf("no room for %q", got)
	}
}

func TestAnotherSessionBeginsAnew(t *testing.T) {
	first, second := twoRails(time.Now())
	var h history
	h.add(first)
	second.snap.Started = second.at.Add(-time.Second)
	if v := h.add(second); v.took != time.Second || v.speed() != "30.0 MiB/s" || len(h.list) != 1 {
		t.Errorf("%v %s %d", v.took, v.speed(), len(h.list))
	}
}

// The oldest sample is as old as the span, and no more are kept than fit it.
func TestHistoryForgets(t *testing.T) {
	h := history{span: 3 * time.Second}
	base := time.Now()
	for i := range 100 {
		at := base.Add(time.Duration(i) * 200 * time.Millisecond)
		v := h.add(sample{at, engine.Snapshot{Started: base}})
		if i > 20 && v.took != h.span {
			t.Fatalf("sample %d is seen from %v ago", i, v.took)
		}
	}
	if len(h.list) > 17 {
		t.Errorf("%d samples", len(h.list))
	}
}

// drawnOn is progress on a screen.
func drawnOn(s *screen, paint painter) *progress {
	p := &progress{w: s, line: newProgressLine(), size: func() (int, int) { return s.width, s.height }, full: newProgressFull(paint)}
	return p
}

// Whatever the size of the window, and while it changes: nothing wraps, the first line stays
// to be seen, what is said meanwhile stays, and nothing else is left.
func TestManyLinesLeaveTheScreenAsItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, size := range [][2]int{{100, 24}, {100, 5}, {60, 3}, {30, 10}, {9, 4}, {2, 2}, {200, 1}} {
			s := newScreen(t, size[0], size[1])
			p := drawnOn(s, painter{colours: true})
			p.above("a")
			first, second := twoRails(time.Now())
			for i := range 11 {
				snap := []engine.Snapshot{first.snap, second.snap, {Phase: engine.PhaseConnecting}}[i%3]
				p.watch(func() engine.Snapshot { return snap })
				p.draw()
				<-time.After(tick)
				if p.shown > max(1, s.height-1) {
					t.Fatalf("%v: %d lines are shown", size, p.shown)
				}
				if i == 4 {
					p.above("b")
				}
			}
			p.end()
			if got := strings.Join(s.rows, "|"); got != "a|b|" {
				t.Errorf("%v: left is %q", size, got)
			}
			if s.colours == 0 && size[0] > 60 && size[1] > 6 {
				t.Errorf("%v: no colours", size)
			}
		}
	})
}

func TestAWindowThatShrinksIsFollowed(t *testing.T) {
	s := newScreen(t, 100, 24)
	p := drawnOn(s, painter{})
	_, second := twoRails(time.Now())
	p.watch(func() engine.Snapshot { return second.snap })
	p.draw()
	if _, seen := s.window(); len(seen) != 7 {
		t.Errorf("%d lines: %q", len(seen), seen)
	}
	s.width, s.height = 40, 4
	s.top = len(s.rows) - s.height
	p.draw()
	if _, seen := s.window(); len(seen) != 3 {
		t.Errorf("%d lines: %q", len(seen), seen)
	}
	s.width, s.height = 80, 24
	p.draw()
	if p.shown != 7 || s.colours != 0 {
		t.Errorf("%d lines, %d colours", p.shown, s.colours)
	}
}

func TestColoursAreForTerminalsThatMayHaveThem(t *testing.T) {
	env := func(value string) func(string) string { return func(string) string { return value } }
	if !newPainter(env("")).colours || newPainter(env("1")).colours {
		t.Error("NO_COLOR is not heeded")
	}
	p := painter{colours: true}
	for _, tt := range []struct {
		m     mood
		width int
		want  string
	}{{calm, 20, "plain moody"}, {waits, 20, "plain \x1b[33mmoody\x1b[0m"}, {bad, 8, "plain \x1b[31mmo\x1b[0m"}, {bad, 5, "plain"}, {bad, 0, ""}} {
		if got := p.paint("plain ", "moody", tt.m, tt.width); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

// FuzzFull: whatever rails are called, and whatever is counted, no line is too long, nor
// has anything that a terminal obeys.
func FuzzFull(f *testing.F) {
	f.Add("eth0", uint8(80), uint8(24), uint64(1), uint64(2), uint8(3))
	f.Add("世界\x1b[31m\r\n", uint8(7), uint8(3), uint64(1<<63), uint64(1<<64-1), uint8(200))
	f.Fuzz(func(t *testing.T, name string, width, room uint8, a, b uint64, doing uint8) {
		full := newProgressFull(painter{})
		base := time.Now()
		for i, n := range []uint64{a, b} {
			snap := engine.Snapshot{Started: base, Bytes: b, BytesDone: n, Rails: []engine.RailReport{{Name: name, Peer: name, Bytes: n}}}
			for k := range 5 {
				s := engine.StreamReport{Stream: uint32(k), Rail: name, Bytes: n, Doing: engine.Doing(doing), Joined: k}
				s.Spent[int(doing)%len(s.Spent)] = time.Duration(n)
				snap.Streams = append(snap.Streams, s)
			}
			lines := full.lines(sample{base.Add(time.Duration(i) * time.Second), snap}, int(width), int(room))
			if len(lines) > int(room) {
				t.Errorf("%d lines in %d", len(lines), room)
			}
			for _, line := range lines {
				if pb.CellCount(line) > int(width) || strings.ContainsAny(line, "\r\n\x1b") {
					t.Errorf("%d cells in %d: %q", pb.CellCount(line), width, line)
				}
			}
		}
	})
}

func TestStatusIsALine(t *testing.T) {
	first, second := twoRails(time.Now())
	h := history{span: time.Minute}
	h.add(first)
	v := h.add(second)
	want := `30%, 30.0 MiB of 100.0 MiB in all, 10.0 MiB/s, ETA 7s, 2 of 4 files; rail a\x1b[2J 26.0 MiB, 8.0 MiB/s; rail b 4.0 MiB, 2.0 MiB/s; ` +
		`streams mostly waiting for the walk (40%); 1 stream is broken and tried again`
	if got := statusLine(v); got != want {
		t.Errorf("\n%s\nwant\n%s", got, want)
	}
	v = view{now: engine.Snapshot{Files: 1, Bytes: 5}, took: 0}
	if got := statusLine(v); got != "0 B of 5 B found so far, 0 B/s, 0 of 1 file" {
		t.Error(got)
	}
	second.snap.Bytes = 1 << 62
	if left := (view{now: second.snap, then: second.snap, took: time.Second}).left(); left != "" {
		t.Errorf("stalled, and %s left", left)
	}
	if left := (view{now: second.snap, then: first.snap, took: time.Hour}).left(); !strings.Contains(left, "876000h") {
		t.Errorf("%s left", left)
	}
}

func TestAServerTellsOfEachSession(t *testing.T) {
	var g guests
	if got := fmt.Sprint(g.tells()); got != "[no session]" {
		t.Error(got)
	}
	_, second := twoRails(time.Now().Add(-3 * time.Second))
	for _, id := range []string{"1", "2", "3"} {
		g.come(engine.SessionInfo{ID: id, Peer: "h:1", Name: "n\x1b", Target: "t", Sends: id == "2", Snapshot: func() engine.Snapshot { return second.snap }})
	}
	g.leave(engine.SessionInfo{ID: "1"})
	got := g.tells()
	if len(got) != 3 || !strings.HasPrefix(got[0], `n\x1b@h:1: session 2, from t: 30%, 30.0 MiB of 100.0 MiB in all, `) ||
		!strings.HasPrefix(got[1], `n\x1b@h:1: session 3, into t: `) || !strings.HasPrefix(got[2], "2 sessions, 8 streams: 60.0 MiB, ") {
		t.Errorf("%q", got)
	}
}
