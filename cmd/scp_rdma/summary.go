package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"scp_rdma/engine"
)

// size is a number of bytes as people read it.
func size(n uint64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v := float64(n)
	for _, unit := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if v /= 1024; v < 1024 {
			return fmt.Sprintf("%.1f %s", v, unit)
		}
	}
	return fmt.Sprintf("%.1f PiB", v/1024)
}

// counts is what arrived and how fast.
func counts(r *engine.Report) string {
	parts := []string{plural(r.Files, "file", "files")}
	for _, c := range []struct {
		n         uint64
		one, many string
	}{
		{r.Dirs, "directory", "directories"}, {r.Symlinks, "symlink", "symlinks"}, {r.Links, "hard link", "hard links"},
	} {
		if c.n > 0 {
			parts = append(parts, plural(c.n, c.one, c.many))
		}
	}
	secs := r.Elapsed.Seconds()
	rate := size(uint64(float64(r.Bytes)/max(secs, 1e-3))) + "/s"
	s := fmt.Sprintf("%s, %s in %s, %s", strings.Join(parts, ", "), size(r.Bytes), r.Elapsed.Round(10*time.Millisecond), rate)
	if r.Transport != "" {
		s += " over " + r.Transport
	}
	return s
}

// summarise says what came of a transfer, in a few lines.
func summarise(r *engine.Report, done bool, skipped map[string]uint64) []string {
	verb := "sent "
	if !done {
		verb = "not finished; sent "
	}
	lines := []string{verb + counts(r)}
	var rails []string
	for _, rail := range r.Rails {
		rails = append(rails, fmt.Sprintf("%s %s on %s", rail.Name, size(rail.Bytes), plural(uint64(rail.Streams), "stream", "streams")))
	}
	if len(rails) > 0 {
		lines = append(lines, "rails: "+strings.Join(rails, ", "))
	}
	if len(skipped) > 0 {
		var why []string
		for what, n := range skipped {
			why = append(why, fmt.Sprintf("%s (%d)", what, n))
		}
		slices.Sort(why)
		lines = append(lines, strings.Join(why, ", "))
	}
	if r.Resent > 0 {
		lines = append(lines, "sent once more because they changed: "+plural(r.Resent, "file", "files"))
	}
	lines = append(lines, dropped(r)...)
	if r.Failed > 0 {
		lines = append(lines, "not copied: "+plural(r.Failed, "entry", "entries"))
	}
	return lines
}

// dropped names the metadata that the server did not keep.
func dropped(r *engine.Report) []string {
	var lines []string
	for _, d := range []struct {
		n           uint64
		what, grant string
	}{
		{r.Dropped.Special, "special bits", "special"}, {r.Dropped.Owner, "owners", "owner"}, {r.Dropped.Xattr, "extended attributes", "xattr"},
	} {
		if d.n > 0 {
			lines = append(lines, fmt.Sprintf("dropped: %s of %s: the server keeps them only with --allow %s, and where it has the right",
				d.what, plural(d.n, "entry", "entries"), d.grant))
		}
	}
	return lines
}
