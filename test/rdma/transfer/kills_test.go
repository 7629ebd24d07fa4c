//go:build rdma

package transfer

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	trees "scp_rdma/internal/tree"
)

// TestKilledAgainAndAgain kills one of both ends, by chance, somewhere in a transfer over
// two devices, and starts it again. Each time all files that have their names are right,
// and what is not killed is whole. What it sends again is counted over TCP (package e2e).
func TestKilledAgainAndAgain(t *testing.T) {
	const kills = 20
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	src, dir := filepath.Join(t.TempDir(), "src"), t.TempDir()
	_, err := trees.Generate(src, trees.Spec{Seed: 31, Files: 600, PlainOnly: true, Large: 2, LargeSize: 40 << 20})
	check(t, err)
	check(t, os.Link(filepath.Join(src, "large/large0.bin"), filepath.Join(src, "hard link")))
	s := serveIn(t, dir, "--state-dir", filepath.Join(dir, "state"))
	copied := filepath.Join(s.dir, "src")
	growing := trees.Growing{Hidden: ".scp_rdma."}
	for killed := 0; killed < kills; {
		victim := []string{"server", "client"}[rng.IntN(2)]
		code := s.kill(t, victim, rng.IntN(24<<20), "-j", "2", "-d", "rxe0,rxe1", "--retry-for", "0", src, self)
		if victim == "server" {
			s = serveIn(t, dir, "--state-dir", filepath.Join(dir, "state"))
		}
		switch {
		case code == 0:
			alike(t, src, copied, trees.Options{})
			check(t, os.RemoveAll(copied))
			growing = trees.Growing{Hidden: growing.Hidden}
			continue
		case victim == "server" && code != 1:
			t.Fatalf("the server was killed, and the client ends with %d", code)
		}
		killed++
		if _, err := os.Lstat(copied); err == nil {
			alike(t, src, copied, trees.Options{Growing: &growing})
		}
	}
	code, text := s.send(t, src, self)
	if code != 0 || !strings.Contains(text, "over verbs, ") {
		t.Fatalf("not killed, it ends with %d: %s", code, text)
	}
	t.Log(text)
	alike(t, src, copied, trees.Options{})
	s.stop(t)
}

// kill starts a client, kills one end when so many bytes have moved, and gives the
// client's exit code.
func (s *server) kill(t *testing.T, victim string, after int, args ...string) int {
	t.Helper()
	all := func() int { return moved("rxe0") + moved("rxe1") }
	before := all()
	c := s.begin(t, args...)
	until(t, c.out, func() bool { return all()-before >= after || c.ended() })
	if victim == "server" {
		check(t, s.cmd.Process.Kill())
		_ = s.cmd.Wait() // it was killed
	} else {
		_ = c.Process.Kill() // it may have ended
	}
	until(t, c.out, c.ended)
	t.Logf("the %s was killed after %d KiB; the client ended with %d: %s", victim, after>>10, c.ProcessState.ExitCode(), c.out)
	return c.ProcessState.ExitCode()
}
