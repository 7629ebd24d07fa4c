package overssh

import (
	"bytes"
	"errors"
	"io"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestBothEndsHearWhatWasSaid(t *testing.T) {
	q := Request{Version: 3, Key: "k", Path: []byte("a b\xff\n'\""), Exact: true, Ports: Ports{5000, 5010}, Timeout: 5, Encrypt: true, Verbose: 2}
	a := Answer{Version: 3, Addrs: []string{"10.0.0.1:5", "[::1]:5"}, Port: 5, Path: []byte("\xfe"), Dir: []byte("/x")}
	var b bytes.Buffer
	if err := errors.Join(say(&b, magicRequest, q), Reply(&b, a)); err != nil {
		t.Fatal(err)
	}
	b.WriteString("rest")
	gotQ, errQ := ReadRequest(&b)
	gotA, errA := readAnswer(&b)
	if errQ != nil || errA != nil || !reflect.DeepEqual(gotQ, q) || !reflect.DeepEqual(gotA, a) || b.String() != "rest" {
		t.Errorf("%+v %v, %+v %v, then %q", gotQ, errQ, gotA, errA, b.String())
	}
}

func TestALoginScriptMayTalkALittle(t *testing.T) {
	answer := magicAnswer + `{"version":1,"port":5}` + "\n"
	for noise, ok := range map[string]bool{
		"": true, "welcome\n\nto this host\n": true, strings.Repeat("y\n", maxNoise/2): true, strings.Repeat("y\n", maxNoise/2+1): false,
		strings.Repeat("x", maxLine+1): false,
	} {
		_, err := readAnswer(strings.NewReader(noise + answer))
		if (err == nil) != ok || err != nil && !errors.Is(err, ErrSpeech) {
			t.Errorf("%d bytes of noise: %v", len(noise), err)
		}
	}
	for _, text := range []string{"", "welcome\n", magicAnswer} {
		if _, err := readAnswer(strings.NewReader(text)); !errors.Is(err, io.EOF) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{"{", "{}", `{"port":70000}`, `{"port":5,"addrs":[` + strings.TrimSuffix(strings.Repeat(`"a",`, maxAddrs+1), ",") + `]}`} {
		if _, err := readAnswer(strings.NewReader(magicAnswer + text + "\n")); !errors.Is(err, ErrSpeech) {
			t.Errorf("%.40s: %v", text, err)
		}
	}
	for _, text := range []string{"hello\n", magicRequest + "{\n", magicRequest + `{"ports":{"from":9,"to":5}}` + "\n", magicRequest + `{"timeout":-1}` + "\n"} {
		if _, err := ReadRequest(strings.NewReader(text)); !errors.Is(err, ErrSpeech) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzReadAnswer(f *testing.F) {
	f.Add([]byte("welcome\n" + magicAnswer + `{"version":1,"port":5}` + "\n"))
	f.Add([]byte(magicAnswer + "{\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := readAnswer(bytes.NewReader(b))
		if err == nil && (len(a.Addrs) > maxAddrs || a.Port == 0 && a.Error == "") {
			t.Errorf("%+v", a)
		}
	})
}

func FuzzReadRequest(f *testing.F) {
	f.Add([]byte(magicRequest + `{"version":1,"key":"k","path":"YQ==","ports":{"from":5,"to":6}}` + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		q, err := ReadRequest(bytes.NewReader(b))
		if err == nil && (q.Ports.From > q.Ports.To || q.Timeout < 0) {
			t.Errorf("%+v", q)
		}
	})
}

func TestCommandsAreSplitAsPeopleWriteThem(t *testing.T) {
	for text, want := range map[string][]string{
		"ssh":                            {"ssh"},
		" ssh  -p 22\t-v ":               {"ssh", "-p", "22", "-v"},
		`ssh -o "ProxyCommand=nc 'h' 1"`: {"ssh", "-o", "ProxyCommand=nc 'h' 1"},
		`ssh -i '/a b/"key"'`:            {"ssh", "-i", `/a b/"key"`},
		`a"b c"d ''`:                     {"ab cd", ""},
	} {
		if got, err := Words(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "  ", `ssh "x`, `'`, `""`} {
		if got, err := Words(text); err == nil {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// CVE-2020-15778 of scp: nothing passes through a remote shell but what is fixed, or
// quoted. CVE-2026-53783 and 53790 of rsync: no host is taken for an option.
func TestCVE202015778NothingReachesAShellUnquoted(t *testing.T) {
	for _, program := range []string{"scp_rdma", "/opt/it's here/$(x)", "`x`;&|\\ \"", "~/x", "-x", "", "\n"} {
		line, err := arguments([]string{"ssh"}, "user@host", program)
		if err != nil || len(line) != 4 || line[1] != "--" || line[2] != "user@host" {
			t.Fatalf("%q: %q, %v", program, line, err)
		}
		command, ok := strings.CutSuffix(line[3], " --over-ssh")
		out, err := exec.Command("sh", "-c", "printf %s "+command).Output()
		if !ok || err != nil || string(out) != program {
			t.Errorf("a shell makes %q of %q: %v", out, program, err)
		}
	}
	for _, host := range []string{"", "-oProxyCommand=x", "-l@host", "user@-x", "user@", "@host", "a b", "a\nb", "host\x00", "a\tb"} {
		if line, err := arguments([]string{"ssh"}, host, "scp_rdma"); !errors.Is(err, ErrHost) {
			t.Errorf("%q: %q, %v", host, line, err)
		}
	}
}

// CVE-2023-43621 of croc: a secret on a command line is everybody's. The key is part of a
// Request, and no Request is part of a command line.
func TestCVE202343621NoSecretIsOnACommandLine(t *testing.T) {
	line, err := arguments([]string{"ssh"}, "host", "scp_rdma")
	if err != nil || strings.Join(line, " ") != "ssh -- host scp_rdma --over-ssh" {
		t.Errorf("%q, %v", line, err)
	}
}
