package main

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// TestMain makes this test binary the program itself, where it is called so.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"scp_rdma": func() { os.Exit(program()) }})
}

// The scripts run the real program in processes of its own. Beside testscript's
// commands they have:
//
//	exits CODE PROGRAM ARGS   runs it; it must end with this code
//	serve ARGS                starts scp_rdma -s on a free port of loopback, $PORT
//	halt SIGNAL CODE          signals that server; it must end with this code
//	served CODE               waits for that server to end by itself with this code
//
// halt and served leave what the server printed in server.out and server.err.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Vars = append(e.Vars, raceEnv)
			e.Values[serverKey{}] = &served{t: t}
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits, "serve": startServer, "halt": stopServer, "served": waitServer,
		},
	})
}

type serverKey struct{}

// served is the server of one script.
type served struct {
	t *testing.T
	p *process
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
	s.p.start(s.t)
	ts.Defer(s.p.kill)
	ts.Setenv("PORT", s.p.port(s.t))
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
