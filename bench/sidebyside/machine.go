package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// machineFacts tells where it is measured. What can't be found out stays empty.
func machineFacts(ctx context.Context, o *options, root string) facts {
	f := facts{
		Kind: kindMachine, Date: time.Now().UTC().Format(time.RFC3339), Cores: runtime.NumCPU(),
		CPU: after(read("/proc/cpuinfo"), "model name"), Go: runtime.Version(),
		Congestion: read("/proc/sys/net/ipv4/tcp_congestion_control"),
		Wmem:       strings.Join(strings.Fields(read("/proc/sys/net/ipv4/tcp_wmem")), " "),
		Load:       read("/proc/loadavg"), ServerCPU: "/proc", Scale: o.scale, Rounds: o.rounds,
	}
	if kib, err := strconv.ParseInt(strings.TrimSuffix(after(read("/proc/meminfo"), "MemTotal"), " kB"), 10, 64); err == nil {
		f.MemoryMiB = kib >> 10
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		f.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	if commit, err := output(ctx, root, "git", "describe", "--always", "--dirty"); err == nil {
		f.Commit = commit
	}
	if g, err := newCgroup("sidebyside-" + strconv.Itoa(os.Getpid())); err == nil && g.remove() == nil {
		f.ServerCPU = "cgroup"
	}
	return f
}

// read is a file's text without blanks around it, "" if it can't be read.
func read(name string) string {
	text, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// after is what follows a word and a colon at the begin of a line.
func after(text, word string) string {
	return strings.TrimSpace(strings.TrimPrefix(field(text, word), ":"))
}

// moduleRoot is the directory of go.mod.
func moduleRoot(ctx context.Context) (string, error) {
	mod, err := output(ctx, "", "go", "env", "GOMOD")
	if err != nil {
		return "", err
	}
	return filepath.Dir(mod), nil
}

// build makes the program in dir as make build does, with verbs where the
// headers are.
func build(ctx context.Context, root, dir string) (string, error) {
	version, err := output(ctx, root, "git", "describe", "--tags", "--always", "--dirty")
	if err != nil {
		version = "unknown"
	}
	bin := filepath.Join(dir, ours)
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w -X main.version="+version,
		"-tags", "netgo,osusergo", "-o", bin, "./cmd/scp_rdma")
	cgo := "CGO_ENABLED=0"
	if headers(ctx) {
		cgo = "CGO_ENABLED=1"
	}
	cmd.Dir, cmd.Env, cmd.WaitDelay = root, append(os.Environ(), cgo), time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w: %s", err, out)
	}
	return bin, nil
}

// headers asks the C compiler for those of libibverbs.
func headers(ctx context.Context) bool {
	compiler := os.Getenv("CC")
	if compiler == "" {
		compiler = "cc"
	}
	cmd := exec.CommandContext(ctx, compiler, "-E", "-")
	cmd.Stdin = strings.NewReader("#include <infiniband/verbs.h>\n")
	return cmd.Run() == nil
}
