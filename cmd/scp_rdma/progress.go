package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"scp_rdma/engine"
)

// tick: often enough to live, seldom enough to cost nothing. The first one is
// waited for, so that what is over at once does not flicker.
const tick = 200 * time.Millisecond

// plainWidth is for a terminal that doesn't say how wide it is.
const plainWidth = 80

// progress is the one line below all others on a terminal.
type progress struct {
	w     io.Writer
	width func() int // columns; 0: no terminal

	mu       sync.Mutex
	line     *progressLine
	snapshot func() engine.Snapshot
	title    string // until there is a snapshot
	stopping bool
	shown    bool
	stop     chan struct{} // nil: not running
	wg       sync.WaitGroup
}

// newProgress gives a progress line if stderr is a terminal that can take one, else nil.
func newProgress(e env) *progress {
	f, ok := e.stderr.(*os.File)
	if !ok || e.getenv("TERM") == "dumb" {
		return nil
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return nil
	}
	width := func() int {
		n := 0
		_ = raw.Control(func(fd uintptr) { // fails on a closed file: no terminal
			if ws, err := unix.IoctlGetWinsize(int(fd), unix.TIOCGWINSZ); err == nil {
				n = int(ws.Col)
				if n == 0 {
					n = plainWidth
				}
			}
		})
		return n
	}
	if width() == 0 {
		return nil
	}
	return &progress{w: f, width: width, line: newProgressLine()}
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

// clear wipes the line; p.mu is held.
func (p *progress) clear() {
	if p.shown {
		_, _ = io.WriteString(p.w, "\r\x1b[K") // nobody left to tell
		p.shown = false
	}
}

func (p *progress) draw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	// One column stays free: a terminal wraps after the last.
	width := p.width() - 1
	if width <= 0 {
		return
	}
	var text string
	switch {
	case p.stopping:
		text = p.line.wait("interrupted, stopping (once more ends at once)", width)
	case p.snapshot == nil:
		text = p.line.wait(p.title, width)
	default:
		text = p.line.show(p.snapshot(), p.title, width)
	}
	_, _ = io.WriteString(p.w, "\r"+text+"\x1b[K") // nobody left to tell
	p.shown = true
}
