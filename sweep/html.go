package sweep

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
)

//go:embed page.html
var pageText string

// The drawing of a series, in its own units.
const (
	rowHeight = 26
	barWidth  = 480.0 // beside 150 for names and 130 for notes
)

// Page is what the HTML page tells beside the report.
type Page struct {
	Title  string
	Facts  string   // how it was measured
	Result []string // what came of it, a line each
	Report *Report
}

// bar is a point of a drawing.
type bar struct {
	Point
	Name   string
	Chosen bool
	Top    int
	Length float64
}

// HTML writes a page that needs nothing else: a drawing and a table of each series.
func (p *Page) HTML(w io.Writer) error {
	t, err := template.New("page").Funcs(template.FuncMap{
		"bars": bars, "height": func(s Series) int { return rowHeight * len(s.Points) },
		"add": func(a, b float64) float64 { return a + b }, "down": func(a, b int) int { return a + b },
		"gbit": func(rate float64) string { return fmt.Sprintf("%.2f", rate*8/1e9) },
		"us":   func(seconds float64) string { return fmt.Sprintf("%.0f", seconds*1e6) },
	}).Parse(pageText)
	if err == nil {
		err = t.Execute(w, p)
	}
	if err != nil {
		return fmt.Errorf("page: %w", err)
	}
	return nil
}

// bars draws a series, the fastest as long as there is room.
func bars(s Series) []bar {
	top := 1.0
	for _, p := range s.Points {
		top = max(top, p.Rate)
	}
	var list []bar
	for i, p := range s.Points {
		list = append(list, bar{p, s.Dimension.Name(p), i == s.Chosen, rowHeight * i, barWidth * p.Rate / top})
	}
	return list
}

// Name is what a point has in this dimension.
func (d Dimension) Name(p Point) string {
	switch {
	case d == Rails && p.Rail == "":
		return "all"
	case d == Rails:
		return p.Rail
	case d == Sizes:
		return Bytes(p.Size)
	}
	return fmt.Sprint(*d.of(&p.Setting))
}

// Bytes is a slot size as --size takes it.
func Bytes(n int) string {
	switch {
	case n > 0 && n%(1<<20) == 0:
		return fmt.Sprintf("%dM", n>>20)
	case n > 0 && n%(1<<10) == 0:
		return fmt.Sprintf("%dK", n>>10)
	}
	return fmt.Sprint(n)
}
