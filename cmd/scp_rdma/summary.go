package main

import (
	"fmt"
	"strings"
	"time"

	"scp_rdma/engine"
)

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
	// What was there of half files has not travelled.
	return fmt.Sprintf("%s, %s in %s, %s", strings.Join(parts, ", "), size(r.Bytes), seconds(r.Elapsed), rate(r.Bytes-min(r.Resumed, r.Bytes), r.Elapsed))
}

// travelled is what the rails carried.
func travelled(r *engine.Report) (n uint64) {
	for _, rail := range r.Rails {
		n += rail.Bytes
	}
	return n
}

// rate is bytes per second. Over less than a millisecond it would say more about
// the clock than about the transfer.
func rate(n uint64, d time.Duration) string {
	return size(uint64(float64(n)/max(d, time.Millisecond).Seconds())) + "/s"
}

// pairing says which rails were joined, and what each carried.
func pairing(r *engine.Report) []string {
	var lines []string
	for _, rail := range r.Rails {
		if rail.Streams == 0 {
			lines = append(lines, fmt.Sprintf("rail %s: not used, there were fewer streams than rails", quote(rail.Name)))
			continue
		}
		line := fmt.Sprintf("rail %s with %s of the server: %s, %s, %s", quote(rail.Name), quote(rail.Peer),
			plural(uint64(rail.Streams), "stream", "streams"), size(rail.Bytes), rate(rail.Bytes, r.Elapsed))
		if more := railHealth(rail, travelled(r)); more != "" {
			line += "; " + more
		}
		lines = append(lines, line)
	}
	return lines
}

// seconds is a time as people read it.
func seconds(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// carried says what carried the bytes: transport, streams, and the share of
// each rail where there are several.
func carried(r *engine.Report) string {
	if r.Transport == "" {
		return ""
	}
	streams := 0
	var rails []string
	for _, rail := range r.Rails {
		if rail.Streams == 0 {
			continue
		}
		streams += rail.Streams
		rails = append(rails, fmt.Sprintf("%s %s at %s (%s)", quote(rail.Name), size(rail.Bytes), rate(rail.Bytes, r.Elapsed), plural(uint64(rail.Streams), "stream", "streams")))
	}
	how := ""
	if r.Encrypted {
		how = "encrypted, "
	}
	text := fmt.Sprintf("over %s, %s%s", quote(r.Transport), how, plural(uint64(streams), "stream", "streams"))
	switch {
	case len(rails) == 0:
		return text
	case len(r.Rails) == 1:
		return text + " on " + quote(r.Rails[0].Name)
	}
	return text + ": " + strings.Join(rails, ", ")
}

// wouldBe is what would be sent.
func wouldBe(r *engine.Report) string {
	text := plural(r.Would.Files, "file", "files") + ", " + size(r.Would.Bytes)
	if r.Would.Units > 0 {
		text += " in " + plural(r.Would.Units, "unit", "units")
	}
	return text
}

// wouldGo is the way that it would go; "" where only the other side knows.
func wouldGo(r *engine.Report) string {
	var rails []string
	for _, rail := range r.Rails {
		rails = append(rails, quote(rail.Name))
	}
	if len(rails) == 0 {
		return ""
	}
	return fmt.Sprintf("it would go over %s, on %s", quote(r.Transport), strings.Join(rails, ", "))
}

// summarise says what came of a transfer, in a few lines.
func summarise(r *engine.Report, done, fetched, dry bool, skipped, problems tally) []string {
	first := "sent " + counts(r)
	if fetched {
		first = "fetched " + counts(r)
	}
	if dry {
		first = "nothing was done. It would be " + strings.Fields(first)[0] + ": " + wouldBe(r)
	}
	if !done {
		first = "not finished: " + first + ", " + size(travelled(r)) + " carried"
	}
	lines := []string{first}
	text := carried(r)
	if dry {
		text = wouldGo(r)
	}
	if text != "" {
		lines = append(lines, text)
	}
	if r.Deleted > 0 {
		deleted := "deleted: "
		if dry {
			deleted = "it would be deleted: "
		}
		lines = append(lines, deleted+plural(r.Deleted, "entry", "entries"))
	}
	if r.Skipped > 0 {
		lines = append(lines, "already there: "+plural(r.Skipped, "file", "files")+", "+size(r.SkippedBytes))
	}
	if r.Resumed > 0 {
		lines = append(lines, "already there of half files that were gone on from: "+size(r.Resumed))
	}
	if r.Reconnected > 0 {
		lines = append(lines, "the server was lost and found again: "+plural(r.Reconnected, "time", "times"))
	}
	if len(skipped) > 0 {
		lines = append(lines, "skipped: "+skippedWords(skipped))
	}
	if r.Resent > 0 {
		lines = append(lines, "sent again because they changed meanwhile: "+plural(r.Resent, "file", "files"))
	}
	if r.Damaged > 0 {
		lines = append(lines, "damaged on the way, found and sent again: "+plural(r.Damaged, "frame", "frames")+" (look at NICs, cables and memory)")
	}
	if r.CarriedAgain > 0 {
		lines = append(lines, "carried again because a stream broke: "+size(r.CarriedAgain))
	}
	lines = append(lines, dropped(r, fetched)...)
	if n := max(r.Failed, problems.total()); n > 0 {
		line := "not copied: " + plural(n, "entry", "entries")
		if len(problems) > 0 {
			line += ": " + problems.String()
		}
		lines = append(lines, line)
	}
	if !done {
		lines = append(lines, "the same command goes on from there")
	}
	return lines
}

// dropped names the metadata that was not kept.
func dropped(r *engine.Report, fetched bool) []string {
	var lines []string
	for _, d := range []struct {
		n           uint64
		what, grant string
	}{
		{r.Dropped.Special, "special bits", "special"}, {r.Dropped.Owner, "owners", "owner"}, {r.Dropped.Xattr, "extended attributes", "xattr"},
		{r.Dropped.ACL, "ACLs", "acl"},
	} {
		switch {
		case d.n > 0 && fetched && d.grant == "special":
			lines = append(lines, fmt.Sprintf("dropped: %s of %s: they are kept with --owner", d.what, plural(d.n, "entry", "entries")))
		case d.n > 0 && fetched:
			lines = append(lines, fmt.Sprintf("dropped: %s of %s: the right to set them is missing", d.what, plural(d.n, "entry", "entries")))
		case d.n > 0:
			lines = append(lines, fmt.Sprintf("dropped: %s of %s: the server needs --allow %s, and the right to set them",
				d.what, plural(d.n, "entry", "entries"), d.grant))
		}
	}
	return lines
}

// outsideWords warn of symlinks that lead out of what is sent.
func outsideWords(n uint64) string {
	return fmt.Sprintf("warning: %s out of what was sent, stored as they are (--safe-links skips such)", plural(n, "symlink leads", "symlinks lead"))
}
