package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"scp_rdma/engine"
	"scp_rdma/localfs"
	"scp_rdma/transport"
	"scp_rdma/wire"
)

// call runs the program in this process.
func call(args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	ctx, cancel := context.WithTimeout(context.Background(), patience) // for what should have been refused, and serves
	defer cancel()
	code = run(ctx, env{stdout: &out, stderr: &err, getenv: keyEnv}, args)
	return code, out.String(), err.String()
}

func TestMistakesAreTold(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--direct", "perhaps", file, "host:"}, 2, "it takes auto, always, never"},
		{nil, 2, "nothing to do"},
		{[]string{"-p", file, "host:"}, 2, "-p is the port; modes and times are always kept"},
		{[]string{"-rp", file, "host:"}, 2, "-p is the port; modes and times are always kept"},
		{[]string{"-p", "65536", file, "host:"}, 2, "-p 65536: a port is 1 to 65535"},
		{[]string{"-p", "0", file, "host:"}, 2, "1 to 65535"},
		{[]string{"-P", "22", file, "host:"}, 2, "the port is -p"},
		{[]string{"--nonsense", file, "host:"}, 2, "--nonsense is not known"},
		{[]string{"-j", "65", file, "host:"}, 2, "1 to 64"},
		{[]string{"-4", "-6", file, "host:"}, 2, "-4 and -6"},
		{[]string{"-s", "-T"}, 2, "-s serves"},
		{[]string{"-s", "-j", "2"}, 2, "-s serves"},
		{[]string{"-s", file}, 2, "it takes none"},
		{[]string{"-s", "--allow", "all"}, 2, "it takes owner"},
		{[]string{"-s", "--grace", "-1s"}, 2, "negative"},
		{[]string{"--once", file, "host:"}, 2, "needs -s"},
		{[]string{"--numeric-ids", file, "host:"}, 2, "--owner"},
		{[]string{file, "@host:"}, 2, "no user"},
		{[]string{"--transport", "verbs", file, "127.0.0.1:"}, 4, "verbs"},
		{[]string{"-s", "--transport", "verbs", "-p", "0", "-o", t.TempDir()}, 4, "verbs"},
		{[]string{file + ".missing", "127.0.0.1:"}, 1, "no such file"},
	}
	for _, tt := range tests {
		code, out, err := call(tt.args...)
		if code != tt.code || !strings.Contains(err, tt.says) || out != "" {
			t.Errorf("%v: exit %d, want %d; stdout %q; stderr %q, want %q in it", tt.args, code, tt.code, out, err, tt.says)
		}
		if strings.Count(err, "no such file") > 1 {
			t.Errorf("%v: told twice: %s", tt.args, err)
		}
	}
}

func TestVersionAndHelp(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"--version"}} {
		if code, out, _ := call(args...); code != 0 || !strings.Contains(out, "scp_rdma") || !strings.Contains(out, "tcp") {
			t.Errorf("%v: %d, %s", args, code, out)
		}
	}
	for _, args := range [][]string{{"help"}, {"--help"}, {"-h"}} {
		code, out, _ := call(args...)
		if code != 0 || !strings.Contains(out, exitTable()) || !strings.Contains(out, "one for each core") {
			t.Errorf("%v: %d, %s", args, code, out)
		}
	}
}

func TestErrorsHaveTheirExitCode(t *testing.T) {
	remote := func(code uint16) error { return fmt.Errorf("x: %w", &engine.RemoteError{Code: code, Text: "t"}) }
	tests := []struct {
		err  error
		want int
	}{
		{nil, 0}, {errors.New("x"), 1}, {usagef("x"), 2}, {localfs.ErrUsage, 2}, {remote(wire.ByeUsage), 2}, {errPartial, 3},
		{transport.ErrUnavailable, 4}, {remote(wire.ByeNoTransport), 4}, {engine.ErrVerify, 5}, {remote(wire.ByeVerify), 5},
		{remote(wire.ByeAuth), 6}, {transport.ErrProof, 6}, {remote(wire.ByeError), 1}, {remote(wire.ByeBusy), 1},
		{signalError{syscall.SIGINT}, 130}, {signalError{syscall.SIGTERM}, 143},
		{errors.Join(errPartial, engine.ErrVerify), 5}, {errors.Join(errPartial, usagef("x")), 3},
	}
	for _, tt := range tests {
		if got := exitFor(tt.err); got != tt.want {
			t.Errorf("%v: %d, want %d", tt.err, got, tt.want)
		}
	}
}

func TestSummarySaysWhatCameOfIt(t *testing.T) {
	r := &engine.Report{
		Files: 1, Dirs: 2, Symlinks: 3, Links: 1, Bytes: 5 << 20, Failed: 4, Resent: 1, Elapsed: 2e9, Transport: "tcp",
		Rails:   []engine.RailReport{{Name: "eth0", Streams: 1, Bytes: 3 << 20}, {Name: "eth1", Streams: 2, Bytes: 2 << 20}},
		Dropped: localfs.Dropped{Special: 3},
	}
	text := strings.Join(summarise(r, true, false, false, tally{"fifo": 2}, tally{}), "\n")
	for _, want := range []string{"1 file, 2 directories, 3 symlinks, 1 hard link, 5.0 MiB in 2.00 s, 2.5 MiB/s",
		"over tcp, 3 streams: eth0 3.0 MiB at 1.5 MiB/s (1 stream), eth1 2.0 MiB at 1.0 MiB/s (2 streams)", "skipped: 2 fifos", "sent again because they changed meanwhile: 1 file",
		"special bits of 3 entries", "--allow special", "not copied: 4 entries"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
}
