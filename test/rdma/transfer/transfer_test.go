//go:build rdma

package transfer

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestWholeTransfers(t *testing.T) {
	large, small := tree(t)
	s := serve(t)
	defer s.stop(t)
	for _, how := range [][]string{{"-j", "1"}, {"-j", "8"}, {"-j", "8", "-d", "rxe0,rxe1"}, {"-j", "3", "-d", "rxe1:1:1"}, {"-j", "4", "--connect", "cm"}} {
		t.Run(strings.Join(how, " "), func(t *testing.T) {
			for _, src := range []string{large, small} {
				if src == large && slices.Contains(how, "--connect") {
					continue // it differs in how it begins
				}
				text := s.whole(t, src, append(how, "--rails")...)
				carried := shares(t, text)
				if src != large || len(how) != 4 || how[1] != "8" {
					continue
				}
				for _, rail := range []string{"rxe0", "rxe1"} {
					if v := carried[rail]; v < 256./3 || v > 256*2./3 {
						t.Errorf("%s carried %.0f of 256 MiB: %s", rail, v, text)
					}
				}
			}
		})
	}
}

// TestWholeFetches: the server sends, and the client dials as ever.
func TestWholeFetches(t *testing.T) {
	large, small := tree(t)
	s := serve(t)
	defer s.stop(t)
	for _, src := range []string{large, small} {
		there := filepath.Join(s.dir, filepath.Base(src))
		check(t, os.Rename(src, there))
		for _, how := range [][]string{{"-j", "8", "-d", "rxe0,rxe1"}, {"-j", "1", "--encrypt"}} {
			if src == large && how[1] == "1" {
				continue
			}
			dst := t.TempDir()
			code, text := s.send(t, append(how, "--rails", self+filepath.Base(src), dst)...)
			if code != 0 || !strings.Contains(text, "over verbs, ") {
				t.Fatalf("%v: exit %d: %s", how, code, text)
			}
			t.Log(text)
			arrived(t, there, filepath.Join(dst, filepath.Base(src)))
		}
	}
}

// TestTheToolchainsSourceArrives sends a real tree, as much of it as fits into the
// guest's memory: RDMA_TREE, a directory of the host.
func TestTheToolchainsSourceArrives(t *testing.T) {
	src := os.Getenv("RDMA_TREE")
	s := serve(t)
	defer s.stop(t)
	for _, how := range [][]string{{"-j", "1"}, {"-j", "8"}, {"-j", "8", "-d", "rxe0,rxe1"}} {
		t.Log(s.whole(t, src, how...))
	}
}

// whole sends a source over verbs, compares what has come of it and takes that
// away again. It gives what the client said.
func (s *server) whole(t *testing.T, src string, how ...string) string {
	t.Helper()
	code, text := s.send(t, append(how, src, self)...)
	if code != 0 || !strings.Contains(text, "\nover verbs, ") {
		t.Fatalf("exit %d: %s", code, text)
	}
	dst := filepath.Join(s.dir, filepath.Base(src))
	arrived(t, src, dst)
	check(t, os.RemoveAll(dst))
	return text
}

func TestMistakesAreToldWithWhatThereIs(t *testing.T) {
	s := serve(t)
	defer s.stop(t)
	src := filepath.Join(t.TempDir(), "file")
	write(t, src, 10)
	for _, tt := range []struct {
		args []string
		says []string
	}{
		{[]string{"-d", "mlx5_9"}, []string{"mlx5_9", "rxe0", "rxe1", "eth0"}},
		{[]string{"-d", "rxe0,mlx5_9"}, []string{"mlx5_9", "rxe0", "rxe1"}},
		{[]string{"-d", "rxe0:2"}, []string{"rxe0:2", "no such"}},
		{[]string{"-d", "rxe0:1:77"}, []string{"no GID of index 77", "[0 1]"}},
		{[]string{"-g", "77"}, []string{"no GID of index 77"}},
		{[]string{"-i", "3"}, []string{"no such device or port"}},
	} {
		start := time.Now()
		code, text := s.send(t, append(tt.args, src, self)...)
		if code != 4 || time.Since(start) > 15*time.Second {
			t.Errorf("%v: exit %d after %v, want 4 within seconds: %s", tt.args, code, time.Since(start), text)
		}
		for _, want := range tt.says {
			if !strings.Contains(text, want) {
				t.Errorf("%v: no word of %q: %s", tt.args, want, text)
			}
		}
	}
	if code, text := s.send(t, src, self); code != 0 {
		t.Errorf("after all that: exit %d: %s", code, text)
	}
}

func TestAPortThatIsDownIsNamedAndTCPTakesOver(t *testing.T) {
	s := serve(t)
	defer s.stop(t)
	src := filepath.Join(t.TempDir(), "file")
	write(t, src, 100_000)
	run(t, "ip", "link", "set", "eth1", "down")
	defer run(t, "ip", "link", "set", "eth1", "up")
	code, text := s.send(t, "-d", "rxe1", src, self)
	if code != 4 || !strings.Contains(text, "rxe1") || !strings.Contains(text, "is down") {
		t.Errorf("-d rxe1: exit %d: %s", code, text)
	}
	run(t, "ip", "link", "set", "eth0", "down")
	code, text = s.send(t, src, self)
	run(t, "ip", "link", "set", "eth0", "up")
	if code != 0 || !strings.Contains(text, "going over shm, not verbs: no device can be used: ") || !strings.Contains(text, "is down") {
		t.Errorf("with both ports down: exit %d: %s", code, text)
	}
}

func TestAKilledPeerIsNoticed(t *testing.T) {
	large := filepath.Join(t.TempDir(), "large")
	write(t, large, 128<<20)
	for _, victim := range []string{"server", "client"} {
		t.Run(victim, func(t *testing.T) {
			s := serve(t)
			cmd, out := s.midway(t, "-j", "4", "-d", "rxe0,rxe1", "--retry-for", "0", large, self)
			if victim == "server" {
				check(t, s.cmd.Process.Kill())
				_ = s.cmd.Wait()
			} else {
				check(t, cmd.Process.Kill())
			}
			start := time.Now()
			err := cmd.Wait()
			if victim == "server" && (err == nil || time.Since(start) > 20*time.Second || out.String() == "") {
				t.Errorf("the client ends with %v after %v: %s", err, time.Since(start), out.String())
			}
			if _, err := os.Stat(filepath.Join(s.dir, "large")); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a half file has its name: %v", err)
			}
			if victim == "server" {
				return
			}
			small := filepath.Join(t.TempDir(), "small")
			write(t, small, 1000)
			if code, text := s.send(t, small, self); code != 0 || !strings.Contains(text, "over verbs") {
				t.Errorf("the next client: exit %d: %s", code, text)
			}
			s.stop(t)
		})
	}
}

// A device whose port goes down, or that is taken away, in the middle of a transfer
// leaves its share to the other, is let go of at once, and carries again once it is back.
func TestADeviceThatGoesAwayLosesNothingAndComesBack(t *testing.T) {
	large := filepath.Join(t.TempDir(), "large")
	write(t, large, 256<<20)
	for name, tt := range map[string]struct{ away, back []string }{
		"port":   {[]string{"ip", "link", "set", "eth1", "down"}, []string{"ip", "link", "set", "eth1", "up"}},
		"device": {[]string{"rdma", "link", "delete", "rxe1"}, []string{"rdma", "link", "add", "rxe1", "type", "rxe", "netdev", "eth1"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			cmd, out := s.midway(t, "-j", "4", "-d", "rxe0,rxe1", large, self)
			start := time.Now()
			run(t, tt.away[0], tt.away[1:]...)
			t.Logf("away after %v", time.Since(start))
			until(t, out, func() bool {
				return strings.Contains(out.String(), "a stream broke") || strings.Contains(out.String(), "sent 1 file")
			})
			t.Logf("told after %v", time.Since(start))
			run(t, tt.back[0], tt.back[1:]...)
			before := moved("rxe1")
			if name == "device" {
				before = 0 // it counts anew
			}
			until(t, out, func() bool {
				return moved("rxe1")-before > 4<<20 || cmd.ProcessState != nil || strings.Contains(out.String(), "sent 1 file")
			})
			err := cmd.Wait()
			t.Logf("%s", out)
			if err != nil || !strings.Contains(out.String(), "carried again because a stream broke") {
				t.Fatalf("the transfer ends with %v: %s", err, out)
			}
			if n := moved("rxe1") - before; n < 4<<20 {
				t.Errorf("once it was back, the device carried %d bytes", n)
			}
			arrived(t, large, filepath.Join(s.dir, "large"))
			s.stop(t)
		})
	}
}

// Both hosts' devices, and a proof of each pair: also of those that don't work.
func TestDevicesOfAServerAreAskedForAndProved(t *testing.T) {
	s := serve(t)
	host := strings.TrimSuffix(self, ":")
	code, text := s.send(t, "devices", host)
	for _, want := range []string{"here:", host + ":", "verbs: rxe0 - rxe0: works, joined in ", "verbs: rxe1 - rxe1: works, ", "tcp: "} {
		if code != 0 || !strings.Contains(text, want) {
			t.Errorf("exit %d, no word of %q: %s", code, want, text)
		}
	}
	if code, text := s.send(t, "devices", host, "-d", "rxe9"); code != 4 || !strings.Contains(text, "rxe9") {
		t.Errorf("a device that isn't there: exit %d: %s", code, text)
	}
	s.stop(t)
}

func TestTooLittleLockedMemoryIsTold(t *testing.T) {
	s := serve(t)
	defer s.stop(t)
	src := filepath.Join(t.TempDir(), "file")
	write(t, src, 100_000)
	// Root may lock what it likes: as a user without CAP_IPC_LOCK.
	check(t, os.Chmod(filepath.Dir(filepath.Dir(src)), 0o755))
	check(t, os.Chmod(filepath.Dir(src), 0o755))
	check(t, os.Chmod(src, 0o644))
	key := filepath.Join(filepath.Dir(src), "key")
	b, err := os.ReadFile(filepath.Join(filepath.Dir(s.dir), "key"))
	check(t, err)
	check(t, os.WriteFile(key, b, 0o600))
	check(t, os.Chown(key, 65534, 65534))
	for _, tt := range []struct {
		how  string
		code int
		says []string
	}{
		{"-d rxe0", 4, []string{"rxe0", "ulimit -l"}},
		{"", 0, []string{"going over shm, not verbs: ", "ulimit -l"}},
	} {
		cmd := exec.Command("sh", "-c", "ulimit -l 64; exec "+bin(t)+" "+tt.how+" "+src+" "+self)
		cmd.Env = append(os.Environ(), "SCP_RDMA_KEY_FILE="+key)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, _ := cmd.CombinedOutput() // the exit code counts
		if cmd.ProcessState.ExitCode() != tt.code {
			t.Errorf("%q: exit %d: %s", tt.how, cmd.ProcessState.ExitCode(), out)
		}
		for _, want := range tt.says {
			if !strings.Contains(string(out), want) {
				t.Errorf("%q: no word of %q: %s", tt.how, want, out)
			}
		}
	}
}

func TestDevicesTellsWhatWouldBeUsedAndWhyNotTheRest(t *testing.T) {
	run(t, "ip", "link", "set", "eth1", "down")
	out, err := exec.Command(bin(t), "devices").CombinedOutput()
	run(t, "ip", "link", "set", "eth1", "up")
	check(t, err)
	for _, want := range []string{
		"port 1: ACTIVE, Ethernet", ", traffic class 0", "used, as -d rxe0", "*GID 1: ::ffff:10.77.0.1, RoCE v2 on eth0", "port 1: DOWN, Ethernet", "not used: port 1 is down: plug the cable in",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no word of %q: %s", want, out)
		}
	}
}
