package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"scp_rdma/engine"
)

// tick: often enough to live, seldom enough to cost nothing. The first one is
// waited for, so that what is over at once does not flicker. A terminal that changes its
// size is seen with the next.
const tick = 200 * time.Millisecond

// plainWidth and plainHeight are for a terminal that doesn't say how large it is.
const plainWidth, plainHeight = 80, 24

// progress is the line below all others on a terminal, and what more is shown below that.
type progress struct {
	w    io.Writer
	size func() (width, height int) // 0, 0: no terminal

	mu       sync.Mutex
	line     *progressLine
	full     *progressFull // nil: the line is all
	snapshot func() engine.Snapshot
	title    string // until there is a snapshot
	stopping bool
	shown    int           // lines on the screen; the cursor is behind the last
	stop     chan struct{} // nil: not running
	wg       sync.WaitGroup
}

// newProgress gives what shows progress as mode says, if stderr is a terminal that can
// take it, else nil.
func newProgress(e env, mode string) *progress {
	f, ok := e.stderr.(*os.File)
	if !ok || e.getenv("TERM") == "dumb" || mode == progressNone {
		return nil
	}
	size, err := terminalSize(f)
	if err != nil {
		return nil
	}
	if width, _ := size(); width == 0 {
		return nil
	}
	p := &progress{w: f, size: size, line: newProgressLine()}
	if mode == progressAll {
		p.full = newProgressFull(newPainter(e.getenv))
	}
	return p
}

// terminalSize tells how large the terminal is at any time.
func terminalSize(f *os.File) (func() (width, height int), error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	return func() (width, height int) {
		_ = raw.Control(func(fd uintptr) { // fails on a closed file: no terminal
			if ws, err := unix.IoctlGetWinsize(int(fd), unix.TIOCGWINSZ); err == nil {
				width, height = int(ws.Col), int(ws.Row)
				if width == 0 || height == 0 {
					width, height = plainWidth, plainHeight
				}
			}
		})
		return width, height
	}, nil
}

// watch shows what snapshot says from now on.
func (p *progress) watch(snapshot func() engine.Snapshot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.snapshot = snapshot
}

func (p *progress) setTitle(title string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.title = title
}

func (p *progress) setStopping() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopping = true
}

// begin shows the line until end.
func (p *progress) begin(title string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.title = title
	stop := make(chan struct{})
	p.stop = stop
	p.wg.Go(func() {
		t := time.NewTicker(tick)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				p.draw()
			case <-stop:
				return
			}
		}
	})
}

// end takes the line away.
func (p *progress) end() {
	p.mu.Lock()
	if p.stop != nil {
		close(p.stop)
		p.stop = nil
	}
	p.mu.Unlock()
	p.wg.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
}

// above prints a line over the progress line, which comes back with the next tick.
func (p *progress) above(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	_, _ = fmt.Fprintln(p.w, s) // nobody left to tell
}

// home is what takes the cursor to the beginning of what is shown; p.mu is held.
func (p *progress) home() string {
	if p.shown > 1 {
		return fmt.Sprintf("\r\x1b[%dA", p.shown-1)
	}
	return "\r"
}

// clear wipes what is shown; p.mu is held.
func (p *progress) clear() {
	if p.shown == 0 {
		return
	}
	wipe := "\x1b[K"
	if p.shown > 1 {
		wipe = "\x1b[J"
	}
	_, _ = io.WriteString(p.w, p.home()+wipe) // nobody left to tell
	p.shown = 0
}

// show draws lines over those that are shown, without wiping them before: that would
// flicker. p.mu is held.
func (p *progress) show(lines []string) {
	text := p.home() + strings.Join(lines, "\x1b[K\n") + "\x1b[K"
	if len(lines) < p.shown {
		text += "\x1b[J"
	}
	_, _ = io.WriteString(p.w, text) // nobody left to tell
	p.shown = len(lines)
}

func (p *progress) draw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	// One column stays free: a terminal wraps after the last. So does one line: the
	// first has to stay on the screen.
	width, height := p.size()
	width--
	if width <= 0 {
		return
	}
	switch {
	case p.stopping:
		p.show([]string{p.line.wait("interrupted, stopping (once more ends at once)", width)})
	case p.snapshot == nil:
		p.show([]string{p.line.wait(p.title, width)})
	default:
		snap := p.snapshot()
		lines := []string{p.line.show(snap, p.title, width)}
		if p.full != nil && snap.Phase != engine.PhaseConnecting {
			lines = append(lines, p.full.lines(sample{time.Now(), snap}, width, height-2)...)
		}
		p.show(lines)
	}
}
