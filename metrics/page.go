package metrics

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"path"
)

//go:embed page
var files embed.FS

// pages are the page and what belongs to it, by their paths.
func pages(cfg Config) (map[string]http.Handler, error) {
	t, err := template.ParseFS(files, "page/index.html")
	if err != nil {
		return nil, err
	}
	var page bytes.Buffer
	if err := t.Execute(&page, cfg); err != nil {
		return nil, err
	}
	all := map[string]http.Handler{"/{$}": fixed{page.Bytes(), kindOf("index.html")}}
	for _, name := range []string{"page.js", "page.css", "icon.svg"} {
		b, err := files.ReadFile("page/" + name)
		if err != nil {
			return nil, err
		}
		all["/"+name] = fixed{b, kindOf(name)}
	}
	return all, nil
}

// kindOf is the media type of a file: what the host's tables say of it does not matter.
func kindOf(name string) string {
	return map[string]string{
		".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8",
		".css": "text/css; charset=utf-8", ".svg": "image/svg+xml",
	}[path.Ext(name)]
}

// fixed is something that never changes.
type fixed struct {
	body []byte
	kind string
}

// ServeHTTP implements http.Handler.
func (f fixed) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", f.kind)
	_, _ = w.Write(f.body) // who has asked may be gone
}
