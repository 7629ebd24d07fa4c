package e2e

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"scp_rdma/internal/tree"
)

// What a kill may cost, in bytes that cross again:
//
//	inFlight  sent and without a result: streams x 8 slots of 1 MiB is all that credits
//	          allow, wherever it lies: in slots, sockets or on the way
//	batch     what the journal doesn't know yet, 8 MiB for each large file under way:
//	          with two streams there are two
//	small     a file below 8 MiB that was begun has no journal; one for each stream, and
//	          the small ones of a frame; the tree has none above 3 MiB but the large ones
//	words     control: each run says its 3000 entries again, 200 bytes each or so
const (
	crashStreams = "2"
	inFlight     = 2 * 8 << 20
	batch        = 2 * 8 << 20
	small        = 2 * 4 << 20
	words        = 2 << 20
	killCost     = inFlight + batch + small + words
)

// TestKilledAgainAndAgain kills one end or both, at a random moment, until it has done so
// often enough. Each time what has its name is right. Each round ends with a copy that is
// identical, with nothing left behind, and has sent little twice.
func TestKilledAgainAndAgain(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	src := generate(t, root(), tree.Spec{Seed: 8, Files: 2000, Large: 3, LargeSize: 96 << 20})
	c := &crash{src: src, rng: rand.New(rand.NewPCG(seed, 0)), state: filepath.Join(folder(t, root()), "state")}
	for left := kills; left > 0; {
		left -= c.round(t, left)
	}
}

// crash is a place where processes are killed.
type crash struct {
	src   string
	rng   *rand.Rand
	state string
	srv   *server
	way   *narrow
}

// round sends the tree into an empty directory, with at most so many kills; it says
// with how many.
func (c *crash) round(t *testing.T, most int) (killed int) {
	dir := folder(t, root())
	c.srv = serve(t, root(), dir, "--state-dir", c.state)
	c.way = newNarrow(t, c.srv.addr, 100<<20)
	client := c.client(t)
	for killed < most && c.reaches(t, client) {
		killed++
		who := c.rng.IntN(5)
		if who != 0 { // 0: the server alone, and the client finds the next one
			client.signal(t, unix.SIGKILL)
			<-client.done
		}
		if who < 3 {
			c.srv.signal(t, unix.SIGKILL)
			<-c.srv.done
		}
		c.right(t, dir)
		if who < 3 {
			c.srv = serve(t, root(), dir, "--state-dir", c.state, "-p", c.srv.port)
		}
		if who != 0 {
			client = c.client(t)
		}
	}
	if code := client.wait(t); code != 0 {
		t.Fatalf("after %d kills the client ends with %d: %s", killed, code, client.err.String())
	}
	c.whole(t, dir, killed)
	c.srv.stop(t)
	must(t, tree.Remove(filepath.Join(dir, "src")))
	return killed
}

func (c *crash) client(t *testing.T) *process {
	t.Helper()
	return start(t, root(), setting.bin, "-j", crashStreams, "-p", c.way.port, c.src, "127.0.0.1:")
}

// reaches waits for the moment of a kill: after some bytes, or after some time, which
// is rather at the beginning. false: the transfer was over before.
func (c *crash) reaches(t *testing.T, client *process) bool {
	t.Helper()
	bytes, moment := c.way.carried.Load()+40<<20+c.rng.Int64N(140<<20), time.Now().Add(patience)
	if c.rng.IntN(4) == 0 {
		moment = time.Now().Add(time.Duration(c.rng.Int64N(int64(time.Second))))
	}
	eventually(t, "the moment comes", func() bool {
		return client.ended() || c.way.carried.Load() >= bytes || time.Now().After(moment)
	})
	return !client.ended()
}

// right fails the test if something has its name that is not as it was sent. A server
// that lives may still be making and removing what has none.
func (c *crash) right(t *testing.T, dir string) {
	t.Helper()
	into := filepath.Join(dir, "src")
	var diffs []tree.Diff
	eventually(t, "what has arrived can be looked at", func() (ok bool) {
		if !exists(into) {
			return true
		}
		var err error
		diffs, err = tree.Compare(c.src, into, tree.Options{Partial: true, Hidden: ".scp_rdma."})
		return err == nil
	})
	for _, d := range diffs {
		t.Errorf("%v", d)
	}
	if t.Failed() {
		t.FailNow()
	}
}

// whole fails the test unless all has arrived and little was sent twice; and unless a
// run more sends next to nothing and leaves a copy that is identical.
func (c *crash) whole(t *testing.T, dir string, killed int) {
	t.Helper()
	sent, need := c.way.carried.Load(), stored(t, c.src)
	t.Logf("%d kills: %d MiB were sent for %d MiB: %d MiB a kill", killed, sent>>20, need>>20, (sent-need)>>20/int64(max(killed, 1)))
	if most := need + words + int64(killed)*killCost; sent > most {
		t.Errorf("%d kills cost %d MiB, more than %d", killed, (sent-need)>>20, (most-need)>>20)
	}
	c.tidy(t, dir, killed)
	if code := c.client(t).wait(t); code != 0 || c.way.carried.Load() > sent+words {
		t.Errorf("once more: exit code %d, %d bytes were sent for nothing", code, c.way.carried.Load()-sent)
	}
	same(t, c.src, filepath.Join(dir, "src"), tree.Options{})
	if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
		t.Errorf("beside the tree there is %v, %v", list, err)
	}
}

// tidy fails the test if the copy differs, but for what servers had not named yet when
// they were killed: a temporary each that replaces a file, a directory of hard links. It
// removes that as a week later.
func (c *crash) tidy(t *testing.T, dir string, killed int) {
	t.Helper()
	leftover := regexp.MustCompile(`(^|/)\.scp_rdma\.[0-9a-f]{16}\.(links|[0-9a-z]+)$`)
	diffs, err := tree.Compare(c.src, filepath.Join(dir, "src"), tree.Options{})
	must(t, err)
	left, err := filepath.Glob(filepath.Join(dir, ".scp_rdma.*"))
	must(t, err)
	for _, d := range diffs {
		if d.Aspect != tree.Extra {
			t.Errorf("%v", d)
			continue
		}
		left = append(left, filepath.Join(dir, "src", d.Path))
	}
	for _, path := range left {
		if !leftover.MatchString(path) {
			t.Errorf("left behind: %s", path)
		}
		then := time.Now().Add(-8 * 24 * time.Hour)
		must(t, os.Chtimes(path, then, then))
	}
	if len(left) > 2*killed {
		t.Errorf("%d kills left %v", killed, left)
	}
	run(t, root(), setting.bin, "clean", "-o", dir).wants(t, 0)
}

// stored is how much of a tree is data, holes left out: du(1), which knows every path.
func stored(t *testing.T, dir string) int64 {
	t.Helper()
	out, err := exec.Command("du", "-s", "-B1", dir).Output()
	must(t, err)
	n, err := strconv.ParseInt(strings.Fields(string(out))[0], 10, 64)
	must(t, err)
	return n
}
