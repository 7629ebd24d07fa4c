package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"scp_rdma/engine"
	"scp_rdma/sweep"
)

// benchTurn is how long each point of bench is measured: 20 of them are 20 s.
const benchTurn = time.Second

// bench finds the settings that carry most to a server, from memory to memory.
func bench(ctx context.Context, e env, con *console, o *options, host string, log hclog.Logger) error {
	to, err := lone(o, host)
	if err != nil {
		return err
	}
	page, err := newPageFile(o.html) // what can't be written is known before anything is measured
	if err != nil {
		return err
	}
	defer page.drop()
	there, err := reach(ctx, e, con, o, job{to: to}, log)
	if err != nil {
		return err
	}
	defer func() { _ = there.close() }()
	con.begin("connecting to " + quote(there.at.Addr))
	defer con.end()
	defer context.AfterFunc(ctx, con.stopping)()
	report, err := sweep.Run(ctx, sweep.Config{
		Fixed: sweep.Setting{Streams: o.streams, Slots: o.slots, Size: int(o.size)},
		Measure: func(ctx context.Context, s sweep.Setting) (*engine.Benched, error) {
			return engine.Bench(ctx, engine.BenchConfig{
				Server: there.at, Wait: o.wait, Transports: there.reg, Rail: s.Rail, Streams: s.Streams, Slots: s.Slots, SlotSize: s.Size,
				For: o.seconds.duration(), NoChecksum: o.unchecked, Encrypt: o.encrypt, EveryRail: len(o.rails) > 0, Logger: log.Named("engine"),
			})
		},
		Measuring: func(s sweep.Setting) { con.title("measuring " + settingText(s)) },
		Done: func(s sweep.Series) {
			if !o.json {
				for _, line := range barLines(s) {
					con.above(line)
				}
			}
		},
	})
	con.end()
	if err != nil {
		return err
	}
	result := resultLines(report, host, o)
	if err := page.write(sweep.Page{
		Title: "scp_rdma bench " + host, Report: report, Result: result,
		Facts: fmt.Sprintf("%s, %s, %v for each point, %s", factsText(report), version, o.seconds.duration(), time.Now().Format(time.DateTime)),
	}); err != nil {
		return err
	}
	if o.json {
		return printJSON(e, report)
	}
	for _, line := range result {
		con.say(line)
	}
	return nil
}

// lone is HOST where it stands alone, as in devices HOST.
func lone(o *options, arg string) (remote, error) {
	user, host, named := splitUser(strings.TrimSuffix(arg, ":"))
	if named && user == "" {
		return remote{}, usagef("%s: no user before the '@'", quote(arg))
	}
	to := o.alias.meant(remote{user: user, host: unbracket(host)})
	return to, errors.Join(to.check(arg), to.fits(o))
}

// factsText is what a sweep went over.
func factsText(r *sweep.Report) string {
	s := "over " + r.Transport
	if r.RTT > 0 {
		s += fmt.Sprintf(", round trip %s", micro(r.RTT))
	}
	return s
}

// micro is a short time, given in seconds.
func micro(seconds float64) string {
	if seconds < 0.001 {
		return fmt.Sprintf("%.0f µs", seconds*1e6)
	}
	return fmt.Sprintf("%.1f ms", seconds*1e3)
}

// settingText is a setting in words; what is left to the engine is not told.
func settingText(s sweep.Setting) string {
	if s.Streams == 0 || s.Slots == 0 || s.Size == 0 {
		return "the defaults"
	}
	text := fmt.Sprintf("%s of %s of %s", plural(uint64(s.Streams), "stream", "streams"), plural(uint64(s.Slots), "slot", "slots"), size(uint64(s.Size)))
	if s.Rail != "" {
		text += " over " + quote(s.Rail)
	}
	return text
}

// speed is bytes per second as disks and as NICs count it.
func speed(rate float64) string {
	return fmt.Sprintf("%s/s (%.1f Gbit/s)", size(uint64(rate)), rate*8/1e9)
}

// fullBar is the length of the longest bar.
const fullBar = 32

// barLines draw a series for a terminal.
func barLines(s sweep.Series) []string {
	lines := []string{string(s.Dimension) + ":"}
	wide, top := 0, 1.0
	for _, p := range s.Points {
		wide, top = max(wide, len(quote(s.Dimension.Name(p)))), max(top, p.Rate)
	}
	for i, p := range s.Points {
		mark := " "
		if i == s.Chosen {
			mark = "*"
		}
		line := fmt.Sprintf(" %s %*s ", mark, wide, quote(s.Dimension.Name(p)))
		if p.Error != "" {
			line += "failed: " + quote(p.Error)
		} else {
			line += fmt.Sprintf("%-*s %s", fullBar, strings.Repeat("#", int(fullBar*p.Rate/top+0.5)), speed(p.Rate))
		}
		lines = append(lines, line)
	}
	return lines
}

// resultLines say what came of a sweep, and what to do with it.
func resultLines(r *sweep.Report, host string, o *options) []string {
	lines := []string{
		factsText(r) + fmt.Sprintf(": %s, 4 KiB there and released in %s", speed(r.Rate()), micro(r.Best.Frame)),
		"best: " + settingText(r.Best.Setting),
	}
	if len(r.Best.Rails) > 1 {
		for _, rail := range r.Best.Rails {
			lines = append(lines, fmt.Sprintf("  %s - %s: %s, %s", quote(rail.Local), quote(rail.Peer), speed(rail.Rate), plural(uint64(rail.Streams), "stream", "streams")))
		}
	}
	if len(r.Turns) > 0 {
		lines = append(lines, fmt.Sprintf("defaults: %s, %.2f of the best in %d rounds of each", settingText(r.Default.Setting), r.Ratio, len(r.Turns)))
	}
	if r.Enough() && o.streams == 0 && o.slots == 0 && o.size == 0 {
		return append(lines, "use the defaults: no flag is needed")
	}
	return append(lines, "use: scp_rdma"+adviceFlags(r.Advice(), o)+" SRC... "+quote(bracketed(host))+":")
}

// adviceFlags are the flags of a transfer that has the settings of an advice.
func adviceFlags(a sweep.Setting, o *options) string {
	var s string
	if o.port != defaultPort {
		s += fmt.Sprintf(" -p %d", o.port)
	}
	// What was fixed is the default of this sweep, but not of a transfer.
	streams, slots, bytes := max(a.Streams, o.streams), max(a.Slots, o.slots), max(a.Size, int(o.size))
	if streams > 0 {
		s += fmt.Sprintf(" -j %d", streams)
	}
	if slots > 0 {
		s += fmt.Sprintf(" --slots %d", slots)
	}
	if bytes > 0 {
		s += " --size " + sweep.Bytes(bytes)
	}
	switch {
	case a.Rail != "":
		s += " -d " + quote(a.Rail)
	case len(o.rails) > 0:
		s += " -d " + quote(strings.Join(o.rails, ","))
	}
	return s
}

// bracketed is a host as it stands before a colon.
func bracketed(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// pageFile is a file that gets its name only when it is whole.
type pageFile struct {
	name string
	file *os.File
}

// newPageFile makes none for "".
func newPageFile(name string) (*pageFile, error) {
	if name == "" {
		return &pageFile{}, nil
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".scp_rdma.*.html")
	if err != nil {
		return nil, fmt.Errorf("--html: %w", err)
	}
	return &pageFile{name, f}, nil
}

func (p *pageFile) write(page sweep.Page) error {
	if p.file == nil {
		return nil
	}
	err := errors.Join(page.HTML(p.file), p.file.Chmod(0o644), p.file.Close())
	if err == nil {
		err = os.Rename(p.file.Name(), p.name)
	}
	if err != nil {
		return fmt.Errorf("--html: %w", err)
	}
	return nil
}

// drop removes what has not got its name.
func (p *pageFile) drop() {
	if p.file != nil {
		_ = p.file.Close()
		_ = os.Remove(p.file.Name())
	}
}
