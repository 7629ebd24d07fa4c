package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// What a peer has put into a line neither ends it nor moves a terminal's cursor.
func TestALineOfJSONStaysOne(t *testing.T) {
	var stderr bytes.Buffer
	o := &options{logFormat: "json"}
	con := newConsole(env{stdout: &bytes.Buffer{}, stderr: &stderr, getenv: noEnv}, o)
	evil := "a\nb\x1b[2J\u202e\x7f\xff\U000e0001\"}"
	newLog(con, o).Named("x").Warn("evil", "name", evil)
	con.line("scp_rdma: " + quote(evil))
	con.line(evil)
	con.note(evil)
	lines := strings.Split(strings.TrimSuffix(stderr.String(), "\n"), "\n")
	if len(lines) != 4 {
		t.Errorf("%q", lines)
	}
	for i, level := range []string{"warn", "error", "info", "info"} {
		var m map[string]any
		if err := json.Unmarshal([]byte(lines[i]), &m); err != nil || m["@level"] != level || !plain(lines[i]) {
			t.Errorf("%q: %v", lines[i], err)
		}
	}
	var m map[string]string
	want := strings.ReplaceAll(evil, "\xff", "\ufffd")
	if err := json.Unmarshal([]byte(lines[0]), &m); err != nil || m["name"] != want || m["@module"] != "scp_rdma.x" {
		t.Errorf("%q: %v", m, err)
	}
}
