package e2e

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"scp_rdma/internal/tree"
)

// TestKilledAgainAndAgain kills one of both ends, by chance, somewhere in a transfer, and
// starts it again. Each time all files that have their names are right; in the end the
// copy is whole, nothing hidden is left, and no more was sent again than was under way.
func TestKilledAgainAndAgain(t *testing.T) {
	c := newCrash(t, tree.Spec{Seed: 11, Files: 2500, Large: 3, LargeSize: 144 << 20, Unreadable: true})
	for killed := 0; killed < crashKills; {
		if c.kill(t, c.rng.Int64N(128<<20)) {
			killed++
			c.kills++
			c.look(t)
		} else {
			c.whole(t)
		}
	}
	client := c.client(t)
	if code := client.wait(t); code != 0 {
		t.Fatalf("not killed, it ends with %d: %s", code, client.err.String())
	}
	c.whole(t)
	c.srv.stop(t)
}

// TestAClientOutlivesItsServers: the server is killed and started again under a client
// that nobody starts again. The destination is a name: when the client comes again, the
// directory of that name is not one to put the tree into.
func TestAClientOutlivesItsServers(t *testing.T) {
	const kills = 5
	c := newCrash(t, tree.Spec{Seed: 12, Files: 1500, Large: 2, LargeSize: 192 << 20})
	client := c.clientTo(t, "sub/src")
	for range kills {
		goal := c.a.sent(t, "rail1") + c.data/(kills+3) + c.rng.Int64N(16<<20)
		eventually(t, "the client sends", func() bool { return c.a.sent(t, "rail1") >= goal || client.ended() })
		if client.ended() {
			t.Fatalf("it ends too soon: %s", client.err.String())
		}
		c.srv.signal(t, unix.SIGKILL)
		c.srv.wait(t)
		c.kills++
		c.killed = time.Now()
		c.look(t)
		c.serve(t)
	}
	if code := client.wait(t); code != 0 {
		t.Fatalf("exit code %d: %s", code, client.err.String())
	}
	if text := client.out.String(); !strings.Contains(text, "lost and found again: ") {
		t.Errorf("the summary does not say that the server was lost: %s", text)
	}
	c.whole(t)
	c.srv.stop(t)
}
