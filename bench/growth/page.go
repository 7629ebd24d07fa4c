package main

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"math"
	"os"
	"strings"
)

//go:embed page.html
var pageText string

// The drawing, in its own units.
const (
	width, height = 560.0, 260.0
	left, bottom  = 60.0, 230.0
)

// curve is one line of a chart.
type curve struct {
	Name, Class string
	Path        string // of an SVG polyline
	Dots        []dot
}

// Last is the point where the curve has its name.
func (c curve) Last() dot { return c.Dots[len(c.Dots)-1] }

// dot is a point of it, with its value for people.
type dot struct {
	X, Y float64
	Text string
}

// tick is a mark on an axis.
type tick struct {
	At   float64
	Text string
}

// chart is curves over one axis of work; both axes are logarithmic.
type chart struct {
	Title  string
	Curves []curve
	Xs, Ys []tick
}

// span maps values to places, by their logarithm.
type span struct{ low, high, from, to float64 }

func (s span) at(v float64) float64 {
	return s.from + (s.to-s.from)*(math.Log(v)-math.Log(s.low))/(math.Log(s.high)-math.Log(s.low))
}

// ticks are the powers of ten within.
func (s span) ticks(text func(float64) string) []tick {
	var list []tick
	for v := math.Pow(10, math.Ceil(math.Log10(s.low))); v <= s.high*1.001; v *= 10 {
		list = append(list, tick{s.at(v), text(v)})
	}
	return list
}

// plot draws values of points over their work.
func plot(title string, points []point, unit func(point) float64, lines map[string]func(point) float64) chart {
	x := span{math.Inf(1), 0, left, width}
	y := span{math.Inf(1), 0, bottom, 20}
	for _, p := range points {
		x.low, x.high = min(x.low, unit(p)), max(x.high, unit(p))
		for _, value := range lines {
			y.low, y.high = min(y.low, value(p)), max(y.high, value(p))
		}
	}
	x.high = max(x.high, x.low*10)
	y.low, y.high = math.Pow(10, math.Floor(math.Log10(y.low))), math.Pow(10, math.Ceil(math.Log10(y.high*1.001)))
	c := chart{Title: title, Xs: x.ticks(number), Ys: y.ticks(number)}
	for _, name := range []string{"time", "each", "client", "server"} {
		value, ok := lines[name]
		if !ok {
			continue
		}
		l := curve{Name: name, Class: name}
		var path []string
		for _, p := range points {
			d := dot{x.at(unit(p)), y.at(value(p)), fmt.Sprintf("%v: %s", p.work, number(value(p)))}
			l.Dots = append(l.Dots, d)
			path = append(path, fmt.Sprintf("%.1f,%.1f", d.X, d.Y))
		}
		l.Path = strings.Join(path, " ")
		c.Curves = append(c.Curves, l)
	}
	return c
}

// number is a value of three digits.
func number(v float64) string {
	for _, u := range []struct {
		n    float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if v >= u.n {
			return fmt.Sprintf("%.3g%s", v/u.n, u.name)
		}
	}
	return fmt.Sprintf("%.3g", v)
}

// charts are the drawings of both series.
func charts(all []point) []chart {
	var files, large []point
	for _, p := range all {
		if p.Files > 1 {
			files = append(files, p)
		} else {
			large = append(large, p)
		}
	}
	var list []chart
	for _, s := range []struct {
		points    []point
		unit      func(point) float64
		of, units string
	}{
		{files, func(p point) float64 { return float64(p.Files) }, "files", "a file"},
		{large, func(p point) float64 { return float64(p.Size) / (1 << 20) }, "MiB in one file", "a MiB"},
	} {
		if len(s.points) == 0 {
			continue
		}
		list = append(list,
			plot("seconds, over "+s.of, s.points, s.unit, map[string]func(point) float64{"time": func(p point) float64 { return p.Took }}),
			plot("microseconds for "+s.units+", over "+s.of, s.points, s.unit, map[string]func(point) float64{"each": point.each}),
			plot("peak memory in MiB, over "+s.of, s.points, s.unit, map[string]func(point) float64{
				"client": func(p point) float64 { return float64(p.Client) / (1 << 20) },
				"server": func(p point) float64 { return float64(p.Server) / (1 << 20) },
			}))
	}
	return list
}

// page writes the page.
func page(w io.Writer, all []point) error {
	t, err := template.New("page").Parse(pageText)
	if err == nil {
		err = t.Execute(w, struct {
			Charts []chart
			Points []point
		}{charts(all), all})
	}
	if err != nil {
		return fmt.Errorf("page: %w", err)
	}
	return nil
}

// keep writes name.jsonl and name.html.
func keep(name string, all []point) error {
	lines, err := os.Create(name + ".jsonl")
	if err != nil {
		return err
	}
	e := json.NewEncoder(lines)
	for _, p := range all {
		err = errors.Join(err, e.Encode(p))
	}
	if err := errors.Join(err, lines.Close()); err != nil {
		return err
	}
	out, err := os.Create(name + ".html")
	if err != nil {
		return err
	}
	return errors.Join(page(out, all), out.Close())
}
