package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"scp_rdma/control"
	"scp_rdma/keys"
	"scp_rdma/state"
)

// TestMain makes this test binary the program itself, where it is called so.
func TestMain(m *testing.M) {
	testscript.Main(keyed{m}, map[string]func(){"scp_rdma": func() { os.Exit(program()) }})
}

// keyed runs the tests with a key in place, as on hosts that are set up, and leaves
// what servers of this host remember alone, and its files of settings.
type keyed struct{ m *testing.M }

// Run implements testscript.TestingM.
func (k keyed) Run() int {
	dir, err := os.MkdirTemp("", "scp_rdma-cmd")
	if err == nil {
		err = errors.Join(os.Setenv(keys.EnvFile, filepath.Join(dir, "key")), os.Setenv(state.EnvDir, filepath.Join(dir, "state")), os.Setenv(envConfig, noConfig))
	}
	if err == nil {
		_, err = keys.Create(os.Getenv(keys.EnvFile))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	return k.m.Run()
}

// testKey is the key of all servers and clients here.
func testKey(t *testing.T) *keys.Key {
	t.Helper()
	k, err := keys.Load(os.Getenv(keys.EnvFile))
	if err != nil {
		t.Fatal(err)
	}
	return &k
}

// The scripts run the real program in processes of its own. Beside testscript's
// commands they have:
//
//	exits CODE PROGRAM ARGS   runs it; it must end with this code
//	serve ARGS                starts scp_rdma -s on a free port of loopback, $PORT
//	halt SIGNAL CODE          signals that server; it must end with this code
//	served CODE               waits for that server to end by itself with this code
//	hold session              opens a session with that server, which does nothing
//	unhold DUR                ends it after that time
//	bytes FILE N              writes a file of N bytes, of which none is a hole
//	tell SIGNAL out|err TEXT  signals that server, and waits until it has said TEXT once more
//	heard out|err TEXT        waits until it has said TEXT
//	json FILE N               each of its lines is an object of JSON, and there are N or more
//	substitute FILE OLD NEW   writes one text for another in a file
//	authorize LIST NAME KEYFILE OPTIONS   adds a line to a list of keys
//
// halt and served leave what the server printed in server.out and server.err.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Vars = append(e.Vars, raceEnv, keys.EnvFile+"="+os.Getenv(keys.EnvFile), state.EnvDir+"="+os.Getenv(state.EnvDir), envConfig+"="+noConfig)
			e.Values[serverKey{}] = &served{t: t}
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits, "serve": startServer, "halt": stopServer, "served": waitServer,
			"hold": hold, "unhold": unhold, "authorize": authorize, "substitute": substitute, "json": jsonLines, "bytes": bytesOf, "tell": tell, "heard": heard,
		},
		Condition: func(cond string) (bool, error) {
			if cond != "root" {
				return false, fmt.Errorf("unknown condition %q", cond)
			}
			return os.Geteuid() == 0, nil // only root gives files to others
		},
	})
}

type serverKey struct{}

// served is the server of one script.
type served struct {
	t    *testing.T
	p    *process
	held *control.Conn
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if args[0] != strconv.Itoa(code) {
		ts.Fatalf("%s exits %d, want %s", strings.Join(args[1:], " "), code, args[0])
	}
}

func startServer(ts *testscript.TestScript, _ bool, args []string) {
	s := ts.Value(serverKey{}).(*served)
	s.p = newProcess(s.t, append([]string{"-s", "-p", "0", "--bind", "127.0.0.1"}, args...)...)
	s.p.cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{keys.EnvFile, envConfig, "XDG_CONFIG_HOME", "HOME", state.EnvDir} {
		s.p.cmd.Env = append(s.p.cmd.Env, name+"="+ts.Getenv(name))
	}
	s.p.start(s.t)
	ts.Defer(s.p.kill)
	ts.Setenv("PORT", s.p.port(s.t))
}

func hold(ts *testscript.TestScript, _ bool, _ []string) {
	s := ts.Value(serverKey{}).(*served)
	s.held = session(s.t, ts.Getenv("PORT"))
}

func unhold(ts *testscript.TestScript, _ bool, args []string) {
	s := ts.Value(serverKey{}).(*served)
	d, err := time.ParseDuration(args[0])
	ts.Check(err)
	timer := time.AfterFunc(d, s.held.Abort)
	ts.Defer(func() { timer.Stop() })
}

func authorize(ts *testscript.TestScript, _ bool, args []string) {
	key := strings.TrimSpace(ts.ReadFile(args[2]))
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	ts.Check(err)
	_, err = fmt.Fprintln(f, args[1], key, strings.Join(args[3:], " "))
	ts.Check(errors.Join(err, f.Close()))
}

// said is what the server has said so far.
func (s *served) said(stream string) string {
	if stream == "out" {
		return s.p.out.String()
	}
	return s.p.err.String()
}

func tell(ts *testscript.TestScript, _ bool, args []string) {
	s := ts.Value(serverKey{}).(*served)
	before := len(s.said(args[1])) // what it said before does not count
	s.p.signal(s.t, unix.SignalNum(args[0]))
	eventually(s.t, func() string { return s.said(args[1])[before:] }, args[2])
}

func bytesOf(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Repeat("x", n)), 0o600))
}

func heard(ts *testscript.TestScript, _ bool, args []string) {
	s := ts.Value(serverKey{}).(*served)
	eventually(s.t, func() string { return s.said(args[0]) }, args[1])
}

func jsonLines(ts *testscript.TestScript, _ bool, args []string) {
	n := 0
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil || object["@message"] == nil || object["@level"] == nil || object["@timestamp"] == nil {
			ts.Fatalf("%s: %v", line, err)
		}
		n++
	}
	if least, err := strconv.Atoi(args[1]); err != nil || n < least {
		ts.Fatalf("%d lines", n)
	}
}

func substitute(ts *testscript.TestScript, _ bool, args []string) {
	text := strings.ReplaceAll(ts.ReadFile(args[0]), args[1], args[2])
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

func stopServer(ts *testscript.TestScript, _ bool, args []string) {
	s := ts.Value(serverKey{}).(*served)
	s.p.signal(s.t, unix.SignalNum(args[0]))
	waitServer(ts, false, args[1:])
}

func waitServer(ts *testscript.TestScript, _ bool, args []string) {
	s := ts.Value(serverKey{}).(*served)
	code := s.p.wait(s.t)
	ts.Check(os.WriteFile(ts.MkAbs("server.out"), []byte(s.p.out.String()), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("server.err"), []byte(s.p.err.String()), 0o600))
	if args[0] != strconv.Itoa(code) {
		ts.Fatalf("the server exits %d, want %s\n%s", code, args[0], s.p.err.String())
	}
}
