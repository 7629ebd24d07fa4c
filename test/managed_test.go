package e2e

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"scp_rdma/internal/testkit"
	"scp_rdma/internal/tree"
)

// What systemd would do, done by its own tool: it has the port, a first client has the server
// started, and that gives up root, confines itself and starts anew; the client notices nothing of
// it, and the manager still hears from the server.
func TestTheFirstClientHasTheServerStarted(t *testing.T) {
	home := folder(t, root())
	notify := filepath.Join(home, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: notify, Net: "unixgram"})
	must(t, err)
	var told testkit.Output
	var wg sync.WaitGroup
	wg.Go(func() {
		b := make([]byte, 4096)
		for n, err := conn.Read(b); err == nil; n, err = conn.Read(b) {
			_, _ = told.Write(b[:n])
		}
	})
	defer wg.Wait()
	defer conn.Close()
	must(t, os.Chmod(notify, 0o777)) // as systemd's is

	dir := filepath.Join(home, "made")
	p := start(t, root(), "systemd-socket-activate", "--listen=127.0.0.1:79", "--setenv=NOTIFY_SOCKET="+notify, "--setenv=WATCHDOG_USEC=100000",
		"--setenv=SCP_RDMA_KEY_FILE="+keyOf(t, root()),
		setting.bin, "-s", "-o", dir, "--user", "nobody", "--state-dir", filepath.Join(home, "state"))
	eventually(t, "the port is open", func() bool { return strings.Contains(p.err.String(), "Listening on 127.0.0.1:79") || p.ended() })
	src := generate(t, root(), tree.Spec{Seed: 3, Files: 50})
	run(t, root(), setting.bin, "-p", "79", src, "127.0.0.1:").wants(t, 0)
	same(t, src, filepath.Join(dir, filepath.Base(src)), tree.Options{})
	eventually(t, "signs of life come", func() bool {
		return strings.HasPrefix(told.String(), "READY=1\nSTATUS=listening on 127.0.0.1:79, ") && strings.Contains(told.String(), "WATCHDOG=1")
	})
	for _, uid := range threadsSay(t, p, "Uid") {
		if uid != "65534 65534 65534 65534" {
			t.Errorf("a thread has uids %s", uid)
		}
	}
	p.signal(t, syscall.SIGTERM)
	if code := p.wait(t); code != 0 || !strings.Contains(told.String(), "STOPPING=1") {
		t.Errorf("exit code %d; told %q", code, told.String())
	}
}
