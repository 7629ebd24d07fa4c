package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"scp_rdma/engine"
)

// That a rail is slow is told once it lasts, and once more when it gets nothing; and that it is
// well. One that was slow for a moment is told to programs only.
func TestASlowRailIsToldOf(t *testing.T) {
	for _, json := range []bool{false, true} {
		var stdout, stderr bytes.Buffer
		con := newConsole(env{stdout: &stdout, stderr: &stderr, getenv: noEnv}, &options{json: json})
		less := engine.RailChange{Rail: "b\n", Best: "a", State: engine.RailLess, Part: 0.1}
		none, well, slower := less, less, less
		none.State, none.Part, well.State, slower.Rail, slower.Expected = engine.RailNone, 0.001, engine.RailCarries, "c", true
		lasts := func(c engine.RailChange) engine.RailChange {
			c.Lasts = true
			return c
		}
		for _, c := range []engine.RailChange{
			less, well, less, lasts(less), none, lasts(none), less, none, slower, lasts(slower), well, well, less, lasts(less),
		} {
			con.RailChanged(c)
		}
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		for i, want := range []string{
			`rail b\n is slow, it does 10% of what a does: it is given less. `, "less than 1% of what a does: it is given nothing but a probe", "is well again", "given less. Look at its cable",
		} {
			if len(lines) != 4 || !strings.Contains(lines[i], want) || strings.Contains(lines[i], "rail c") {
				t.Fatalf("no %q in %q", want, lines)
			}
		}
		if json {
			if got := stdout.String(); strings.Count(got, "\n") != 10 || !strings.Contains(got, `"rail":"b\n","best":"a","state":"none","part":0.001`) {
				t.Errorf("%s", got)
			}
		}
	}
}

func TestWhatIsSaidOfARail(t *testing.T) {
	const mib = 1 << 20
	for want, r := range map[string]engine.RailReport{
		"": {},
		"90% of all, 900.0 MiB/s at work, a frame takes 1.5 ms":                     {Bytes: 90, RailHealth: engine.RailHealth{Rate: 900 * mib, Latency: 1500 * time.Microsecond}},
		"less than 1% of all, slow for 2.00 s (5% of the best one, given less)":     {Bytes: 0, RailHealth: engine.RailHealth{State: engine.RailLess, Part: 0.05, Slow: 2 * time.Second}},
		"10% of all, slow for 2.00 s":                                               {Bytes: 10, RailHealth: engine.RailHealth{Slow: 2 * time.Second}},
		"10% of all, slow for 2.00 s (less than 1% of the best one, given nothing)": {Bytes: 10, RailHealth: engine.RailHealth{State: engine.RailNone, Part: 0.001, Slow: 2 * time.Second}},
		"10% of all, 1.0 MiB/s at work, a frame takes 60 us":                        {Bytes: 10, RailHealth: engine.RailHealth{Rate: mib, Latency: 60 * time.Microsecond}},
	} {
		all := uint64(100)
		if want == "" {
			all = 0
		}
		if got := railHealth(r, all); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}
