package e2e

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"scp_rdma/internal/tree"
)

// What one kill may cost, in bytes that are sent again.
const (
	// Sent, and not written when the kill came: every slot there is, of two streams
	// with eight slots of a MiB each.
	inSlots = 2 * 8 << 20
	// Written, and not in a journal: 8 MiB of each large file that is being written.
	// Two are, when the ranges of one end and those of the next begin.
	inBatches = 2 * 8 << 20
	// Files of less than 8 MiB have no journal. Each worker has one at most that is begun
	// and not whole; the largest here, of the zoo's hard links, has 3 MiB.
	inSmall = 2 * 3 << 20
)

// crash is a transfer from one host to another that is killed again and again.
type crash struct {
	a, b host
	src  string
	data int64 // bytes of its files
	dir  string
	srv  *server
	rng  *rand.Rand

	growing tree.Growing
	begun   int64     // what a had sent when this round began
	kills   int       // in this round
	killed  time.Time // when a server last was
}

// newCrash makes two hosts, joined by one slow rail, and a tree on the first.
func newCrash(t *testing.T, spec tree.Spec) *crash {
	t.Helper()
	c := &crash{a: newHost(t), b: newHost(t), dir: folder(t, root()), growing: tree.Growing{Hidden: ".scp_rdma."}}
	cable(t, c.a, c.b, "rail1", 1)
	c.a.slow(t, "rail1", 400)
	c.src = filepath.Join(folder(t, root()), "src")
	stats, err := tree.Generate(c.src, spec)
	must(t, err)
	c.data = stats.Data
	seed := rand.Uint64()
	t.Logf("%d files, %d MiB; the kills have seed %d", stats.Files, c.data>>20, seed)
	c.rng = rand.New(rand.NewPCG(seed, 0))
	c.serve(t)
	c.begun = c.a.sent(t, "rail1")
	return c
}

// serve starts the server, as it was started before.
func (c *crash) serve(t *testing.T) {
	t.Helper()
	in := mkdirs(t, filepath.Join(c.dir, "in"))
	line := c.b.in(setting.bin, "-s", "-o", in, "-p", "1777", "--state-dir", filepath.Join(c.dir, "state"))
	c.srv = listening(t, start(t, root(), line[0], line[1:]...), root(), in)
}

// client starts the client. It puts the tree into sub, under its own name.
func (c *crash) client(t *testing.T, args ...string) *process {
	t.Helper()
	return c.clientTo(t, "sub/", args...)
}

// clientTo is client with a destination.
func (c *crash) clientTo(t *testing.T, to string, args ...string) *process {
	t.Helper()
	line := c.a.in(append(append([]string{setting.bin, "-j", "2"}, args...), c.src, "10.77.1.2:"+to)...)
	return start(t, root(), line[0], line[1:]...)
}

// mkdirs is os.MkdirAll.
func mkdirs(t *testing.T, dir string) string {
	t.Helper()
	must(t, os.MkdirAll(dir, 0o755))
	return dir
}

// copied is where the copy is made.
func (c *crash) copied() string { return filepath.Join(c.srv.dir, "sub", "src") }

// kill runs the client until it has sent so much, and kills one of both ends. It
// returns false if the transfer was over before.
func (c *crash) kill(t *testing.T, after int64) bool {
	t.Helper()
	from := c.a.sent(t, "rail1")
	client := c.client(t, "--retry-for", "0")
	eventually(t, "the client sends", func() bool { return c.a.sent(t, "rail1")-from >= after || client.ended() })
	victim := "client"
	if c.rng.IntN(2) == 0 {
		victim = "server"
		c.srv.signal(t, unix.SIGKILL)
		c.srv.wait(t)
	} else if !client.ended() {
		client.signal(t, unix.SIGKILL)
	}
	code := client.wait(t)
	t.Logf("the %s was killed after %d KiB; the client ended with %d", victim, after>>10, code)
	switch {
	case code == 0:
	case victim == "server" && code != 1, victim == "client" && code != 128+int(unix.SIGKILL):
		t.Fatalf("the %s was killed, and the client ends with %d: %s", victim, code, client.err.String())
	}
	if victim == "server" {
		c.killed = time.Now()
		c.serve(t)
	}
	return code != 0
}

// look fails the test unless all that has a name is right.
func (c *crash) look(t *testing.T) {
	t.Helper()
	if !exists(c.copied()) {
		return
	}
	same(t, c.src, c.copied(), tree.Options{Growing: &c.growing})
	if t.Failed() {
		t.FailNow()
	}
}

// whole fails the test unless the copy is whole, nothing else is there, and little
// was sent twice. Then it begins anew.
func (c *crash) whole(t *testing.T) {
	t.Helper()
	sent := c.a.sent(t, "rail1") - c.begun
	same(t, c.src, c.copied(), tree.Options{})
	// Files for hard links to them are kept in a hidden directory. That of a server that
	// was killed goes with the next session; but one of the last seconds may be new.
	eventually(t, "what a killed server left is old", func() bool { return time.Since(c.killed) > 3*time.Second })
	walk := c.nothingToSend(t)
	c.alone(t)
	limit := c.data + c.data*3/100 + int64(c.kills+1)*walk + int64(c.kills)*(inSlots+inBatches+inSmall)
	t.Logf("%d kills: %d MiB were sent for %d MiB, at most %d MiB may be; entries alone take %d KiB", c.kills, sent>>20, c.data>>20, limit>>20, walk>>10)
	if sent > limit {
		t.Errorf("more was sent again than %d kills explain", c.kills)
	}
	if t.Failed() {
		t.FailNow()
	}
	must(t, tree.Remove(filepath.Dir(c.copied())))
	c.growing, c.kills = tree.Growing{Hidden: c.growing.Hidden}, 0
	c.begun = c.a.sent(t, "rail1")
}

// alone fails the test if there is anything beside the copy.
func (c *crash) alone(t *testing.T) {
	t.Helper()
	all, err := os.ReadDir(filepath.Dir(c.copied()))
	if err != nil || len(all) != 1 {
		t.Errorf("beside the copy: %v, %v", all, err)
	}
}

// nothingToSend runs the client once more, which sends the entries and nothing else. It
// gives the bytes that this takes.
func (c *crash) nothingToSend(t *testing.T) int64 {
	t.Helper()
	from := c.a.sent(t, "rail1")
	client := c.client(t)
	if code := client.wait(t); code != 0 {
		t.Fatalf("once more: exit code %d: %s", code, client.err.String())
	}
	n := c.a.sent(t, "rail1") - from
	if n > 2<<20 {
		t.Errorf("%d bytes were sent of a tree that is there: %s", n, client.out.String())
	}
	same(t, c.src, c.copied(), tree.Options{})
	return n
}
