package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// dashboard is of a Grafana dashboard what queries anything.
type dashboard struct {
	Panels []struct {
		Title   string
		Targets []struct{ Expr string }
	}
	Annotations struct{ List []struct{ Name, Expr string } }
	Templating  struct {
		List []struct{ Name, Definition string }
	}
}

// queries are those of the dashboard in the tree, with its variables put in.
func queries(t *testing.T) map[string]string {
	t.Helper()
	b, err := os.ReadFile("../contrib/grafana/scp_rdma.json")
	must(t, err)
	var d dashboard
	must(t, json.Unmarshal(b, &d))
	all := map[string]string{}
	add := func(title, expr string) {
		for variable, is := range map[string]string{"$__rate_interval": "4s", "$job": ".*", "$instance": ".*", "[1h]": "[4s]"} {
			expr = strings.ReplaceAll(expr, variable, is)
		}
		if strings.Contains(expr, "$") {
			t.Errorf("%s: a variable that is none: %s", title, expr)
		}
		all[fmt.Sprintf("%s (%d)", title, len(all))] = expr
	}
	for _, p := range d.Panels {
		if len(p.Targets) == 0 {
			t.Errorf("%s shows nothing", p.Title)
		}
		for _, q := range p.Targets {
			add(p.Title, q.Expr)
		}
	}
	for _, a := range d.Annotations.List {
		// That it was started anew is nothing that a test waits for: the rest of it is asked.
		add(a.Name, strings.TrimSuffix(a.Expr, " > 0"))
	}
	for _, v := range d.Templating.List {
		if m := regexp.MustCompile(`^label_values\((.*), (\w+)\)$`).FindStringSubmatch(v.Definition); m != nil {
			add("$"+v.Name, fmt.Sprintf(`group by (%s) (%s)`, m[2], m[1]))
		}
	}
	return all
}

// replied is what Prometheus says to a query.
type replied struct {
	Status, Error string
	Data          struct {
		Result []struct {
			Metric map[string]string
			Value  [2]any
		}
	}
}

// Prometheus itself scrapes a server that receives and sends, and each query of the
// dashboard gets an answer from it.
func TestPrometheusAnswersEachQueryOfTheDashboard(t *testing.T) {
	w := nobody()
	dir, src, got := folder(t, w), folder(t, w), folder(t, w)
	write(t, filepath.Join(src, "f"), make([]byte, 16<<20))
	write(t, filepath.Join(dir, "g"), make([]byte, 16<<20))
	s := serve(t, w, dir, "--metrics", "0", "--limit", "2M")
	home := folder(t, w)
	write(t, filepath.Join(home, "prometheus.yml"), []byte(fmt.Sprintf(
		"global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n- job_name: scp_rdma\n  static_configs: [{targets: [%q]}]\n",
		strings.TrimPrefix(s.shown(t), "http://"))))
	p := start(t, w, "prometheus", "--config.file="+filepath.Join(home, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(home, "data"),
		"--web.listen-address=127.0.0.1:0")
	line := regexp.MustCompile(`msg="Listening on" address=(127\.0\.0\.1:\d+)`)
	eventually(t, "prometheus listens", func() bool { return line.MatchString(p.err.String()) || p.ended() })
	at := line.FindStringSubmatch(p.err.String())
	if at == nil {
		t.Fatalf("prometheus: %s", p.err.String())
	}
	eventually(t, "prometheus is ready", func() bool { return ready(t, "http://"+at[1]+"/-/ready") })
	clients := []*process{
		s.client(t, w, "-q", filepath.Join(src, "f"), "in/"),
		start(t, w, setting.bin, "-q", "-p", s.port, "127.0.0.1:g", got),
	}
	left := queries(t)
	if len(left) < 30 {
		t.Errorf("%d queries", len(left))
	}
	var last replied
	eventually(t, "each query has an answer", func() bool {
		for title, q := range left {
			if last = asked(t, at[1], q); last.Status != "success" {
				t.Fatalf("%s: %s: %s", title, q, last.Error)
			}
			if len(last.Data.Result) == 0 {
				t.Logf("%s: nothing yet: %s", title, q)
				return false
			}
			delete(left, title)
		}
		return true
	})
	for _, c := range clients {
		c.signal(t, syscall.SIGINT)
		c.wait(t)
	}
}

// ready says whether an address answers as it should.
func ready(t *testing.T, url string) bool {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	must(t, err)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// asked is Prometheus' answer to a query.
func asked(t *testing.T, at, query string) (r replied) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+at+"/api/v1/query", nil)
	must(t, err)
	q := req.URL.Query()
	q.Set("query", query)
	req.URL.RawQuery = q.Encode()
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	defer resp.Body.Close()
	must(t, json.NewDecoder(resp.Body).Decode(&r))
	return r
}
