package main

import (
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"scp_rdma/engine"
)

// targets are the destinations of one run, where there are several (--to).
type targets struct {
	list  []string // as typed
	share int      // how many share the memory for slots; 0: one has it all
}

func (t *targets) flag(f *pflag.FlagSet) {
	f.StringSliceVar(&t.list, "to", nil, "send to each of `HOST:PATH,...` at once, in place of the last argument: all arguments are SRC, which is read once; the slowest target paces the others, unless it takes nothing for seconds")
}

func (t *targets) several() bool { return len(t.list) > 0 }

// memory is a target's share of what one has by itself.
func (t *targets) memory() int64 { return engine.DefaultMemory / int64(max(t.share, 1)) }

// parseTargets are the jobs of a run with --to: the same sources to each.
func parseTargets(args []string, o *options) ([]job, error) {
	switch {
	case o.list:
		return nil, usagef("--list and --to exclude each other")
	case len(args) == 0:
		return nil, usagef("--to says where it goes, but not what, as in: scp_rdma FILE --to %s", quote(strings.Join(o.targets.list, ",")))
	case slices.Contains(args, ""):
		return nil, usagef("an empty argument names no file (the current directory's contents are .)")
	case slices.Contains(args, stdStream):
		return nil, usagef("- is stdin, which goes to one host: leave out --to")
	case slices.ContainsFunc(args, looksRemote):
		at := slices.IndexFunc(args, looksRemote)
		return nil, usagef("%s: with --to every argument is a source on this host (%s)", quote(args[at]), localHint(args[at]))
	case o.exact && len(args) > 1:
		return nil, usagef("-T gives one source its name, there are %d", len(args))
	case len(o.targets.list) > engine.MaxTargets:
		return nil, usagef("--to: %d targets, one run sends to at most %d", len(o.targets.list), engine.MaxTargets)
	case o.meta.report != "":
		return nil, usagef("--report and --to exclude each other: a list is of one target (scp_rdma verify reads it anywhere)")
	}
	var jobs []job
	for i, text := range o.targets.list {
		to, ok, err := parseRemote(text)
		switch {
		case err != nil:
			return nil, err
		case !ok:
			return nil, usagef("--to %s: it takes HOST:PATH, as in --to a:,b:dir/", quote(text))
		case slices.Contains(o.targets.list[:i], text):
			return nil, usagef("--to %s: it stands there twice", quote(text))
		}
		if err := checkPath(to.path, text, o.ssh || to.user != ""); err != nil {
			return nil, err
		}
		jobs = append(jobs, job{sources: args, to: to})
	}
	return jobs, nil
}

// forTarget is the console of one of several targets: what it says begins with the target, and
// goes the way of all.
func (c *console) forTarget(name string, o *options) *console {
	return &console{
		quiet: c.quiet, rails: o.showRails, dry: o.dry, json: c.json, logJSON: c.logJSON, why: c.why, costly: c.costly, target: name, all: c,
		problems: tally{}, skipped: tally{}, missed: tally{}, shown: map[string]bool{}, left: departure{stays: tally{}},
	}
}

// tagged is a line with the target that it is about, behind the program's name if it begins with that.
func (c *console) tagged(line string) string {
	if c.target == "" {
		return line
	}
	const program = "scp_rdma: "
	name := strings.TrimSuffix(c.target, ":") // as people say where it goes
	if rest, ok := strings.CutPrefix(line, program); ok {
		return program + quote(name) + ": " + rest
	}
	return quote(name) + ": " + line
}

// said is the end of what is said of the sources, and of no target.
func (c *console) said() {
	c.mu.Lock()
	var lines []string
	if len(c.skipped) > 0 {
		lines = append(lines, "skipped: "+skippedWords(c.skipped))
	}
	if len(c.problems) > 0 {
		lines = append(lines, "not copied to any target: "+plural(c.problems.total(), "entry", "entries")+": "+c.problems.String())
	}
	if c.outside > 0 {
		lines = append(lines, outsideWords(c.outside))
	}
	c.mu.Unlock()
	for _, line := range lines {
		c.say(line)
	}
}

// toldError was told already.
type toldError struct{ err error }

// Error implements error.
func (t toldError) Error() string { return t.err.Error() }

// Unwrap gives what it is.
func (t toldError) Unwrap() error { return t.err }

// sum is what several transfers of one source have come to, for who watches.
func sum(list []func() engine.Snapshot) engine.Snapshot {
	out := engine.Snapshot{Phase: engine.PhaseDone, WalkDone: true}
	for i, snapshot := range list {
		s := snapshot()
		if i == 0 || s.Started.Before(out.Started) {
			out.Started = s.Started
		}
		out.Phase = min(out.Phase, s.Phase)
		out.WalkDone = out.WalkDone && s.WalkDone
		out.Entries += s.Entries
		out.Files += s.Files
		out.FilesDone += s.FilesDone
		out.Bytes += s.Bytes
		out.BytesDone += s.BytesDone
		out.StreamsRun += s.StreamsRun
		if s.Current != "" {
			out.Current = s.Current
		}
		out.Rails = append(out.Rails, s.Rails...)
	}
	return out
}
