package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain makes this binary an end of a transfer where it is called as one.
func TestMain(m *testing.M) {
	if os.Getenv(envServe)+os.Getenv(envSend) != "" {
		os.Exit(program())
	}
	os.Exit(m.Run())
}

func TestBothSeriesAreMeasuredAndKept(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	cmd := command(&out)
	cmd.SetArgs([]string{"--files", "10000", "--gib", "0", "--rounds", "1", "--out", dir})
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	p, err := measure(t.Context(), work{1, 4 << 20}, 2)
	if err != nil || p.Took <= 0 || p.Client < 1<<20 || p.Server < 1<<20 {
		t.Errorf("%+v, %v", p, err)
	}
	pages, err := filepath.Glob(dir + "/*-growth.*")
	if err != nil || len(pages) != 2 || strings.Count(out.String(), "\n") != 3 {
		t.Errorf("%v, %v: %s", pages, err, &out)
	}
}

func TestAStraightLineIsDrawnStraight(t *testing.T) {
	var all []point
	for _, w := range works(1_000_000, 64<<30) {
		all = append(all, point{work: w, Took: float64(w.Files) * float64(w.Size) / 1e9, Client: 40 << 20, Server: 50 << 20})
	}
	if len(all) != 4+9 {
		t.Fatalf("%d points", len(all))
	}
	list := charts(all)
	if len(list) != 6 {
		t.Fatalf("%d charts", len(list))
	}
	for i, c := range list {
		for _, l := range c.Curves {
			first, last := l.Dots[0], l.Dots[len(l.Dots)-1]
			for _, d := range l.Dots {
				want := first.Y + (last.Y-first.Y)*(d.X-first.X)/(last.X-first.X)
				if d.Y < want-0.01 || d.Y > want+0.01 || d.X < left-0.01 || d.X > width+0.01 || d.Y < 19 || d.Y > bottom+0.01 {
					t.Errorf("chart %d, %s: %+v is not on the line", i, l.Name, d)
				}
			}
		}
	}
	if err := page(io.Discard, all); err != nil {
		t.Error(err)
	}
}
