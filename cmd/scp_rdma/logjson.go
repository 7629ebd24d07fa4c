package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
)

// logFormats are what --log-format takes.
func logFormats() []string { return []string{"text", "json"} }

// logsJSON says whether every line on stderr is an object of JSON. Where the flags can't be
// read to the end, what can be read of this one counts.
func (o *options) logsJSON() bool {
	at := slices.Index(o.words, "--log-format")
	return o.logFormat == "json" || o.typed == nil && (slices.Contains(o.words, "--log-format=json") || at >= 0 && slices.Index(o.words, "json") == at+1)
}

// saidAs is a line for stderr, in the format of the log.
func (o *options) saidAs(level, line string) string {
	if !o.logsJSON() {
		return line
	}
	return logRecord(level, line)
}

// logRecord is what is said past the log, as the log says it in JSON.
func logRecord(level, line string) string {
	b, err := json.Marshal(struct {
		Level   string `json:"@level"`
		Message string `json:"@message"`
		Module  string `json:"@module"`
		Time    string `json:"@timestamp"`
	}{level, strings.TrimPrefix(line, "scp_rdma: "), "scp_rdma", time.Now().Format(hclog.TimeFormatJSON)})
	if err != nil {
		return "{}" // strings are always JSON
	}
	return visible(string(b))
}

// visible writes what can't be seen in a line of JSON as JSON does: such characters are in its
// strings and nowhere else.
func visible(line string) string {
	if plain(line) {
		return line
	}
	var b strings.Builder
	for _, r := range line {
		switch {
		case strconv.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16Pair(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// utf16Pair is a character beyond the first plane as RFC 8259 writes it.
func utf16Pair(r rune) (high, low rune) {
	r -= 0x10000
	return 0xd800 + r>>10, 0xdc00 + r&0x3ff
}

// levelOf is how much a line matters that is said past the log.
func levelOf(line string) string {
	switch {
	case strings.HasPrefix(line, "scp_rdma: WARNING: "):
		return "warn"
	case strings.HasPrefix(line, "scp_rdma: "):
		return "error"
	}
	return "info"
}
