package main

import (
	"strings"
	"testing"

	"scp_rdma/localfs"
)

func TestParseRemote(t *testing.T) {
	tests := map[string]struct {
		want remote
		ok   bool
		err  string
	}{
		"host:":                {remote{"", "host", ""}, true, ""},
		"host:dir/x":           {remote{"", "host", "dir/x"}, true, ""},
		"192.168.1.100:/test/": {remote{"", "192.168.1.100", "/test/"}, true, ""},
		"[::1]:a:b":            {remote{"", "::1", "a:b"}, true, ""},
		"[fe80::1%eth0]:":      {remote{"", "fe80::1%eth0", ""}, true, ""},
		"host:a:b":             {remote{"", "host", "a:b"}, true, ""},
		"./a:b":                {ok: false},
		"/a:b":                 {ok: false},
		"dir/a:b":              {ok: false},
		"plain":                {ok: false},
		"[x]":                  {ok: false},
		"[a/b]:c":              {ok: false},
		"[::1]":                {ok: true, err: "[ADDR]:PATH"},
		"user@[::1]:x":         {remote{"user", "::1", "x"}, true, ""},
		"a@b@host:x":           {remote{"a@b", "host", "x"}, true, ""},
		"@host:x":              {ok: true, err: "no user"},
		"@[::1]:x":             {ok: true, err: "no user"},
		"user@:x":              {ok: true, err: "no host"},
		"user@-x:y":            {ok: true, err: "begin with '-'"},
		"-x@host:y":            {ok: true, err: "begin with '-'"},
		"-x@[::1]:y":           {ok: true, err: "begin with '-'"},
		"[]:x":                 {ok: true, err: "no host"},
		":path":                {ok: true, err: "no host"},
		"-oProxyCommand=x:y":   {ok: true, err: "begin with '-'"},
		"[-x]:y":               {ok: true, err: "begin with '-'"},
		"user@host:path":       {remote{"user", "host", "path"}, true, ""},
	}
	for arg, tt := range tests {
		got, ok, err := parseRemote(arg)
		switch {
		case tt.err != "":
			if err == nil || !strings.Contains(err.Error(), tt.err) || exitFor(err) != exitUsage {
				t.Errorf("%s: %v", arg, err)
			}
		case err != nil || ok != tt.ok || got != tt.want:
			t.Errorf("%s: %+v, %v, %v", arg, got, ok, err)
		}
	}
}

func FuzzParseRemote(f *testing.F) {
	for _, s := range []string{"host:path", "[::1]:x", "./a:b", ":", "[", "a@b:c", "[%/]:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, arg string) {
		r, ok, err := parseRemote(arg)
		if ok && err == nil {
			if r.host == "" || strings.ContainsAny(r.host, "/@") || r.host[0] == '-' {
				t.Errorf("%q gives host %q", arg, r.host)
			}
			if !strings.HasSuffix(arg, r.path) {
				t.Errorf("%q gives path %q", arg, r.path)
			}
		}
		if strings.HasPrefix(arg, "./") && ok {
			t.Errorf("%q must be local", arg)
		}
	})
}

func TestParseCopyRefusesWhatMakesNoSense(t *testing.T) {
	tests := map[string]struct {
		args  []string
		exact bool
	}{
		"nothing to do":                {nil, false},
		"but not what":                 {[]string{"host:"}, false},
		"must be HOST:PATH":            {[]string{"a", "b"}, false},
		"from one host":                {[]string{"host:a", "other:a", "b"}, false},
		"host:a and u@host:b":          {[]string{"host:a", "u@host:b", "c"}, false},
		"between two hosts":            {[]string{"host:a", "other:b"}, false},
		"-T gives one source its name": {[]string{"a", "b", "host:c"}, true},
		"'..' is not allowed":          {[]string{"a", "host:../b"}, false},
		"under the server's directory": {[]string{"a", "host:x/../../b"}, false},
	}
	for want, tt := range tests {
		_, err := parseCopy(tt.args, tt.exact, false)
		if err == nil || !strings.Contains(err.Error(), want) || exitFor(err) != exitUsage {
			t.Errorf("%v: %v, want %q", tt.args, err, want)
		}
	}
	j, err := parseCopy([]string{"a", "./x:y", "host:..a/b..c/"}, false, false)
	if err != nil || len(j.sources) != 2 || j.to.path != "..a/b..c/" {
		t.Errorf("%+v, %v", j, err)
	}
	j, err = parseCopy([]string{"u@[::1]:a", "u@[::1]:", "b"}, false, false)
	if err != nil || len(j.from) != 2 || j.from[0].path != "a" || j.from[1].path != "" || j.into != "b" || j.far().host != "::1" {
		t.Errorf("%+v, %v", j, err)
	}
}

func TestEqualBaseNamesAreAUsageError(t *testing.T) {
	top := func(arg, name string) localfs.Top { return localfs.Top{Arg: arg, Name: name, Kind: localfs.KindFile} }
	_, err := targetOf(remote{}, false, []localfs.Top{top("a/x", "x"), top("b/x", "x")})
	if err == nil || exitFor(err) != exitUsage || !strings.Contains(err.Error(), "a/x and b/x") {
		t.Errorf("%v", err)
	}
	tg, err := targetOf(remote{path: "p"}, true, []localfs.Top{top("a", "a"), {Arg: "d/.", Contents: true}})
	if err != nil || tg.Path != "p" || !tg.Exact || tg.Tops != 1 || !tg.Contents {
		t.Errorf("%+v, %v", tg, err)
	}
}

func TestSubCommandOnlyIfNothingIsRemote(t *testing.T) {
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"version"}, "version"}, {[]string{"help"}, "help"}, {[]string{"version", "host:"}, ""},
		{[]string{"./version"}, ""}, {[]string{"--", "version"}, ""}, {[]string{"-r", "version", "host:"}, ""}, {nil, ""},
		{[]string{"bench", "host:"}, ""}, {[]string{"version", "./a:b"}, "version"},
	}
	for _, tt := range tests {
		if got := subCommand(tt.args); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.args, got, tt.want)
		}
	}
}

func TestQuoteLeavesNothingThatATerminalObeys(t *testing.T) {
	tests := map[string]string{
		"plain": "plain", "ünïcode": "ünïcode", "a\nb": `a\nb`, "\x1b[31m": `\x1b[31m`, "\xff": `\xff`,
		"\u202eevil": `\u202eevil`, "tab\there": `tab\there`, "a\\b": `a\b`,
	}
	for in, want := range tests {
		if got := quote(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}
