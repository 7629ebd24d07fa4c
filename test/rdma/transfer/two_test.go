//go:build rdma_two

package transfer

import (
	"bytes"
	"crypto/rand"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"scp_rdma/internal/testkit"
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
	taps := testkit.Tap(t)
	code, text = s.send(t, "--traffic-class", "104", small, to+"class/")
	if code != 0 || !strings.Contains(text, "over verbs, ") {
		t.Fatalf("--traffic-class: exit %d: %s", code, text)
	}
	classes, longest := map[byte]int{}, 0
	taps(func(p []byte) {
		if isRoCE(p) {
			classes[p[1]]++
			longest = max(longest, payload(p))
		}
	})
	// A card of 1500 bytes has room for 1024 and the headers, one of 4300 for 4096.
	want := map[string]int{"1500": 1024, "4300": 4096}[os.Getenv("RDMA_MTU")]
	if is := port(t, "rxe0").ActiveMTU; longest != want || is != want {
		t.Errorf("packets carry up to %d bytes, and the port's MTU is %d, want %d", longest, is, want)
	}
	if len(classes) != 1 || classes[104] == 0 {
		t.Errorf("packets of RoCE by their traffic class: %v, want only 104", classes)
	}
	secrets(t, s, to)
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
		before := []int{tx(t, "eth0"), tx(t, "eth1")}
		c := s.begin(t, "-j", "4", "-d", strings.Join(devices(), ","), large, ip+":"+name+"/")
		until(t, c.out, func() bool { return tx(t, "eth0") > before[0]+4<<20 && tx(t, "eth1") > before[1]+4<<20 })
		check(t, os.WriteFile(note(name+".down"), nil, 0o600))
		start, first := time.Now(), tx(t, "eth0")
		until(t, c.out, func() bool {
			return strings.Contains(c.out.String(), "a stream broke") || strings.Contains(c.out.String(), "looking for the server again")
		})
		t.Logf("%s: told after %v", name, time.Since(start))
		told := tx(t, "eth0")
		until(t, c.out, func() bool { return tx(t, "eth0") > told+2<<20 || c.ended() })
		t.Logf("%s: the other carries on after %v; it has carried %d MiB since the cut", name, time.Since(start), (tx(t, "eth0")-first)>>20)
		check(t, os.WriteFile(note(name+".up"), nil, 0o600))
		mended := tx(t, "eth1")
		until(t, c.out, func() bool { return tx(t, "eth1") > mended+2<<20 || c.ended() })
		again := tx(t, "eth1") - mended
		until(t, c.out, c.ended)
		t.Logf("%s", c.out)
		// A session that began while the wire was cut has its connects of siw in TCP's
		// hands, which asks again ever later, and may be over by then.
		late := iwarp() && i == 1
		if code := c.ProcessState.ExitCode(); code != 0 || again < 2<<20 && !late {
			t.Fatalf("%s: exit %d; mended, the wire carried %d bytes: %s", name, code, again, c.out)
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

// roce is the UDP port of RoCE v2 (IANA), both bytes as they lie in a packet.
var roce = []byte{4791 >> 8, 4791 & 0xff}

// isRoCE says of an IPv4 packet without options that it is one of RoCE v2.
func isRoCE(p []byte) bool {
	const ip, udp = 20, 17 // the header's length; the protocol
	return len(p) > ip+8 && p[0] == 0x45 && p[9] == udp && bytes.Equal(p[ip+2:ip+4], roce)
}

// secrets sends a file that is one marker again and again, in the clear and encrypted:
// in packets of RoCE the first can be read, the second not.
func secrets(t *testing.T, s *server, to string) {
	t.Helper()
	marker := make([]byte, 32)
	rand.Read(marker)
	src := filepath.Join(t.TempDir(), "marked")
	check(t, os.WriteFile(src, bytes.Repeat(marker, 4<<20/len(marker)), 0o600))
	for _, encrypt := range []bool{false, true} {
		taps := testkit.Tap(t)
		code, text := s.send(t, "--encrypt="+strconv.FormatBool(encrypt), src, to+"secrets"+strconv.FormatBool(encrypt)+"/")
		if code != 0 || !strings.Contains(text, "over verbs, ") || strings.Contains(text, "encrypted") != encrypt {
			t.Fatalf("encrypt %v: exit %d: %s", encrypt, code, text)
		}
		var found, all int
		taps(func(p []byte) {
			if isRoCE(p) {
				all += len(p)
				found += bytes.Count(p, marker)
			}
		})
		t.Logf("encrypt %v: the marker was seen %d times in %d bytes of RoCE", encrypt, found, all)
		if all < 4<<20 || (found > 0) == encrypt {
			t.Errorf("encrypt %v: the marker was seen %d times in %d bytes of RoCE", encrypt, found, all)
		}
	}
}
