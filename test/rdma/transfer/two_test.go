//go:build rdma_two

package transfer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestBetweenTwoGuests runs in both: guest 1 receives, guest 0 sends over both
// wires. They talk through the directory RDMA_MEET, and make the same tree.
func TestBetweenTwoGuests(t *testing.T) {
	large, small := tree(t)
	if os.Getenv("RDMA_HOST") == "1" {
		receive(t, large, small)
		return
	}
	meet(t, "listening")
	key, err := os.ReadFile(note("key"))
	check(t, err)
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "key"), key, 0o600))
	s := &server{env: append(os.Environ(), "SCP_RDMA_KEY_FILE="+filepath.Join(dir, "key"))}
	to := strings.Fields(os.Getenv("RDMA_PEER_IPS"))[0] + ":"
	code, text := s.send(t, "devices", strings.TrimSuffix(to, ":"))
	if code != 0 || !strings.Contains(text, "verbs: rxe0 - rxe0: works, ") || !strings.Contains(text, "verbs: rxe1 - rxe1: works, ") || !strings.Contains(text, "tcp: ") {
		t.Errorf("devices: exit %d: %s", code, text)
	}
	t.Log(text)
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
	check(t, os.WriteFile(note("end"), nil, 0o600))
}

func receive(t *testing.T, large, small string) {
	s := serve(t)
	key, err := os.ReadFile(filepath.Join(filepath.Dir(s.dir), "key"))
	check(t, err)
	check(t, os.WriteFile(note("key"), key, 0o600))
	check(t, os.WriteFile(note("listening"), nil, 0o600))
	for !there("end") {
		for _, name := range []string{"one", "eight", "both"} {
			if !there(name) || there(name+".compared") {
				continue
			}
			for _, src := range []string{large, small} {
				arrived(t, src, filepath.Join(s.dir, name, filepath.Base(src)))
			}
			check(t, os.RemoveAll(filepath.Join(s.dir, name)))
			check(t, os.WriteFile(note(name+".compared"), nil, 0o600))
		}
		pause()
	}
	s.stop(t)
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
