package e2e

import (
	"context"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// shown is where a server shows what it does.
func (s *server) shown(t *testing.T) string {
	t.Helper()
	line := regexp.MustCompile(`what it does: (http://\S+)/ `)
	var found []string
	eventually(t, "the server says where it is seen", func() bool {
		found = line.FindStringSubmatch(s.out.String())
		return found != nil || s.ended()
	})
	if found == nil {
		t.Fatalf("the server ended: %s", s.err.String())
	}
	return found[1]
}

// browser is a real one, without a window.
func browser(t *testing.T, url string, wide, high int) context.Context {
	t.Helper()
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath("chromium"), chromedp.UserDataDir(folder(t, root())), chromedp.WindowSize(wide, high), chromedp.WSURLReadTimeout(patience),
	}
	for _, flag := range []string{
		"headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
		"disable-component-update", "disable-sync", "hide-scrollbars", "disable-dev-shm-usage",
	} {
		options = append(options, chromedp.Flag(flag, true))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel) // waits until it has ended
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	_, err := chromedp.Run(ctx, chromedp.Navigate(url))
	must(t, err)
	return ctx
}

// in gives what an expression is in the page.
func in[T any](ctx context.Context, t *testing.T, expression string) T {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// The page in a real browser, while something is copied: what a person sees moves, and
// names of files are text whatever they say.
func TestThePageMovesInARealBrowser(t *testing.T) {
	const evil = `<img src=x onerror="document.title='owned'"><script>document.title='owned'<`
	w := nobody()
	dir, src := folder(t, w), folder(t, w)
	write(t, filepath.Join(src, evil), make([]byte, 16<<20))
	s := serve(t, w, dir, "--metrics", "0", "--limit", "2M")
	at := s.shown(t)
	ctx := browser(t, at+"/", 1280, 900)
	eventually(t, "the page says that the server serves", func() bool {
		return in[string](ctx, t, `document.getElementById("state").textContent`) == "serving"
	})
	if got := in[bool](ctx, t, `document.getElementById("no-sessions").hidden`); got {
		t.Error("nobody copies, and the page does not say so")
	}
	client := s.client(t, w, "-q", "--transport", "tcp", filepath.Join(src, evil), evil)
	width := func() float64 {
		return in[float64](ctx, t, `parseFloat(document.querySelector("#sessions .bar > span")?.style.width || "0")`)
	}
	var before float64
	eventually(t, "the page shows the session", func() bool { before = width(); return before > 0 })
	eventually(t, "its bar moves", func() bool { return width() > before })
	if got := in[string](ctx, t, `document.querySelector("#sessions .target").textContent`); !strings.HasSuffix(got, evil) {
		t.Errorf("its target is shown as %q", got)
	}
	if got := in[string](ctx, t, `document.querySelector("#sessions .card").textContent`); !strings.Contains(got, "of 16.0 MiB") || !strings.Contains(got, "onerror") {
		t.Errorf("its card says %q", got)
	}
	eventually(t, "the rail has a curve", func() bool {
		return len(in[string](ctx, t, `document.querySelector("#rails path.in:not(.area)")?.getAttribute("d") || ""`)) > 0
	})
	for state, says := range map[string]string{"carries": "", "less": "slow: is given less", "none": "slow: is given only probes"} {
		got := in[string](ctx, t, `(() => { const c = railCard(); fillRail(c.parts, { name: "r", transport: "t", streams: 1, streams_broken: 0, state: "`+state+
			`", receive_rates: [], send_rates: [], received_bytes: 0, sent_bytes: 0, step: 2 }); return c.querySelector(".wrong").textContent })()`)
		if got != says {
			t.Errorf("of a rail that is given %s it says %q", state, got)
		}
	}
	if got := in[int](ctx, t, `document.querySelectorAll("main img, main script, main iframe").length`); got != 0 {
		t.Errorf("%d elements came from a name", got)
	}
	if got := in[string](ctx, t, `document.title`); strings.Contains(got, "owned") {
		t.Error("a name was run")
	}
	// Not even one that is put there is run.
	in[bool](ctx, t, `(() => { const e = document.createElement("script"); e.textContent = "document.title = 'owned'"; document.head.append(e); return true })()`)
	if got := in[string](ctx, t, `document.title`); strings.Contains(got, "owned") {
		t.Error("the policy lets scripts run that are not the page's")
	}
	// On a phone nothing sticks out.
	_, err := chromedp.Run(ctx, chromedp.EmulateViewport(400, 800))
	must(t, err)
	if got := in[float64](ctx, t, `document.documentElement.scrollWidth`); got > 400 {
		t.Errorf("the page is %v px wide on a screen of 400", got)
	}
	if code := client.wait(t); code != 0 {
		t.Fatalf("the client ends with %d: %s", code, client.err.String())
	}
	eventually(t, "the page shows that it has ended", func() bool {
		return in[bool](ctx, t, `document.querySelector("#ended .result.good") !== null && document.querySelector("#sessions .card") === null`)
	})
	s.stop(t)
	eventually(t, "the page says that the server is gone", func() bool {
		return strings.Contains(in[string](ctx, t, `document.getElementById("alarm").textContent`), "has not answered since")
	})
}

// One that has given up root, and all of the host but its directory, is seen all the same.
func TestAServerThatGaveUpRootIsSeen(t *testing.T) {
	dir := folder(t, nobody())
	s := serve(t, root(), dir, "--user", "nobody", "--metrics", "0")
	at := s.shown(t)
	eventually(t, "it is well", func() bool { return ready(t, at+"/healthz") && ready(t, at+"/readyz") && ready(t, at+"/metrics") })
	src := filepath.Join(folder(t, nobody()), "f")
	write(t, src, []byte("f"))
	s.send(t, nobody(), "-q", src, "").wants(t, 0)
	s.stop(t)
}
