package metrics

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"scp_rdma/engine"
)

func TestOnlyReadersAreAnsweredUnderNamesOfTheServer(t *testing.T) {
	k := start(t)
	_, port, _ := strings.Cut(strings.TrimPrefix(k.url, "http://"), ":")
	for _, tt := range []struct {
		method, path, host string
		want               int
	}{
		{"GET", "/", "", 200},
		{"HEAD", "/", "", 200},
		{"GET", "/", "localhost:" + port, 200},
		{"GET", "/", "LOCALHOST.", 200},
		{"GET", "/", "127.0.0.1", 200},
		{"GET", "/", "[::1]:" + port, 200},
		{"GET", "/", "server.example:" + port, 200},
		{"GET", "/", "evil.example", 421},
		{"GET", "/", "evil.example:" + port, 421},
		{"GET", "/metrics", "127.0.0.1.evil.example", 421},
		{"GET", "/api/status", "localhost.evil.example", 421},
		{"GET", "/page.js", "server.example.evil.example", 421},
		{"GET", "/healthz", "evil.example", 421},
		{"POST", "/", "", 405},
		{"PUT", "/metrics", "", 405},
		{"DELETE", "/api/status", "", 405},
		{"OPTIONS", "/api/status", "", 405},
		{"POST", "/healthz", "", 405},
		{"GET", "/nothing", "", 404},
		{"GET", "/page/page.js", "", 404},
		{"GET", "/../../etc/passwd", "", 404},
	} {
		resp, body := k.ask(tt.method, tt.path, tt.host)
		if resp.StatusCode != tt.want {
			t.Errorf("%s %s of %q: %d, want %d: %.80s", tt.method, tt.path, tt.host, resp.StatusCode, tt.want, body)
		}
		if got := resp.Header.Get("Content-Security-Policy"); !strings.Contains(got, "default-src 'none'; script-src 'self';") || strings.Contains(got, "unsafe") {
			t.Errorf("%s: policy %q", tt.path, got)
		}
		if resp.Header.Get("X-Content-Type-Options") != "nosniff" || resp.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %v", tt.path, resp.Header)
		}
		if tt.want == 421 && strings.Contains(body, "srv") {
			t.Errorf("it tells a stranger %q", body)
		}
	}
}

// The page has nothing inline, and names reach it as text alone.
func TestThePageIsMadeOfItsOwnFilesAlone(t *testing.T) {
	k := start(t)
	_, page := k.ask("GET", "/", "")
	if !strings.Contains(page, "&lt;script&gt;alert(1)&lt;/script&gt;") || strings.Contains(page, evil) {
		t.Errorf("the directory's name is not escaped: %s", page)
	}
	for _, no := range []string{"http://", "https://", "style=", "onload", "onclick", "<style"} {
		if strings.Contains(page, no) {
			t.Errorf("the page has %q", no)
		}
	}
	for name, kind := range map[string]string{"/page.js": "text/javascript", "/page.css": "text/css", "/icon.svg": "image/svg+xml"} {
		resp, body := k.ask("GET", name, "")
		if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), kind) || !strings.Contains(page, `"`+name+`"`) {
			t.Errorf("%s: %d, %s", name, resp.StatusCode, resp.Header.Get("Content-Type"))
		}
		for _, no := range []string{"innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "url(", "@import"} {
			if strings.Contains(body, no) {
				t.Errorf("%s has %q", name, no)
			}
		}
	}
	if strings.Count(page, "<script") != 1 {
		t.Error("more scripts than one")
	}
}

func TestStatusTellsWhatIsUnderWay(t *testing.T) {
	k := start(t)
	s, text := k.status()
	if strings.Contains(text, "<") {
		t.Errorf("markup in it: %s", text)
	}
	if s.State != "serving" || len(s.Sessions) != 2 || len(s.Ended) != 1 || s.Failed != 1 || s.Begun != 3 || !s.Private || s.Version != "1.2.3" {
		t.Errorf("%+v", s)
	}
	if one := s.Sessions[0]; one.Current != `a\nb/`+evil || one.Target != "into/"+evil || one.Key != "ann" || one.BytesDone != 1<<18 || one.Direction != "receive" || one.InUse != 3 {
		t.Errorf("%+v", one)
	}
	if len(s.Rails) != 1 || s.Rails[0].Received != 1000 || s.Rails[0].Sent != 500 || s.Rails[0].Streams != 2 || s.Room.Refused != 6 {
		t.Errorf("%+v, %+v", s.Rails, s.Room)
	}
	if e := s.Ended[0]; e.Kind != "disk" || !strings.Contains(e.Error, "no space") {
		t.Errorf("%+v", e)
	}
}

// Who comes from elsewhere sees no names but those of keys.
func TestOthersSeeNoNamesOfFiles(t *testing.T) {
	k := start(t, func(c *Config) { c.Public = true })
	_, text := k.status()
	_, page := k.ask("GET", "/", "")
	_, all := k.ask("GET", "/metrics", "")
	for _, secret := range []string{"alert(1)", "into/", "192.0.2.1", "srv", "no space"} {
		if strings.Contains(text+page+all, secret) {
			t.Errorf("%q is told", secret)
		}
	}
	if !strings.Contains(text, `"key":"ann"`) {
		t.Errorf("no key: %s", text)
	}
}

func TestOfManySessionsSomeAreShown(t *testing.T) {
	k := start(t)
	one := k.reading.Sessions[0]
	one.Target = strings.Repeat("x", 1<<20) + "end"
	k.mu.Lock()
	k.reading.Sessions, k.reading.Rails = nil, nil
	for i := range 1000 {
		one.ID = fmt.Sprint(i)
		k.reading.Sessions = append(k.reading.Sessions, one)
		k.reading.Rails = append(k.reading.Rails, engine.RailReading{Transport: "tcp", Name: fmt.Sprint("eth", i)})
	}
	k.mu.Unlock()
	s, text := k.status()
	if len(s.Sessions) != maxSessions || s.Hidden != 1000-maxSessions || len(s.Rails) != maxRails || len(text) > 1<<20 {
		t.Errorf("%d sessions, %d more, %d rails, %d bytes", len(s.Sessions), s.Hidden, len(s.Rails), len(text))
	}
	if !strings.HasSuffix(s.Sessions[0].Target, "xend") {
		t.Errorf("%q", s.Sessions[0].Target)
	}
}

func TestHealth(t *testing.T) {
	k := start(t)
	check := func(when string, live, ready int, word string) {
		t.Helper()
		a, _ := k.ask("GET", "/healthz", "")
		b, text := k.ask("GET", "/readyz", "")
		if a.StatusCode != live || b.StatusCode != ready || !strings.Contains(text, word) {
			t.Errorf("%s: %d, %d, %q", when, a.StatusCode, b.StatusCode, text)
		}
	}
	check("all is well", 200, 200, "ok")
	k.set(errNone)
	check("nobody comes in", 503, 503, "nobody takes")
	if s, _ := k.status(); s.State != "failing" || s.Why != errNone.Error() {
		t.Errorf("%+v", s)
	}
	k.stopping.Store(true)
	check("it stops", 200, 503, "stopping")
	if s, _ := k.status(); s.State != "stopping" {
		t.Errorf("%+v", s)
	}
}

func TestMetricsPassTheLinter(t *testing.T) {
	k := start(t)
	resp, text := k.ask("GET", "/metrics", "")
	if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	for _, f := range families("") {
		if !strings.Contains(text, "# HELP "+f.Name+" ") || !strings.Contains(text, "# TYPE "+f.Name+" "+f.Type+"\n") {
			t.Errorf("%s of type %s is not there", f.Name, f.Type)
		}
		if (f.values == nil) == (f.histograms == nil) || (f.Type == histogram) != (f.histograms != nil) {
			t.Errorf("%s: of which kind is it?", f.Name)
		}
	}
	for _, want := range []string{
		`scp_rdma_rail_bytes_total{direction="receive",rail="eth0",transport="tcp"} 1000`,
		`scp_rdma_rail_credit_wait_seconds_total{rail="eth0",transport="tcp"} 2`,
		`scp_rdma_rail_frame_wait_seconds_total{rail="eth0",transport="tcp"} 1`,
		`scp_rdma_sessions{direction="send"} 1`, `scp_rdma_sessions_ended_total{direction="receive",kind="disk"} 1`,
		`scp_rdma_slots_in_use{direction="receive"} 3`, `scp_rdma_queue_depth{queue="units"} 4`,
		`scp_rdma_connections_total{outcome="refused"} 6`, `scp_rdma_commit_seconds_bucket{le="0.001"} 1`,
		`scp_rdma_commit_seconds_bucket{le="+Inf"} 3`, `scp_rdma_files_total{direction="receive",result="skipped"} 2`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("there is no %s", want)
		}
	}
	for _, no := range []string{"alert", "ann", "192.0.2.1", "c0ffee"} {
		if strings.Contains(text, no) {
			t.Errorf("a client chose %q", no)
		}
	}
}

// docs/metrics.md has each metric with its type and labels, no other, and each field of
// the JSON.
func TestEveryMetricIsDocumented(t *testing.T) {
	b, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	known := map[string]bool{}
	for _, f := range families("") {
		known[f.Name] = true
		labels := ""
		if len(f.Labels) > 0 {
			labels = "`" + strings.Join(f.Labels, "`, `") + "`"
		}
		if row := fmt.Sprintf("| `%s` | %s | %s |", f.Name, f.Type, labels); !strings.Contains(page, row) {
			t.Errorf("docs/metrics.md has no row that begins %s", row)
		}
	}
	for line := range strings.Lines(page) {
		cells := strings.Split(line, " | ")
		name := strings.Trim(cells[0], "| `")
		if len(cells) > 3 && strings.HasPrefix(name, "scp_rdma_") && !known[name] {
			t.Errorf("docs/metrics.md has %s, which is no metric", name)
		}
	}
	for _, v := range []any{status{}, session{}, over{}, rail{}, room{}} {
		typ := reflect.TypeOf(v)
		for i := range typ.NumField() {
			name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			if !strings.Contains(page, "`"+name+"`") {
				t.Errorf("the field %s is not in docs/metrics.md", name)
			}
		}
	}
	for _, k := range engine.Kinds() {
		if !strings.Contains(page, "`"+string(k)+"`") {
			t.Errorf("the kind %s is not in docs/metrics.md", k)
		}
	}
}

// One who holds all connections open keeps nobody out for ever, and no answer waits for
// who never asks.
func TestConnectionsAreBounded(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := bound(ln, 2)
	accepted := make(chan net.Conn, 10)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := b.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	for range 3 {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	first := <-accepted
	<-accepted
	select {
	case <-accepted:
		t.Error("a third of two")
	case <-time.After(50 * time.Millisecond):
	}
	first.Close()
	first.Close() // gives its place back once
	third := <-accepted
	select {
	case <-accepted:
		t.Error("a fourth")
	case <-time.After(10 * time.Millisecond):
	}
	b.Close() // while nobody has room
	<-done
	third.Close()
}

func TestServerIsBounded(t *testing.T) {
	k := start(t)
	req, err := http.NewRequestWithContext(t.Context(), "GET", k.url+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X", strings.Repeat("x", 2*maxHeader))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("%d", resp.StatusCode)
	}
}

func TestHistoryIsWhatWasCarriedLately(t *testing.T) {
	h := newHistory()
	k := railOf{"tcp", "eth0"}
	rails := func(in, out uint64) []engine.RailReading {
		return []engine.RailReading{
			{Transport: "tcp", Name: "eth0", Direction: engine.Receiving, Bytes: in},
			{Transport: "tcp", Name: "eth0", Direction: engine.Sending, Bytes: out},
		}
	}
	at := time.Unix(1000, 0)
	h.add(at, rails(100, 0))
	h.add(at.Add(2*time.Second), rails(300, 10))
	h.add(at.Add(6*time.Second), rails(300, 410)) // late
	if in, out := h.read(k, engine.Receiving), h.read(k, engine.Sending); fmt.Sprint(in, out) != "[100 0] [5 100]" {
		t.Errorf("%v %v", in, out)
	}
	for i := range uint64(2 * historyPoints) {
		at = at.Add(historyStep)
		h.add(at, rails(1000+2*i*i, 410))
	}
	if in := h.read(k, engine.Receiving); len(in) != historyPoints || in[historyPoints-1] != 2*(2*historyPoints)-3 {
		t.Errorf("%d points, the last %d", len(in), in[len(in)-1])
	}
	if got := h.read(railOf{"tcp", "none"}, engine.Sending); len(got) != 0 {
		t.Errorf("%v", got)
	}
}
