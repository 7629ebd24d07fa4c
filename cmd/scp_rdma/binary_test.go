//go:build cgo && !noverbs && linux && (amd64 || arm64)

package main

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// buildVerbs builds the program with verbs, as the Makefile does.
func buildVerbs(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "scp_rdma")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-tags", "netgo,osusergo", "-o", bin, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return bin
}

// broken is a directory in which the dynamic linker finds no libibverbs that it
// can open, whatever the host has.
func broken(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "libibverbs.so.1"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return "LD_LIBRARY_PATH=" + dir
}

func TestABinaryWithVerbsNeedsOnlyLibc(t *testing.T) {
	f, err := elf.Open(buildVerbs(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	libs, errLibs := f.ImportedLibraries()
	symbols, errSymbols := f.ImportedSymbols()
	if errLibs != nil || errSymbols != nil {
		t.Fatal(errLibs, errSymbols)
	}
	if !slices.Contains(libs, "libc.so.6") || slices.ContainsFunc(libs, func(l string) bool {
		return !strings.HasPrefix(l, "libc.so.") && !strings.HasPrefix(l, "ld-linux")
	}) {
		t.Errorf("it needs %v", libs)
	}
	for _, s := range symbols {
		if strings.HasPrefix(s.Name, "ibv_") || strings.HasPrefix(s.Name, "rdma_") {
			t.Errorf("it can't start where %s is missing", s.Name)
		}
	}
}

func TestABinaryWithVerbsRunsWhereLibibverbsIsMissing(t *testing.T) {
	bin, without := buildVerbs(t), broken(t)
	ours := func(args ...string) *process {
		p := newProcess(t, args...)
		p.cmd.Path = bin
		p.cmd.Env = append(p.cmd.Env, without)
		return p.start(t)
	}
	p := ours("devices")
	if code := p.wait(t); code != 0 || !strings.Contains(p.out.String(), "libibverbs.so.1") || !strings.Contains(p.out.String(), "install rdma-core") {
		t.Errorf("devices: exit %d: %s%s", code, p.out.String(), p.err.String())
	}
	dst := t.TempDir()
	server := ours("-s", "-o", dst, "-p", "0", "--bind", "127.0.0.1")
	port := server.port(t)
	src := filepath.Join(t.TempDir(), "file")
	want := bytes.Repeat([]byte("as over any wire\n"), 100_000)
	if err := os.WriteFile(src, want, 0o600); err != nil {
		t.Fatal(err)
	}
	p = ours("-p", port, src, "127.0.0.1:")
	if code := p.wait(t); code != 0 || !strings.Contains(p.out.String(), "going over shm, not verbs: ") {
		t.Errorf("exit %d: %s%s", code, p.out.String(), p.err.String())
	}
	got, err := os.ReadFile(filepath.Join(dst, "file"))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d of %d bytes arrived: %v", len(got), len(want), err)
	}
	p = ours("-p", port, "--transport", "verbs", src, "127.0.0.1:")
	if code := p.wait(t); code != 4 || !strings.Contains(p.err.String(), "install rdma-core") {
		t.Errorf("--transport verbs: exit %d: %s", code, p.err.String())
	}
	server.signal(t, syscall.SIGTERM)
	server.wait(t)
}
