package main

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// settled runs scp_rdma config with a user's and a system's file.
func settled(t *testing.T, user, system string, args ...string) (configReport, string) {
	t.Helper()
	home := t.TempDir()
	at := func(name, text string) string {
		p := filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	at(".config/scp_rdma/config.yaml", user)
	var out, stderr bytes.Buffer
	run(t.Context(), env{stdout: &out, stderr: &stderr, system: at("system.yaml", system), getenv: func(name string) string {
		return map[string]string{"HOME": home}[name]
	}}, append([]string{"config", "--json"}, args...))
	var r configReport
	if stderr.Len() == 0 {
		if err := json.Unmarshal(out.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
	}
	return r, stderr.String()
}

// what is one setting with its origin.
func what(list []shownSetting, name string) string {
	var all []string
	for _, s := range list {
		if s.Name == name {
			text := s.Value + " " + s.From
			if s.Line > 0 {
				text += ":" + string(rune('0'+s.Line))
			}
			all = append(all, text)
		}
	}
	return strings.Join(all, ", ")
}

func TestFlagsWinOverTheUsersFileAndThatOverTheSystems(t *testing.T) {
	const user = `client:
  streams: 2
  quiet: true
  exclude: [a, b]
hosts:
  h: {slots: 5, user: ann}
`
	const system = `client: {streams: 3, slots: 4, verbose: 2, exclude: c, size: 1M}
hosts: {h: {address: 10.1.1.1, slots: 6, size: 2M}}
server: {limit: 5M, max-sessions: 7}
`
	r, stderr := settled(t, user, system, "-j", "1", "--exclude", "z")
	if stderr != "" {
		t.Fatal(stderr)
	}
	for name, want := range map[string]string{
		"streams": "1 flag", "slots": "4 system:1", "quiet": "true user:3", "verbose": "0 default", // quiet leaves no room for it
		"size": "1M system:1", "wait": "5m0s default", "rule": "- z flag, - a user:4, - b user:4, - c system:1",
	} {
		if got := what(r.Client, name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	r, stderr = settled(t, user, system, "-v", "h")
	for name, want := range map[string]string{
		"streams": "2 user:2", "slots": "5 user:6", "size": "2M system:2", "verbose": "1 flag", "quiet": "false default", "ssh": "true default",
	} {
		if got := what(r.Client, name); got != want {
			t.Errorf("h: %s: %s, want %s; %s", name, got, want, stderr)
		}
	}
	if r.Host == nil || *r.Host != (shownHost{Name: "h", Address: "10.1.1.1", User: "ann", SSH: true}) || r.Server != nil {
		t.Errorf("%+v", r.Host)
	}
	r, _ = settled(t, user, system, "-s")
	if got := what(r.Server, "limit") + what(r.Server, "max-sessions"); got != "5M system:37 system:3" || r.Client != nil {
		t.Error(got)
	}
}

// Who mends one file has to be told of it, whichever command found it.
func TestAllOfAFileIsTriedAtOnce(t *testing.T) {
	for text, want := range map[string]string{
		"server: {grace: soon}":                     "config.yaml:1: grace soon: it takes a time like 90s or 5m",
		"server:\n  port: 99999":                    "config.yaml:2: port: -p 99999: a port is 1 to 65535",
		"hosts:\n  a:\n    streams: x":              "config.yaml:3: streams takes a number",
		"hosts: {a: {address: a b}}":                "address a b: it takes the name or the address of a host",
		"hosts: {a: {user: '-x'}}":                  "user -x: it takes the name of a user",
		"hosts: {a: {user: x, ssh: false}}":         "ssh: a user is for ssh alone",
		"client: {key-file: key}":                   "key-file key: in a file a path begins with / or ~/",
		"client: {port-range: 9-1}":                 "--port-range 9-1: it takes ports",
		"client: {streams: 999999999999999999}":     "-j 999999999999999999: it takes 1 to 64 streams",
		"client: {filter-from: /nowhere/rules}":     "/nowhere/rules",
		"client: {encrypt: true, no-encrypt: true}": "contradict each other (--encrypt is from ",
		"server: {allow: [all]}":                    "--allow all: it takes owner, special, xattr, xattr-all, acl, delete (--allow is from ",
	} {
		if _, stderr := settled(t, text, ""); !strings.Contains(stderr, want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%q: %s, want %s", text, stderr, want)
		}
	}
}

// A file of this user's that can't be read is no file that isn't there. (That of another user, whose HOME
// was left, is: test/package has that.)
func TestAFileThatCanNotBeReadIsToldSo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte("client: {streams: 3}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	denied := func(path string) ([]byte, error) {
		return nil, &fs.PathError{Op: "open", Path: path, Err: syscall.EACCES}
	}
	c := configText{Path: file, Kind: kindUser}
	if err := c.load(denied, false); err == nil || c.Missing {
		t.Errorf("%v, %+v", err, c)
	}
}

func TestTheSystemsFileMayBeWrongToo(t *testing.T) {
	if _, stderr := settled(t, "", "client: {strems: 1}"); !strings.Contains(stderr, "system.yaml:1: strems is not known") {
		t.Error(stderr)
	}
}

// What is refused with a reason is a flag, and nothing that is about one run can be set.
func TestDeedsAreNoSettings(t *testing.T) {
	s := schema()
	for name := range never() {
		if k, ok := s.Keys[name]; !ok || k.Never == "" {
			t.Errorf("%s is no flag", name)
		}
	}
	for _, pair := range exclusive() {
		for _, name := range pair {
			if k, ok := s.Keys[name]; !ok || k.Never != "" {
				t.Errorf("%s can't be set", name)
			}
		}
	}
}

// FuzzConfigure: whatever is in a file, it is refused with its place or all of it can be shown.
func FuzzConfigure(f *testing.F) {
	for _, s := range []string{"client: {streams: 8}", "hosts: {h: {address: '::1', user: u}}\nserver: {allow: a}", "client: {device: [], exclude: ['[a']}", "server: {port: 0x10}"} {
		f.Add(s, "h")
	}
	f.Fuzz(func(t *testing.T, text, host string) {
		if strings.Contains(text, "filter") {
			return // whatever file it is, it would be read
		}
		o := &options{}
		flags := newFlagSet()
		o.addFlags(flags)
		err := o.configure(flags, []configText{{Path: "f", Kind: "file", Home: "/h", Text: []byte(text)}}, false, host)
		if err != nil {
			if exitFor(err) != exitUsage || !strings.HasPrefix(err.Error(), "f:") {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		if r := o.alias.meant(remote{host: host}); r.check("f") != nil && (remote{host: host}).check("f") == nil {
			t.Errorf("%q: %+v", text, r)
		}
	})
}
