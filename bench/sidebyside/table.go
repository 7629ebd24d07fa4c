package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// showFacts tells what is measured where.
func showFacts(w io.Writer, f facts) {
	fmt.Fprintf(w, "%s, %d cores, %d MiB, Linux %s, %s, commit %s, %s, tcp_wmem %s, load %s\n", f.CPU, f.Cores, f.MemoryMiB,
		f.Kernel, f.Go, f.Commit, f.Congestion, f.Wmem, f.Load)
	fmt.Fprintf(w, "scale %g, %d rounds, CPU time of servers from %s\n", f.Scale, f.Rounds, f.ServerCPU)
	for _, r := range f.Rivals {
		fmt.Fprintf(w, "  %-21s %s\n", r.Name, r.Version)
	}
	for _, m := range f.Missing {
		fmt.Fprintf(w, "  missing: %s\n", m)
	}
}

// columns heads a table; the rate has a unit of its own in each case.
func columns(rate string) []string {
	return []string{"rival", "median s", "min-max", "x cp", rate, "CPU s/GiB", "CPU s/10k files", "client MiB", "server MiB", "checked"}
}

// cells is a summary as text, as the columns ask for.
func (s summary) cells() []string {
	switch {
	case s.Error != "":
		return []string{s.Rival, "failed"}
	case s.Runs == 0:
		return []string{s.Rival, "stopped"}
	}
	ratio, files := "-", "-"
	if s.Ratio > 0 {
		ratio = fmt.Sprintf("%.2f", s.Ratio)
	}
	if s.byFile() {
		files = fmt.Sprintf("%.2f", s.CPUPerFiles)
	}
	return []string{
		s.Rival, fmt.Sprintf("%.3f", s.Median), fmt.Sprintf("%.3f-%.3f", s.Min, s.Max), ratio, s.rate(),
		fmt.Sprintf("%.2f", s.CPUPerGiB), files, mebibytes(s.ClientMiB), mebibytes(s.ServerMiB), s.Checks,
	}
}

// mebibytes is a peak of memory; without a server, or if nobody saw it, there is none.
func mebibytes(n float64) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f", n)
}

// rate is files or megabytes a second.
func (s summary) rate() string {
	if s.byFile() {
		return fmt.Sprintf("%.0f", float64(s.Files)/s.Median)
	}
	return fmt.Sprintf("%.0f", float64(s.Bytes)/1e6/s.Median)
}

// unit is that of the rate in a case.
func unit(all []summary) string {
	for _, s := range all {
		if s.byFile() {
			return "files/s"
		}
	}
	return "MB/s"
}

// ofCase picks the summaries of one case.
func ofCase(all []summary, name string) []summary {
	var some []summary
	for _, s := range all {
		if s.Case == name {
			some = append(some, s)
		}
	}
	return some
}

// about says what a case copied.
func about(name string, all []summary) string {
	text := name
	for _, w := range workloads() {
		if w.name == name {
			text += ": " + w.what
		}
	}
	for _, s := range all {
		if s.Runs > 0 {
			return fmt.Sprintf("%s (%d files, %.1f MiB)", text, s.Files, float64(s.Bytes)/(1<<20))
		}
	}
	return text
}

// showTable prints the table of a case, if anything ran in it.
func showTable(w io.Writer, name string, all []summary) {
	all = ofCase(all, name)
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", about(name, all))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(columns(unit(all)), "\t"))
	for _, s := range all {
		fmt.Fprintln(t, strings.Join(s.cells(), "\t"))
	}
	_ = t.Flush() // like every print: who does not read it misses it
}
