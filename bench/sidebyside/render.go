package main

import (
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"os"
	"strings"
)

//go:embed page.html
var pageText string

// The drawing, in its own units.
const (
	rowHeight = 26.0
	nameWidth = 190.0
	barWidth  = 520.0
	noteWidth = 190.0
)

// page is what page.html shows.
type page struct {
	Facts  facts
	Charts []chart
}

// chart is one case: a drawing, and the same as a table.
type chart struct {
	Title         string
	Width, Height float64
	Bars          []bar
	Columns       []string
	Rows          []row
}

// bar is a rival's median with what it spread over.
type bar struct {
	Name, Note            string
	Own                   bool
	Y, Text, Middle       float64
	X, Length, Low, High  float64
	CapTop, CapEnd, NoteX float64
}

// row is a line of a table.
type row struct {
	Own   bool
	Cells []string
	Error string
}

// charts draws each case in the order in which they came.
func charts(all []summary) []chart {
	var list []chart
	done := map[string]bool{}
	for _, s := range all {
		if !done[s.Case] {
			done[s.Case] = true
			list = append(list, newChart(s.Case, ofCase(all, s.Case)))
		}
	}
	return list
}

// newChart draws one case, the slowest run as long as there is room.
func newChart(name string, all []summary) chart {
	c := chart{Title: about(name, all), Width: nameWidth + barWidth + noteWidth, Columns: columns(unit(all))}
	longest := 0.0
	for _, s := range all {
		longest = max(longest, s.Max)
	}
	for _, s := range all {
		c.Rows = append(c.Rows, row{s.Own, s.cells(), s.Error})
		if s.Runs == 0 {
			continue
		}
		at := func(seconds float64) float64 { return nameWidth + barWidth*seconds/longest }
		y := rowHeight * float64(len(c.Bars))
		note := fmt.Sprintf("%.3f s", s.Median)
		if s.Ratio > 0 {
			note += fmt.Sprintf(" (%.2f x cp)", s.Ratio)
		}
		c.Bars = append(c.Bars, bar{
			Name: s.Rival, Note: note, Own: s.Own,
			Y: y + 4, Text: y + 17, Middle: y + 13, CapTop: y + 9, CapEnd: y + 17,
			X: nameWidth, Length: at(s.Median) - nameWidth, Low: at(s.Min), High: at(s.Max), NoteX: at(s.Max) + 8,
		})
	}
	c.Height = rowHeight * float64(len(c.Bars))
	return c
}

// render writes the page.
func render(w io.Writer, f facts, runs []result) error {
	t, err := template.New("page").Parse(pageText)
	if err != nil {
		return fmt.Errorf("render: %w", err)
	}
	if err := t.Execute(w, page{f, charts(summarise(f, runs))}); err != nil {
		return fmt.Errorf("render: %w", err)
	}
	return nil
}

// renderAgain makes the page of a file of JSON lines, beside it.
func renderAgain(name string, stdout io.Writer) error {
	in, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("render: %w", err)
	}
	f, runs, err := readLines(in)
	_ = in.Close() // read only: nothing can be lost
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	to := strings.TrimSuffix(name, ".jsonl") + ".html"
	out, err := os.Create(to)
	if err != nil {
		return fmt.Errorf("render: %w", err)
	}
	if err := errors.Join(render(out, f, runs), out.Close()); err != nil {
		return err
	}
	fmt.Fprintln(stdout, to)
	return nil
}
