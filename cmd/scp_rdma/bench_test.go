package main

import (
	"strings"
	"testing"

	"scp_rdma/sweep"
)

func TestBenchSaysWhatToType(t *testing.T) {
	def := sweep.Point{Setting: sweep.Setting{Streams: 4, Slots: 4, Size: 1 << 20}, Rate: 1e9}
	better := sweep.Point{Setting: sweep.Setting{Streams: 8, Slots: 4, Size: 4 << 20, Rail: "eth1"}, Rate: 2e9, Rails: []sweep.Rail{{Local: "eth1", Peer: "eth\x1b9", Streams: 8, Rate: 2e9}, {Local: "eth2", Peer: "eth2"}}}
	for name, tt := range map[string]struct {
		best  sweep.Point
		ratio float64
		host  string
		o     options
		want  string
	}{
		"defaults":                 {def, 1, "server", options{port: defaultPort}, "use the defaults: no flag is needed"},
		"better":                   {better, 0.5, "server", options{port: defaultPort}, "use: scp_rdma -j 8 --size 4M -d eth1 SRC... server:"},
		"another port, and IPv6":   {better, 0.5, "fe80::1", options{port: 99}, "use: scp_rdma -p 99 -j 8 --size 4M -d eth1 SRC... [fe80::1]:"},
		"what was fixed is needed": {def, 1, "server", options{port: defaultPort, slots: 4, rails: []string{"a", "b"}}, "use: scp_rdma --slots 4 -d a,b SRC... server:"},
	} {
		r := &sweep.Report{Transport: "mem", Default: def, Best: tt.best, Ratio: tt.ratio}
		if tt.ratio < 1 {
			r.Turns = []sweep.Turn{{Default: 1e9, Best: 2e9}}
		}
		lines := resultLines(r, tt.host, &tt.o)
		if got := lines[len(lines)-1]; got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
		if strings.Contains(strings.Join(lines, ""), "\x1b") {
			t.Errorf("%s: a peer's bytes reach the terminal: %q", name, lines)
		}
	}
}

func TestBarsAreAsLongAsRates(t *testing.T) {
	s := sweep.Series{Dimension: sweep.Streams, Chosen: 1, Points: []sweep.Point{
		{Setting: sweep.Setting{Streams: 1}, Rate: 1e9}, {Setting: sweep.Setting{Streams: 16}, Rate: 2e9}, {Setting: sweep.Setting{Streams: 2}, Error: "no\x07"},
	}}
	lines := barLines(s)
	if len(lines) != 4 || strings.Count(lines[1], "#") != fullBar/2 || strings.Count(lines[2], "#") != fullBar ||
		!strings.HasPrefix(lines[2], " * 16 ") || !strings.Contains(lines[3], "failed: no") || strings.Contains(lines[3], "\x07") {
		t.Errorf("%q", lines)
	}
}
