package main

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"scp_rdma/localfs"
)

func TestHintsOnDestinations(t *testing.T) {
	tests := map[string]string{
		"host:":                  "",
		"host:a~":                "",
		"host:dir/~":             "",
		"host:/~":                "",
		"host:~":                 "taken literally",
		"host:~user/x":           "taken literally",
		"2001:db8::1:":           "written [2001:db8::1]:",
		"2001:db8::1":            "written [2001:db8::1]:",
		"2001:db8::1:x":          "written [2001:db8::1]:",
		"fe80::1%eth0:/x/y":      "written [fe80::1%eth0]:",
		"[2001:db8::1]:x":        "",
		"[2001:db8::1]:fe80::1":  "",
		"host:c:d":               "",
		"abc:12:30:45":           "",
		"host:2026-01-01T00:00Z": "",
	}
	for arg, want := range tests {
		r, ok, err := parseRemote(arg)
		if err != nil || !ok {
			t.Fatalf("%s: %v, %v", arg, ok, err)
		}
		if got := strings.Join(destinationHints(r, false), "\n"); !strings.Contains(got, want) || (want == "") != (got == "") {
			t.Errorf("%s: %q, want %q in it", arg, got, want)
		}
	}
}

func TestASymlinkThatIsSentAsOneGetsANote(t *testing.T) {
	tops := []localfs.Top{{Arg: "f", Kind: localfs.KindFile}, {Arg: "l\n", Kind: localfs.KindSymlink}, {Arg: "d", Kind: localfs.KindDir}}
	if got := sourceHints(tops); !slices.Equal(got, []string{`l\n: sent as a symlink; -L sends what it points to`}) {
		t.Errorf("%q", got)
	}
}

func TestAnAddressMustBeOfTheFamilyAskedFor(t *testing.T) {
	for _, tt := range []struct {
		host string
		o    options
		ok   bool
	}{
		{"127.0.0.1", options{ipv4: true}, true}, {"127.0.0.1", options{ipv6: true}, false},
		{"::1", options{ipv4: true}, false}, {"::1", options{ipv6: true}, true},
		{"::ffff:127.0.0.1", options{ipv4: true}, true}, {"fe80::1%eth0", options{ipv6: true}, true},
		{"host", options{ipv4: true}, true}, {"::1", options{}, true},
	} {
		if err := (remote{host: tt.host}).fits(&tt.o); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.host, err)
		}
	}
}

// soundFetch checks a job that fetches.
func soundFetch(t *testing.T, args []string, j job, exact bool) {
	t.Helper()
	if len(j.from) != len(args)-1 || j.into != args[len(args)-1] || looksRemote(j.into) || len(j.sources) > 0 || exact && len(j.from) > 1 {
		t.Errorf("%q: %+v", args, j)
	}
	for i, r := range j.from {
		if r.host != j.from[0].host || r.user != j.from[0].user || !strings.HasSuffix(args[i], r.path) || r.host == "" || r.host[0] == '-' {
			t.Errorf("%q: from %+v", args, r)
		}
		if r.user == "" && slices.Contains(strings.Split(r.path, "/"), "..") || r.user != "" && r.user[0] == '-' {
			t.Errorf("%q: from %+v", args, r)
		}
	}
}

// FuzzParseCopy: whatever is typed, a job is sound or the error is one of usage.
func FuzzParseCopy(f *testing.F) {
	for _, s := range []string{"a\x00host:", "a\x00b\x00[::1]:../x", "host:a\x00b:", "\x00:", "[a]b:\x00[", "a@[::1]:\x00-x:y", ""} {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, line string, exact bool) {
		args := strings.Split(line, "\x00")
		j, err := parseCopy(args, exact, false)
		if err != nil {
			if !errors.Is(err, errUsage) || strings.ContainsAny(err.Error(), "\n\x1b\x00") {
				t.Errorf("%q: %v", args, err)
			}
			return
		}
		if len(j.from) > 0 {
			soundFetch(t, args, j, exact)
			return
		}
		if len(j.sources) == 0 || slices.ContainsFunc(j.sources, looksRemote) || exact && len(j.sources) > 1 {
			t.Errorf("%q: sources %q", args, j.sources)
		}
		if j.to.host == "" || j.to.host[0] == '-' || j.to.user != "" && j.to.user[0] == '-' || j.to.user == "" && slices.Contains(strings.Split(j.to.path, "/"), "..") {
			t.Errorf("%q: to %+v", args, j.to)
		}
		if !slices.Equal(append(j.sources[:len(j.sources):len(j.sources)], args[len(args)-1]), args) {
			t.Errorf("%q: an argument got lost: %+v", args, j)
		}
		destinationHints(j.to, false)
	})
}
