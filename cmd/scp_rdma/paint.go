package main

import "github.com/cheggaaa/pb/v3"

// mood is how a piece of text is shown.
type mood uint8

const (
	calm mood = iota
	waits
	bad
)

// painter colours text on a terminal, with the eight colours that each has. The zero one
// does not.
type painter struct{ colours bool }

// newPainter knows NO_COLOR (https://no-color.org).
func newPainter(getenv func(string) string) painter {
	return painter{colours: getenv("NO_COLOR") == ""}
}

// paint is a line of two parts, no more than width cells of it.
func (p painter) paint(plain, moody string, m mood, width int) string {
	plain = pb.StripString(plain, width)
	moody = pb.StripString(moody, width-pb.CellCount(plain))
	code := [...]string{calm: "", waits: "\x1b[33m", bad: "\x1b[31m"}[m]
	if !p.colours || code == "" || moody == "" {
		return plain + moody
	}
	return plain + code + moody + "\x1b[0m"
}
