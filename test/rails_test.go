package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// host is a network namespace without a name: a process lives in it until the
// test ends, and with the process the kernel removes the namespace and what is in it.
type host struct {
	pid int
}

// newHost makes a namespace whose loopback is up.
func newHost(t *testing.T) host {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(cmd.Environ(), envHolder+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	stdin, err := cmd.StdinPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait() // it has nothing to say
	})
	h := host{cmd.Process.Pid}
	h.ip(t, "link", "set", "lo", "up")
	return h
}

// in is the command line that runs something in the namespace.
func (h host) in(args ...string) []string {
	return append([]string{"nsenter", "--target", strconv.Itoa(h.pid), "--net", "--"}, args...)
}

// ip runs ip(8) in the namespace.
func (h host) ip(t *testing.T, args ...string) {
	t.Helper()
	h.do(t, append([]string{"ip"}, args...)...)
}

// do runs a command in the namespace.
func (h host) do(t *testing.T, args ...string) {
	t.Helper()
	line := h.in(args...)
	if out, err := exec.Command(line[0], line[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s", line, err, out)
	}
}

// cable joins two hosts with a pair of interfaces of the same name, and gives
// them the addresses 10.77.n.1 and 10.77.n.2.
func cable(t *testing.T, a, b host, name string, n int) {
	t.Helper()
	a.ip(t, "link", "add", name, "type", "veth", "peer", "name", name, "netns", strconv.Itoa(b.pid))
	for i, h := range []host{a, b} {
		h.ip(t, "addr", "add", fmt.Sprintf("10.77.%d.%d/30", n, i+1), "dev", name)
		h.ip(t, "link", "set", name, "up")
	}
}

// slow bounds what an interface sends: so many Mbit/s, in bursts that hold a few
// segments of 64 KiB (tc-tbf(8)).
func (h host) slow(t *testing.T, name string, mbit int) {
	t.Helper()
	h.do(t, "tc", "qdisc", "add", "dev", name, "root", "tbf", "rate", strconv.Itoa(mbit)+"mbit", "burst", "256k", "latency", "50ms")
}

// sent reads how many bytes an interface has sent (proc_net_dev(5)).
func (h host) sent(t *testing.T, name string) int64 {
	t.Helper()
	out, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/dev", h.pid))
	must(t, err)
	for row := range strings.Lines(string(out)) {
		if fields := strings.Fields(row); len(fields) > 9 && fields[0] == name+":" {
			n, err := strconv.ParseInt(fields[9], 10, 64)
			must(t, err)
			return n
		}
	}
	t.Fatalf("no interface %s:\n%s", name, out)
	return 0
}

// twoRails is two hosts joined by two rails of 50 MB/s, a server on b, and a file of
// that size for a to send.
func twoRails(t *testing.T, size int) (a, b host, srv *server, file string) {
	t.Helper()
	// On a rail without bounds, the first stream to be there might carry it all.
	a, b, srv = railed(t, 400, 400)
	file = filepath.Join(folder(t, root()), "file")
	write(t, file, bytesOf(1, size))
	return a, b, srv, file
}

// railed is two hosts joined by rail1 and rail2, which carry so many Mbit/s, and a
// server on b.
func railed(t *testing.T, mbit1, mbit2 int) (a, b host, srv *server) {
	t.Helper()
	a, b = newHost(t), newHost(t)
	cable(t, a, b, "rail1", 1)
	cable(t, a, b, "rail2", 2)
	a.slow(t, "rail1", mbit1)
	a.slow(t, "rail2", mbit2)
	dir := folder(t, root())
	line := b.in(setting.bin, "-s", "-o", dir, "-p", "1777")
	return a, b, listening(t, start(t, root(), line[0], line[1:]...), root(), dir)
}

func TestTwoRailsCarryOneTransferTogether(t *testing.T) {
	for name, rails := range map[string]string{"named by address": "10.77.2.1,10.77.1.1", "named by interface": "rail1,rail2"} {
		t.Run(name, func(t *testing.T) {
			const size = 128 << 20
			a, _, srv, file := twoRails(t, size)
			line := a.in(setting.bin, "-j", "4", "-d", rails, "--rails", file, "10.77.1.2:")
			r := run(t, root(), line[0], line[1:]...)
			r.wants(t, 0)
			arrived(t, filepath.Join(srv.dir, "file"), bytesOf(1, size))
			for _, rail := range []string{"rail1", "rail2"} {
				if n := a.sent(t, rail); n < size/5 {
					t.Errorf("%s carried %d bytes of %d", rail, n, size)
				}
			}
			for _, rail := range strings.Split(rails, ",") {
				if !strings.Contains(r.out, "\nrail "+rail+" with ") {
					t.Errorf("the summary does not say what the rail %s was joined with: %s", rail, r.out)
				}
			}
			srv.stop(t)
		})
	}
}

// A rail that is slow beside the other is named, and all arrives.
func TestASlowRailIsNamed(t *testing.T) {
	const size = 256 << 20 // long enough for it to last
	a, _, srv := railed(t, 400, 40)
	file := filepath.Join(folder(t, root()), "file")
	write(t, file, bytesOf(1, size))
	line := a.in(setting.bin, "-j", "4", "-d", "rail1,rail2", "--rails", "--json", file, "10.77.1.2:")
	r := run(t, root(), line[0], line[1:]...)
	r.wants(t, 0)
	r.says(t, "warning: rail rail2 is slow", "scp_rdma bench -d rail2 HOST")
	arrived(t, filepath.Join(srv.dir, "file"), bytesOf(1, size))
	for _, want := range []string{`"event":"rail"`, `"rail":"rail2","best":"rail1","state":"less"`} {
		if !strings.Contains(r.out, want) {
			t.Errorf("no %s in %s", want, r.out)
		}
	}
	srv.stop(t)
}

func TestARailThatIsNotThereIsNamedWithThoseThatAre(t *testing.T) {
	srv := serve(t, nobody(), folder(t, nobody()))
	file := filepath.Join(folder(t, nobody()), "file")
	write(t, file, []byte("x"))
	r := srv.send(t, nobody(), "-d", "nic99", file, "")
	r.wants(t, 4)
	r.says(t, "nic99", "lo")
	srv.stop(t)
}

func TestATransportThatCantBeUsedIsNamed(t *testing.T) {
	srv := serve(t, nobody(), folder(t, nobody()))
	file := filepath.Join(folder(t, nobody()), "file")
	write(t, file, []byte("x"))
	r := srv.send(t, nobody(), "--transport", "verbs", file, "")
	r.wants(t, 4)
	r.says(t, "verbs")
	srv.stop(t)
}
