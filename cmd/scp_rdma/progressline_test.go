package main

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cheggaaa/pb/v3"

	"scp_rdma/engine"
)

// shown gives the line for a second snapshot, a second after a first one.
func shown(t *testing.T, width int, first, second engine.Snapshot) (line string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := newProgressLine()
		l.show(first, "connecting", width)
		<-time.After(time.Second)
		line = strings.Join(strings.Fields(l.show(second, "connecting", width)), " ")
	})
	return line
}

func TestTheLineSaysWhatThereIsToKnow(t *testing.T) {
	sending := engine.Snapshot{Phase: engine.PhaseSending, WalkDone: true, Files: 20, FilesDone: 5, Bytes: 40 << 20, Current: "dir/name"}
	later := sending
	later.BytesDone, later.FilesDone = 10<<20, 7
	walking := later
	walking.WalkDone = false
	empty := engine.Snapshot{Phase: engine.PhaseSending, WalkDone: true, Files: 400}
	emptied := empty
	emptied.FilesDone = 100
	overdone := later
	overdone.BytesDone = 99 << 20 // a file that grew
	tests := map[string]struct {
		width         int
		first, second engine.Snapshot
		want          string
	}{
		"connecting": {80, engine.Snapshot{}, engine.Snapshot{}, "connecting (1.0s)"},
		"sending":    {120, sending, later, "25% 10.00 MiB of 40.00 MiB 10.00 MiB/s ETA 3s 7/20 files dir/name"},
		"sending, with room for a bar": {160, sending, later,
			"25% [---------------------->_____________________________________________________________________] 10.00 MiB of 40.00 MiB 10.00 MiB/s ETA 3s 7/20 files dir/name"},
		"scanning":             {120, sending, walking, "scanning: 10.00 MiB of 40.00 MiB found so far 10.00 MiB/s 7/20+ files dir/name"},
		"only empty files":     {120, empty, emptied, "25% 100 of 400 100/s ETA 3s 100/400 files"},
		"stalled":              {120, sending, sending, "0% 0 B of 40.00 MiB 0 B/s ETA ? 5/20 files dir/name"},
		"more than was found":  {120, sending, overdone, "100% 40.00 MiB of 40.00 MiB 40.00 MiB/s ETA 0s 7/20 files dir/name"},
		"a narrow terminal":    {40, sending, later, "25% 10.00 MiB of 40.00 MiB 10.00 MiB/s E"},
		"a very narrow one":    {5, sending, later, "25% 1"},
		"finishing":            {80, sending, engine.Snapshot{Phase: engine.PhaseFinishing, Files: 1}, "finishing: 1 file sent, waiting for the server (1.0s)"},
		"nothing to send":      {80, engine.Snapshot{Phase: engine.PhaseSending}, engine.Snapshot{Phase: engine.PhaseSending}, "scanning: 0 of 0 found so far 0 B/s 0/0+ files"},
		"done, for a moment":   {80, sending, engine.Snapshot{Phase: engine.PhaseDone, Files: 2}, "finishing: 2 files sent, waiting for the server (1.0s)"},
		"a name that is evil":  {120, sending, evil(later, "a\x1b[2J\n\u202eb"), `25% 10.00 MiB of 40.00 MiB 10.00 MiB/s ETA 3s 7/20 files a\x1b[2J\n\u202eb`},
		"a name that is long":  {90, sending, evil(later, strings.Repeat("x", 300)+"/end"), "25% 10.00 MiB of 40.00 MiB 10.00 MiB/s ETA 3s 7/20 files ...xxxxxxxxxxxxxxxxxxxxxxx/end"},
		"a name of wide runes": {90, sending, evil(later, strings.Repeat("世", 300)), "25% 10.00 MiB of 40.00 MiB 10.00 MiB/s ETA 3s 7/20 files ..." + strings.Repeat("世", 13)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := shown(t, tt.width, tt.first, tt.second); got != tt.want {
				t.Errorf("\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func evil(s engine.Snapshot, name string) engine.Snapshot {
	s.Current = name
	return s
}

// FuzzLine: whatever is sent, the line fits and has nothing that a terminal obeys.
func FuzzLine(f *testing.F) {
	f.Add("name", uint8(80), uint8(1), true, uint64(5), uint64(9))
	f.Add("世界\x1b[31m", uint8(3), uint8(1), false, uint64(1<<63), uint64(1<<64-1))
	f.Add("n", uint8(80), uint8(1), true, uint64(1<<63), uint64(1<<64-1))
	f.Add("\u0301\u200d", uint8(200), uint8(1), true, uint64(0), uint64(0))
	f.Fuzz(func(t *testing.T, name string, width, phase uint8, walked bool, done, total uint64) {
		s := engine.Snapshot{
			Phase: engine.Phase(phase % 4), WalkDone: walked, Current: name,
			Files: total, FilesDone: done, Bytes: total / 2, BytesDone: done,
		}
		line := newProgressLine().show(s, "title", int(width))
		if n := pb.CellCount(line); n > int(width) {
			t.Errorf("%d cells in %d: %q", n, width, line)
		}
		if strings.ContainsAny(line, "\r\n\x1b") || strings.Contains(line, "%!") && !strings.Contains(name, "%") {
			t.Errorf("%q", line)
		}
	})
}
