package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/cheggaaa/pb/v3"
	"golang.org/x/sys/unix"

	"scp_rdma/engine"
)

const (
	// tick: often enough to live, seldom enough to cost nothing.
	tick = 200 * time.Millisecond
	// minWidth: on narrower terminals lines would wrap and pile up.
	minWidth = 20
	// The line: what it is at, a bar once the whole is known, rate, time left, files.
	template = `{{string . "phase"}} {{string . "files"}} {{counters .}} {{bar . }} {{percent .}} {{speed . }} {{rtime . "%s left"}} {{string . "current"}}`
)

// progress is the one line below all others on a terminal.
type progress struct {
	w     io.Writer
	width func() int
	bar   *pb.ProgressBar

	mu       sync.Mutex
	snapshot func() engine.Snapshot
	shown    bool
	stop     chan struct{}
	wg       sync.WaitGroup
}

// newProgress gives a progress line if w is a terminal, else nil.
func newProgress(w io.Writer) *progress {
	f, ok := w.(*os.File)
	if !ok {
		return nil
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return nil
	}
	width := func() int {
		n := 0
		_ = raw.Control(func(fd uintptr) {
			if ws, err := unix.IoctlGetWinsize(int(fd), unix.TIOCGWINSZ); err == nil {
				n = int(ws.Col)
				if n == 0 {
					n = 80 // a terminal that doesn't say
				}
			}
		})
		return n
	}
	if width() == 0 {
		return nil
	}
	bar := pb.ProgressBarTemplate(template).New(0)
	bar.Set(pb.Bytes, true).Set(pb.Static, true).Set(pb.Color, false).Set(pb.SIBytesPrefix, false)
	return &progress{w: w, width: width, bar: bar}
}

func (p *progress) watch(snapshot func() engine.Snapshot) {
	p.mu.Lock()
	p.snapshot = snapshot
	p.mu.Unlock()
}

// begin shows the line until end.
func (p *progress) begin() {
	p.stop = make(chan struct{})
	p.bar.Start()
	p.wg.Go(func() {
		t := time.NewTicker(tick)
		defer t.Stop()
		for {
			p.draw()
			select {
			case <-t.C:
			case <-p.stop:
				return
			}
		}
	})
}

// end takes the line away.
func (p *progress) end() {
	close(p.stop)
	p.wg.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
}

// above prints a line over the progress line.
func (p *progress) above(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	_, _ = fmt.Fprintln(p.w, s)
}

// clear wipes the line; p.mu is held.
func (p *progress) clear() {
	if p.shown {
		_, _ = io.WriteString(p.w, "\r\x1b[K")
		p.shown = false
	}
}

func (p *progress) draw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	width := p.width()
	if p.snapshot == nil || width < minWidth {
		return
	}
	p.set(p.snapshot(), width)
	line := []rune(p.bar.String())
	_, _ = io.WriteString(p.w, "\r"+string(line[:min(len(line), width-1)])+"\x1b[K")
	p.shown = true
}

// set gives the bar what there is to show.
func (p *progress) set(s engine.Snapshot, width int) {
	phase := map[engine.Phase]string{
		engine.PhaseConnecting: "connecting", engine.PhaseSending: "sending", engine.PhaseFinishing: "finishing", engine.PhaseDone: "done",
	}[s.Phase]
	more := ""
	if !s.WalkDone && s.Phase == engine.PhaseSending {
		phase, more = "scanning, sending", "+"
	}
	p.bar.SetWidth(width - 1)
	p.bar.SetTotal(int64(s.Bytes)).SetCurrent(int64(s.BytesDone))
	p.bar.Set("phase", phase)
	p.bar.Set("files", fmt.Sprintf("%d/%d%s files", s.FilesDone, s.Files, more))
	p.bar.Set("current", shorten(quote(s.Current), width/3))
}

// shorten keeps the end of a path, which tells more than its beginning.
func shorten(s string, width int) string {
	r := []rune(s)
	if len(r) <= width {
		return s
	}
	return "…" + string(r[len(r)-max(width-1, 0):])
}
