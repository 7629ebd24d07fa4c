//go:build rdma_two

package transfer

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestBetweenTwoGuests runs in both: guest 1 receives, guest 0 sends over both
// wires. They talk through the directory RDMA_MEET, and make the same tree.
func TestBetweenTwoGuests(t *testing.T) {
	large, small := tree(t)
	if os.Getenv("RDMA_HOST") == "1" {
		receive(t, "all", large, small, "one", "eight", "both")
		return
	}
	s := peer(t, "all")
	to := strings.Fields(os.Getenv("RDMA_PEER_IPS"))[0] + ":"
	code, text := s.send(t, "devices", strings.TrimSuffix(to, ":"))
	if code != 0 || !strings.Contains(text, "verbs: rxe0 - rxe0: works, ") || !strings.Contains(text, "verbs: rxe1 - rxe1: works, ") || !strings.Contains(text, "tcp: ") {
		t.Errorf("devices: exit %d: %s", code, text)
	}
	t.Log(text)
	taps := tap(t)
	code, text = s.send(t, "--traffic-class", "104", small, to+"class/")
	if code != 0 || !strings.Contains(text, "over verbs, ") {
		t.Fatalf("--traffic-class: exit %d: %s", code, text)
	}
	if got := taps(); len(got) != 1 || got[104] == 0 {
		t.Errorf("packets of RoCE by their traffic class: %v, want only 104", got)
	}
	for name, how := range map[string][]string{"one": {"-j", "1"}, "eight": {"-j", "8"}, "both": {"-j", "8", "-d", "rxe0,rxe1"}} {
		for _, src := range []string{large, small} {
			code, text := s.send(t, append(how, "--rails", src, to+name+"/")...)
			if code != 0 || !strings.Contains(text, "over verbs, ") {
				t.Fatalf("%v: exit %d: %s", how, code, text)
			}
			t.Log(text)
			carried := shares(t, text)
			for _, rail := range []string{"rxe0", "rxe1"} {
				if v := carried[rail]; src == large && name != "one" && (v < 256./3 || v > 256*2./3) {
					t.Errorf("%s carried %.0f of 256 MiB: %s", rail, v, text)
				}
			}
		}
		check(t, os.WriteFile(note(name), nil, 0o600))
		meet(t, name+".compared")
	}
	check(t, os.WriteFile(note("all.end"), nil, 0o600))
}

// peer is the server in the other guest.
func peer(t *testing.T, what string) *server {
	t.Helper()
	meet(t, what+".listening")
	key, err := os.ReadFile(note(what + ".key"))
	check(t, err)
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "key"), key, 0o600))
	return &server{env: append(os.Environ(), "SCP_RDMA_KEY_FILE="+filepath.Join(dir, "key"))}
}

// TestAWireThatIsCutBetweenTwoGuests: the second wire swallows what is sent in the middle
// of a transfer, and is mended: once while control runs over the first, once while it runs over the second.
func TestAWireThatIsCutBetweenTwoGuests(t *testing.T) {
	large, _ := tree(t)
	if os.Getenv("RDMA_HOST") == "1" {
		receive(t, "wires", large, "", "cut", "cut with control")
		return
	}
	s := peer(t, "wires")
	for i, ip := range strings.Fields(os.Getenv("RDMA_PEER_IPS"))[:2] {
		name := []string{"cut", "cut with control"}[i]
		cmd, out := s.midway(t, "-j", "4", "-d", "rxe0,rxe1", large, ip+":"+name+"/")
		check(t, os.WriteFile(note(name+".down"), nil, 0o600))
		start := time.Now()
		first := moved("rxe0")
		until(t, out, func() bool {
			return strings.Contains(out.String(), "a stream broke") || strings.Contains(out.String(), "looking for the server again")
		})
		t.Logf("%s: told after %v", name, time.Since(start))
		told := moved("rxe0")
		until(t, out, func() bool { return moved("rxe0") > told+2<<20 || cmd.ProcessState != nil })
		t.Logf("%s: the other carries on after %v; it has carried %d MiB since the cut", name, time.Since(start), (moved("rxe0")-first)>>20)
		check(t, os.WriteFile(note(name+".up"), nil, 0o600))
		before := moved("rxe1")
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		until(t, out, func() bool { return moved("rxe1") > before+2<<20 || len(ended) > 0 })
		again := moved("rxe1") - before
		err := <-ended
		t.Logf("%s", out)
		if err != nil || again < 2<<20 {
			t.Fatalf("%s: the transfer ends with %v; mended, the wire carried %d bytes: %s", name, err, again, out)
		}
		check(t, os.WriteFile(note(name), nil, 0o600))
		meet(t, name+".compared")
	}
	check(t, os.WriteFile(note("wires.end"), nil, 0o600))
}

// receive serves the other guest until it says that all is over.
func receive(t *testing.T, what, large, small string, names ...string) {
	t.Helper()
	s := serve(t)
	key, err := os.ReadFile(filepath.Join(filepath.Dir(s.dir), "key"))
	check(t, err)
	check(t, os.WriteFile(note(what+".key"), key, 0o600))
	check(t, os.WriteFile(note(what+".listening"), nil, 0o600))
	for !there(what + ".end") {
		for _, name := range names {
			compared(t, s, name, large, small)
			obey(t, name, "down")
			obey(t, name, "up")
		}
		pause()
	}
	s.stop(t)
}

// compared compares what has come of a transfer once the other guest says it is over.
func compared(t *testing.T, s *server, name, large, small string) {
	t.Helper()
	if !there(name) || there(name+".compared") {
		return
	}
	arrived(t, large, filepath.Join(s.dir, name, filepath.Base(large)))
	if small != "" {
		arrived(t, small, filepath.Join(s.dir, name, filepath.Base(small)))
	}
	check(t, os.RemoveAll(filepath.Join(s.dir, name)))
	check(t, os.WriteFile(note(name+".compared"), nil, 0o600))
}

// obey cuts the second wire and mends it as the other guest asks, once: what comes over
// it is no longer meant for anybody. To set the interface down would hold up the whole
// QEMU at the wire's other end, which waits for this one to take what it has sent.
func obey(t *testing.T, name, what string) {
	t.Helper()
	if !there(name+"."+what) || there(name+"."+what+".done") {
		return
	}
	how := map[string]string{"down": "del", "up": "add"}[what]
	run(t, "ip", "addr", how, strings.Fields(os.Getenv("RDMA_IPS"))[1]+"/24", "dev", "eth1")
	check(t, os.WriteFile(note(name+"."+what+".done"), nil, 0o600))
}

func note(name string) string { return filepath.Join(os.Getenv("RDMA_MEET"), name) }

func there(name string) bool {
	_, err := os.Stat(note(name))
	return err == nil
}

// meet waits for a note of the other guest.
func meet(t *testing.T, name string) {
	t.Helper()
	for deadline := time.Now().Add(2 * patience); !there(name); pause() {
		if time.Now().After(deadline) {
			t.Fatalf("no %s", name)
		}
	}
}

// pause is between two looks.
func pause() { <-time.After(50 * time.Millisecond) }

// roce is the UDP port of RoCE v2 (IANA), both bytes as they lie in a packet.
var roce = []byte{4791 >> 8, 4791 & 0xff}

// tap listens to what leaves this guest; the function it returns counts packets of
// RoCE v2 over IPv4 by their traffic class, packet(7).
func tap(t *testing.T) func() map[byte]int {
	t.Helper()
	const all = unix.ETH_P_ALL<<8&0xff00 | unix.ETH_P_ALL>>8 // htons
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, all)
	check(t, err)
	check(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20))
	return func() map[byte]int {
		got := map[byte]int{}
		b := make([]byte, 64<<10)
		for {
			n, from, err := unix.Recvfrom(fd, b, 0)
			if errors.Is(err, unix.EAGAIN) {
				check(t, unix.Close(fd))
				return got
			}
			check(t, err)
			a, ok := from.(*unix.SockaddrLinklayer)
			const ip, udp = 20, 17 // a header without options; the protocol
			if ok && a.Pkttype == unix.PACKET_OUTGOING && n > ip+8 && b[0] == 0x45 && b[9] == udp && bytes.Equal(b[ip+2:ip+4], roce) {
				got[b[1]]++
			}
		}
	}
}
