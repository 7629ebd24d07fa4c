package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// The kinds of lines in a file of results.
const (
	kindMachine = "machine"
	kindRun     = "run"
)

// facts is the first line: where and what was measured.
type facts struct {
	Kind       string       `json:"kind"`
	Date       string       `json:"date"`
	CPU        string       `json:"cpu"`
	Cores      int          `json:"cores"`
	MemoryMiB  int64        `json:"memory_mib"`
	Kernel     string       `json:"kernel"`
	Go         string       `json:"go"`
	Commit     string       `json:"commit"`
	Congestion string       `json:"congestion_control"`
	Wmem       string       `json:"tcp_wmem"`
	Load       string       `json:"load"` // when it began
	ServerCPU  string       `json:"server_cpu"`
	Scale      float64      `json:"scale"`
	Rounds     int          `json:"rounds"`
	Rivals     []rivalFacts `json:"rivals"`
	Missing    []string     `json:"missing,omitempty"` // with the packages that have them
}

// rivalFacts is what a table needs to know of a rival.
type rivalFacts struct {
	Name    string `json:"name"`
	Checks  string `json:"checks"`
	Version string `json:"version"`
	Own     bool   `json:"own,omitempty"`
}

// result is one run. Times are in seconds, memory and sizes in bytes.
type result struct {
	Kind      string  `json:"kind"`
	Case      string  `json:"case"`
	Rival     string  `json:"rival"`
	Round     int     `json:"round"` // 0 does not count
	Seconds   float64 `json:"seconds"`
	CPUClient float64 `json:"cpu_client"`
	CPUServer float64 `json:"cpu_server"`
	RSSClient int64   `json:"rss_client"`
	RSSServer int64   `json:"rss_server"`
	Bytes     int64   `json:"bytes"`
	Files     int     `json:"files"`
	OK        bool    `json:"ok"`
	Error     string  `json:"error,omitempty"`
}

// writeLine appends one line.
func writeLine(w io.Writer, v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("results: %w", err)
	}
	if _, err := w.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("results: %w", err)
	}
	return nil
}

// readLines reads a file of results. Files may have been joined: the first
// machine line counts, and rivals that only a later one has are added.
func readLines(r io.Reader) (facts, []result, error) {
	var (
		f    facts
		runs []result
	)
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		if len(lines.Bytes()) == 0 {
			continue
		}
		var line struct {
			Kind string `json:"kind"`
		}
		err := json.Unmarshal(lines.Bytes(), &line)
		switch {
		case err != nil:
		case line.Kind == kindMachine:
			var more facts
			err = json.Unmarshal(lines.Bytes(), &more)
			f = joined(f, more)
		case line.Kind == kindRun:
			var one result
			err = json.Unmarshal(lines.Bytes(), &one)
			runs = append(runs, one)
		default:
			err = fmt.Errorf("a line of kind %q", line.Kind)
		}
		if err != nil {
			return facts{}, nil, fmt.Errorf("results, line %d: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return facts{}, nil, fmt.Errorf("results: %w", err)
	}
	if f.Kind == "" {
		return facts{}, nil, errors.New("results: no line about the machine")
	}
	return f, runs, nil
}

// joined adds the rivals of a later machine line.
func joined(f, more facts) facts {
	if f.Kind == "" {
		return more
	}
	for _, r := range more.Rivals {
		if f.rival(r.Name).Name == "" {
			f.Rivals = append(f.Rivals, r)
		}
	}
	return f
}

// rival finds what is known of a rival, nothing if it is not in the list.
func (f facts) rival(name string) rivalFacts {
	for _, r := range f.Rivals {
		if r.Name == name {
			return r
		}
	}
	return rivalFacts{}
}
