package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// shown is where a server shows what it does.
func (p *process) shown(t *testing.T) string {
	t.Helper()
	eventually(t, p.out.String, "what it does: ")
	m := regexp.MustCompile(`what it does: (http://\S+)/ `).FindStringSubmatch(p.out.String())
	if m == nil {
		t.Fatalf("the server says %q", p.out.String())
	}
	return m[1]
}

// httpGot is what something there answers, asked for under the name of a host.
func httpGot(t *testing.T, method, url, host string) (code int, header http.Header, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		req.Host = host
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(b)
}

// value is what a scrape says of a metric, its labels as they stand there; 0 for none.
func value(t *testing.T, scrape, metric string) float64 {
	t.Helper()
	for line := range strings.Lines(scrape) {
		if rest, ok := strings.CutPrefix(line, metric+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	return 0
}

// The real server, confined and as another user where it can be, is watched while it
// works: what it counts is what went over.
func TestAServerIsWatchedWhileItWorks(t *testing.T) {
	dir := t.TempDir()
	const size = 12 << 20 // ten seconds, of which a busy machine has one to look
	evil := "<script>alert(1)<"
	if err := os.WriteFile(filepath.Join(dir, "large"), make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	server := newProcess(t, "-s", "-p", "0", "--bind", "127.0.0.1", "-o", "in", "--metrics", "0", "--limit", "1M", "--grace", "30s").start(t)
	port, at := server.port(t), server.shown(t)
	client := newProcess(t, "-q", "-p", port, "--transport", "tcp", filepath.Join(dir, "large"), "127.0.0.1:"+evil).start(t)
	var seen string
	eventually(t, func() string {
		_, _, seen = httpGot(t, "GET", at+"/api/status", "")
		var s struct {
			Sessions []struct {
				Target, Current string
				Done            uint64 `json:"bytes_done"`
				Bytes           uint64
			}
		}
		if err := json.Unmarshal([]byte(seen), &s); err != nil {
			t.Fatal(err)
		}
		if len(s.Sessions) == 1 && s.Sessions[0].Done > 0 && s.Sessions[0].Done < s.Sessions[0].Bytes && strings.HasSuffix(s.Sessions[0].Target, evil) {
			return "under way"
		}
		return seen
	}, "under way")
	if strings.Contains(seen, "<") {
		t.Errorf("markup in %s", seen)
	}
	if _, _, scrape := httpGot(t, "GET", at+"/metrics", ""); value(t, scrape, `scp_rdma_sessions{direction="receive"}`) != 1 {
		t.Errorf("no session in %.3000s", scrape)
	}
	if code := client.wait(t); code != 0 {
		t.Fatalf("%d: %s", code, client.err.String())
	}
	var scrape string
	eventually(t, func() string { _, _, scrape = httpGot(t, "GET", at+"/metrics", ""); return scrape },
		`scp_rdma_sessions_ended_total{direction="receive",kind="done"} 1`+"\n")
	for metric, want := range map[string]float64{
		`scp_rdma_rail_bytes_total{direction="receive",rail="lo",transport="tcp"}`: size,
		`scp_rdma_file_bytes_total{direction="receive"}`:                           size,
		`scp_rdma_files_total{direction="receive",result="done"}`:                  1,
		`scp_rdma_commit_seconds_count`:                                            1,
		`scp_rdma_connections_total{outcome="proved"}`:                             1,
		`scp_rdma_handshake_seconds_count`:                                         1,
		`scp_rdma_sessions{direction="receive"}`:                                   0,
		`scp_rdma_slots{direction="receive"}`:                                      0,
	} {
		if got := value(t, scrape, metric); got != want {
			t.Errorf("%s is %v, want %v", metric, got, want)
		}
	}
	if value(t, scrape, "process_resident_memory_bytes") == 0 {
		t.Error("a confined server does not see its own memory")
	}
	for _, tt := range []struct {
		method, host string
		want         int
	}{{"GET", "", 200}, {"GET", "evil.example", 421}, {"POST", "", 405}} {
		code, h, _ := httpGot(t, tt.method, at+"/", tt.host)
		if code != tt.want || h.Get("Content-Security-Policy") == "" {
			t.Errorf("%s as %q: %d %v", tt.method, tt.host, code, h)
		}
	}
}

// A server that waits for its sessions is still seen, and says that it is not to be
// given more.
func TestAServerThatStopsSaysSo(t *testing.T) {
	server := newProcess(t, "-s", "-p", "0", "--bind", "127.0.0.1", "-o", "in", "--metrics", "0", "--grace", "1h").start(t)
	port, at := server.port(t), server.shown(t)
	if code, _, text := httpGot(t, "GET", at+"/readyz", ""); code != 200 {
		t.Errorf("%d %s", code, text)
	}
	held := session(t, port)
	server.signal(t, 15)
	eventually(t, func() string { _, _, text := httpGot(t, "GET", at+"/readyz", ""); return text }, "stopping")
	if code, _, text := httpGot(t, "GET", at+"/healthz", ""); code != 200 {
		t.Errorf("%d %s", code, text)
	}
	held.Abort()
	if code := server.wait(t); code != 0 {
		t.Errorf("%d: %s", code, server.err.String())
	}
}

func TestMetricsAddresses(t *testing.T) {
	for in, want := range map[string]metricsValue{
		"9177": {true, "", 9177}, ":9177": {true, "", 9177}, "0": {true, "", 0}, "[::1]:80": {true, "::1", 80},
		"0.0.0.0:9177": {true, "0.0.0.0", 9177}, "server.example:9177": {true, "server.example", 9177},
		"": {}, "x": {}, ":": {}, "1:2:3": {}, "-1": {}, "65536": {}, "h:65536": {}, "::1": {},
	} {
		var v metricsValue
		if err := v.Set(in); (err == nil) != want.given || v != want {
			t.Errorf("%q: %+v, %v", in, v, err)
		}
	}
}
