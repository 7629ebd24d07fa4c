//go:build rdma_siw

package transfer

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	trees "scp_rdma/internal/tree"
)

// TestWholeTransfersOverIWARP sends and fetches over soft-iWARP, which is connected by
// rdma_cm at the ports that the server was given.
func TestWholeTransfersOverIWARP(t *testing.T) {
	src := source(t)
	s := serve(t, "--cm-port", "18515-18516")
	defer s.stop(t)
	copied := filepath.Join(s.dir, "src")
	for _, how := range [][]string{{"-j", "1"}, {"-j", "4"}, {"-j", "4", "-d", "siw0,siw1", "--encrypt"}} {
		check(t, os.RemoveAll(copied))
		code, text := s.send(t, append(how, "--rails", src, self)...)
		if code != 0 || !strings.Contains(text, "over verbs, ") {
			t.Fatalf("%v: exit %d: %s", how, code, text)
		}
		t.Log(text)
		alike(t, src, copied, trees.Options{})
	}
	dst := t.TempDir()
	code, text := s.send(t, "-j", "4", self+"src", dst)
	if code != 0 || !strings.Contains(text, "over verbs, ") {
		t.Fatalf("fetched: exit %d: %s", code, text)
	}
	alike(t, src, filepath.Join(dst, "src"), trees.Options{})
}

// A port of rdma_cm is open while streams are there, or are to come, and not after; one
// that another has is told.
func TestThePortOfRDMACM(t *testing.T) {
	src := filepath.Join(t.TempDir(), "file")
	write(t, src, 100_000)
	ip := strings.Fields(os.Getenv("RDMA_IPS"))[0]
	taken, err := net.Listen("tcp", ip+":18515")
	check(t, err)
	defer taken.Close()
	s := serve(t, "--cm-port", "18515")
	code, text := s.send(t, "-v", "-d", "siw0", src, self)
	if code == 0 || !strings.Contains(text, "address already in use") || !strings.Contains(text, "--cm-port") {
		t.Errorf("a port that is taken: exit %d: %s", code, text)
	}
	check(t, taken.Close())
	if code, text := s.send(t, "-d", "siw0", src, self); code != 0 {
		t.Errorf("once it is free: exit %d: %s", code, text)
	}
	again, err := net.Listen("tcp", ip+":18515")
	if err != nil {
		t.Fatalf("nobody sends, and the port is still taken: %v", err)
	}
	check(t, again.Close())
	_ = s.cmd.Process.Kill() // it has told of the port
	_ = s.cmd.Wait()
}

func TestSoftIWARPDevicesAreProved(t *testing.T) {
	s := serve(t)
	host := strings.TrimSuffix(self, ":")
	code, text := s.send(t, "devices", host)
	for _, want := range []string{"iWARP", "used, as -d siw0", "rdma_cm finds the port by it", "verbs: siw0 - siw0: works, ", "verbs: siw1 - siw1: works, "} {
		if code != 0 || !strings.Contains(text, want) {
			t.Errorf("exit %d, no word of %q: %s", code, want, text)
		}
	}
	code, text = s.send(t, "devices", "--connect", "oob")
	if code != 0 || !strings.Contains(text, "leave out --connect oob") {
		t.Errorf("--connect oob: exit %d: %s", code, text)
	}
	check(t, os.Rename("/dev/infiniband/rdma_cm", "/dev/infiniband/hidden"))
	defer func() { check(t, os.Rename("/dev/infiniband/hidden", "/dev/infiniband/rdma_cm")) }()
	code, text = s.send(t, "devices")
	if code != 0 || !strings.Contains(text, "/dev/infiniband/rdma_cm is missing") {
		t.Errorf("without the node: exit %d: %s", code, text)
	}
	s.stop(t)
}

// The server is killed in the middle: on iWARP what is posted says nothing of it.
func TestAKilledPeerIsNoticedOverIWARP(t *testing.T) {
	large := filepath.Join(t.TempDir(), "large")
	write(t, large, 256<<20)
	s := serve(t)
	c := s.begin(t, "-j", "4", "--retry-for", "0", large, self)
	until(t, c.out, func() bool { return partly(s.dir) > 8<<20 || c.ended() })
	check(t, s.cmd.Process.Kill())
	_ = s.cmd.Wait()
	start := time.Now()
	until(t, c.out, c.ended)
	if code := c.ProcessState.ExitCode(); code != 1 || time.Since(start) > 20*time.Second {
		t.Errorf("the client ends with %d after %v: %s", code, time.Since(start), c.out)
	}
	t.Log(fmt.Sprint(c.out))
}

// partly is how much of half files lies in a directory, bytes.
func partly(dir string) (n int64) {
	found, _ := filepath.Glob(filepath.Join(dir, ".scp_rdma.*.part")) // the pattern is right
	for _, f := range found {
		var st unix.Stat_t
		if unix.Lstat(f, &st) == nil { // it may have its name already
			n += st.Blocks * 512
		}
	}
	return n
}
