package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func schema() Schema {
	return Schema{Secret: "secret1:", Keys: map[string]Key{
		"streams": {Takes: Number, Client: true}, "quiet": {Takes: Bool, Client: true, Server: true}, "exclude": {Takes: List, Client: true},
		"output": {Takes: Text, Server: true}, "address": {Takes: Text, Host: true}, "user": {Takes: Text, Server: true, Host: true},
		"list": {Takes: Bool, Client: true, Never: "it is a deed"}, "suffix": {Takes: Text, Client: true},
	}}
}

func TestAFileIsReadInItsOrder(t *testing.T) {
	f, err := Parse("f", []byte(`# a comment
client:
  streams: 8
  exclude: ["*.o", 7]
  suffix: 2020-01-01
hosts:
  b: {address: 10.0.0.7, streams: 3, user: ann}
  a: {}
server: {output: /srv, quiet: true, user: 1000}
`), schema())
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []Value{{"streams", []string{"8"}, false, 3}, {"exclude", []string{"*.o", "7"}, true, 4}, {"suffix", []string{"2020-01-01"}, false, 5}} {
		if got := f.Client[i]; got.Name != want.Name || !slices.Equal(got.Texts, want.Texts) || got.List != want.List || got.Line != want.Line {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	if h, ok := f.Host("b"); !ok || h.Line != 7 || len(h.Values) != 3 || h.Values[2].Texts[0] != "ann" {
		t.Errorf("%+v", h)
	}
	if h, ok := f.Host("a"); !ok || len(h.Values) != 0 {
		t.Errorf("%+v", h)
	}
	if _, ok := f.Host("c"); ok || len(f.Server) != 3 {
		t.Errorf("%+v", f)
	}
	for _, empty := range []string{"", "# nothing\n", "---\n", "~", "client:\n", "client: {}\nhosts:"} {
		if _, err := Parse("f", []byte(empty), schema()); err != nil {
			t.Errorf("%q: %v", empty, err)
		}
	}
}

func TestMistakesHaveTheirLine(t *testing.T) {
	for text, want := range map[string]string{
		"clint:\n":                            "f:1: clint is not known: is client meant?",
		"nonsense: 1":                         "f:1: nonsense is not known",
		"client:\n  strems: 1":                "f:2: strems is not known below client: is streams meant?",
		"client:\n  xyzzyx: 1":                "f:2: xyzzyx is not known below client",
		"client:\n  lst: 1":                   "f:2: lst is not known below client", // the deed is not offered
		"streams: 1":                          "f:1: streams does not stand by itself: write it below client:",
		"client: {output: /x}":                "f:1: output stands below server:, not below client",
		"client: {user: a}":                   "f:1: user stands below server:, or in a host of hosts:, not below client",
		"server: {streams: 1}":                "f:1: streams stands below client:, not below server",
		"client: {list: true}":                "f:1: list is not set in a file: it is a deed",
		"client:\n  streams: abc":             "f:2: streams takes a number",
		"client:\n  streams: 1.5":             "f:2: streams takes a number",
		"client:\n  streams: [1]":             "f:2: streams takes a number",
		"client: {quiet: yes}":                "f:1: quiet takes true or false",
		"client: {quiet: 1}":                  "f:1: quiet takes true or false",
		"client: {suffix: true}":              "f:1: suffix takes a text (write it in quotes)",
		"client: {suffix: }":                  "f:1: suffix takes a text",
		"client: {suffix: {a: b}}":            "f:1: suffix takes a text",
		"client: {exclude: {a: b}}":           "f:1: exclude takes a text or a list",
		"client: {exclude: [[a]]}":            "f:1: exclude takes a text or a list",
		"client: {exclude: [true]}":           "f:1: exclude takes a text or a list",
		"client:\n  streams: 1\n  streams: 2": "f:3: streams stands there twice, first on line 2",
		"client: &x {streams: 1}":             "f:1: anchors (&) and aliases (*) are not taken",
		"client: {exclude: [&x a, *x]}":       "f:1: anchors",
		"client: {<<: {streams: 1}}":          "f:1: a key is a word here",
		"client: {[a]: 1}":                    "f:1: a key is a word here",
		"client: [streams]":                   "f:1: client has keys and values",
		"- client":                            "f:1: a file has the sections",
		"client: {suffix: 'secret1:aa'}":      "f:1: this is a key itself",
		"client: {exclude: ['secret1:']}":     "f:1: this is a key itself",
		"secret1:aa: 1":                       "f:1: this is a key itself",
		"hosts: {'a:b': {}}":                  "can't be the name of a host",
		"hosts: {'-a': {}}":                   "can't be the name of a host",
		"hosts: {'': {}}":                     "can't be the name of a host",
		"hosts: {a: {output: /x}}":            "f:1: output stands below server:, not below hosts",
		"hosts: {a: {adddress: b}}":           "f:1: adddress is not known below hosts: is address meant?",
		"client: {}\n---\nclient: {}":         "a second document begins",
		"client:\n\tstreams: 1":               "f:2: not YAML: ",
		"client: {":                           "not YAML: ",
		"client: {\"\\e[2J\": 1}":             `f:1: "\x1b[2J" is not known`,
		"\x00":                                "f: not YAML: ",
	} {
		_, err := Parse("f", []byte(text), schema())
		if err == nil || !errors.Is(err, ErrBad) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret1") {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if _, err := Parse("f", make([]byte, MaxFile+1), schema()); !errors.Is(err, ErrBad) || !strings.Contains(err.Error(), "more than") {
		t.Error(err)
	}
}

// Deep nesting, many keys: bounded by the size of a file, in time too.
func TestABombIsOnlyAsLongAsItIs(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("[", MaxFile/2), "client: " + strings.Repeat("{a: ", MaxFile/8),
		"a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n", strings.Repeat("- ", MaxFile/4),
	} {
		if _, err := Parse("f", []byte(text), schema()); !errors.Is(err, ErrBad) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

func TestAFileThatOthersCanChangeIsRefused(t *testing.T) {
	dir := t.TempDir()
	at := func(name string, mode os.FileMode) string {
		t.Helper()
		p := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(p, []byte("client: {}\n"), 0o600), os.Chmod(p, mode)); err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, mode := range []os.FileMode{0o600, 0o644, 0o400} {
		if text, err := Load(at("good"+strconv.Itoa(int(mode)), mode)); err != nil || string(text) != "client: {}\n" {
			t.Errorf("%o: %q %v", mode, text, err)
		}
	}
	for _, mode := range []os.FileMode{0o620, 0o602, 0o666} {
		if _, err := Load(at("bad"+strconv.Itoa(int(mode)), mode)); !errors.Is(err, ErrUnsafe) || !strings.Contains(err.Error(), "chmod go-w") {
			t.Errorf("%o: %v", mode, err)
		}
	}
	if os.Geteuid() == 0 {
		foreign := at("foreign", 0o600)
		if err := os.Chown(foreign, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(foreign); !errors.Is(err, ErrUnsafe) || !strings.Contains(err.Error(), "belongs to user 65534") {
			t.Error(err)
		}
	}
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(fifo); !errors.Is(err, ErrUnsafe) {
		t.Error(err)
	}
	if _, err := Load(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if text, err := Load(at("long", 0o600)); err != nil || len(text) > MaxFile {
		t.Error(err)
	}
}

// FuzzParse: whatever is in a file, it is refused with its place, or all of it is known.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"client: {streams: 8, exclude: [a, b]}", "hosts: {a: {address: b, user: c}}", "server:\n  output: /x\n", "a: &a [*a]", "? a\n: b", "client: !!set {a}",
		"%YAML 1.1\n---\nclient: {suffix: \"\\U0001F600\"}", "client: {quiet: !!bool \"true\"}", "client: {<<: *x}", "client: |\n  x\n", "secret1:",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, err := Parse("f", []byte(text), schema())
		if err != nil {
			if !errors.Is(err, ErrBad) || !strings.HasPrefix(err.Error(), "f:") || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		all := slices.Concat(file.Client, file.Server)
		for _, h := range file.Hosts {
			all = append(all, h.Values...)
		}
		for _, v := range all {
			k, ok := schema().Keys[v.Name]
			if !ok || k.Never != "" || v.Line < 1 || len(v.Texts) != 1 && k.Takes != List || strings.Contains(strings.Join(v.Texts, ""), "secret1:") {
				t.Errorf("%q: %+v", text, v)
			}
		}
	})
}
