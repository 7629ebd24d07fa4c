package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cheggaaa/pb/v3"
)

// screen is a small terminal: it knows what is sent to it, and nothing else is allowed.
type screen struct {
	t             *testing.T
	width, height int
	rows          []string // from the first that was ever written on
	top           int      // of what is in the window
	at, col       int
	colours       int
}

func newScreen(t *testing.T, width, height int) *screen {
	return &screen{t: t, width: width, height: height, rows: []string{""}}
}

// Write implements io.Writer.
func (s *screen) Write(p []byte) (int, error) {
	text := string(p)
	for text != "" {
		text = s.take(text)
	}
	return len(p), nil
}

func (s *screen) take(text string) string {
	switch {
	case strings.HasPrefix(text, "\r"):
		s.col = 0
		return text[1:]
	case strings.HasPrefix(text, "\n"):
		s.at++
		s.col = 0 // as the tty driver has it (onlcr)
		if s.at == len(s.rows) {
			s.rows = append(s.rows, "")
		}
		s.top = max(s.top, len(s.rows)-s.height)
		return text[1:]
	case strings.HasPrefix(text, "\x1b["):
		end := strings.IndexFunc(text[2:], func(r rune) bool { return r >= '@' }) + 2
		s.obey(text[2:end], text[end])
		return text[end+1:]
	}
	end := strings.IndexAny(text, "\r\n\x1b")
	if end < 0 {
		end = len(text)
	}
	s.put(text[:end])
	return text[end:]
}

func (s *screen) obey(args string, what byte) {
	switch what {
	case 'K':
		s.cut()
	case 'J':
		s.cut()
		s.rows = s.rows[:s.at+1]
	case 'A':
		var n int
		if _, err := fmt.Sscan(args, &n); err != nil || n < 1 {
			s.t.Errorf("up by %q", args)
		}
		s.at = max(s.at-n, s.top)
	case 'm':
		s.colours++
	default:
		s.t.Errorf("the terminal is sent ESC[%s%c", args, what)
	}
}

func (s *screen) cut() {
	if r := []rune(s.rows[s.at]); len(r) > s.col {
		s.rows[s.at] = string(r[:s.col])
	}
}

func (s *screen) put(text string) {
	if s.col+pb.CellCount(text) >= s.width {
		s.t.Errorf("%q at column %d of %d: it would wrap", text, s.col, s.width)
	}
	row := []rune(s.rows[s.at])
	for len(row) < s.col {
		row = append(row, ' ')
	}
	new := []rune(text)
	rest := row[min(len(row), s.col+len(new)):]
	s.rows[s.at] = string(row[:s.col]) + text + string(rest)
	s.col += len(new)
}

// window is what is to be seen, and what has scrolled out above it.
func (s *screen) window() (above, seen []string) { return s.rows[:s.top], s.rows[s.top:] }
