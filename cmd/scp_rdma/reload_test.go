package main

import (
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Whoever closes a terminal does not expect the server in it to stay; without one SIGHUP reads
// the settings again.
func TestAServerEndsWithItsTerminal(t *testing.T) {
	master, tty, _ := keyboard(t, 80)
	p := newProcess(t, "-s", "-o", "in", "-p", "0", "--bind", "127.0.0.1")
	p.cmd.Stdin = tty
	// Whoever runs the tests by nohup(1) has all that they start ignore it; what is handled here they don't.
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	p.start(t)
	p.port(t)
	p.signal(t, syscall.SIGHUP)
	eventually(t, p.out.String, "reloaded: nothing has changed")
	if err := tty.Close(); err != nil {
		t.Fatal(err)
	}
	if err := master.Close(); err != nil {
		t.Fatal(err)
	}
	p.signal(t, syscall.SIGHUP) // which the kernel sends where it is the controlling terminal
	if code := p.wait(t); code != 0 {
		t.Errorf("exit %d: %s", code, p.err.String())
	}
}

// The process that reads for a server ends with it, however that ends.
func TestAKeeperEndsWithItsServer(t *testing.T) {
	dir := t.TempDir()
	list := filepath.Join(dir, "list")
	if err := os.WriteFile(list, []byte("me "+testKey(t).Text()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	keepers := func() (n int) {
		all, err := filepath.Glob("/proc/[0-9]*/cmdline")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range all {
			if text, err := os.ReadFile(f); err == nil && strings.Contains(string(text), "\x00"+keptList+list) {
				n++
			}
		}
		return n
	}
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		p := newProcess(t, "-s", "-o", "in", "-p", "0", "--bind", "127.0.0.1", "--authorized", list).start(t)
		p.port(t)
		if n := keepers(); n > 1 {
			t.Errorf("%d keepers", n)
		}
		p.signal(t, s)
		p.wait(t)
		eventually(t, func() string {
			if keepers() == 0 {
				return "gone"
			}
			return ""
		}, "gone")
	}
}
