//go:build rdma_two

package transfer

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"scp_rdma/internal/testkit"
)

// change is something that happens to the second of two rails under load.
type change struct {
	name       string
	away, back []string // commands
	there      bool     // they are the other guest's
	breaks     bool     // a stream has to break
	stays      bool     // the rail carries before it is undone
}

// changes are those of this guest, then those of the other.
func changes() (all []change) {
	for _, there := range []bool{false, true} {
		address, where := own(1)+"/24", "here"
		if there {
			address, where = peerIP(1)+"/24", "there"
		}
		for _, c := range []change{
			{name: "killed", away: []string{"rdma", "link", "delete", "rxe1"}, back: []string{"rdma", "link", "add", "rxe1", "type", "rxe", "netdev", "eth1"}, breaks: true},
			{name: "renamed", away: []string{"rdma", "dev", "set", "rxe1", "name", "rail7"}, back: []string{"rdma", "dev", "set", "rail7", "name", "rxe1"}, breaks: true},
			{name: "its GID removed", away: []string{"ip", "addr", "del", address, "dev", "eth1"}, back: []string{"ip", "addr", "add", address, "dev", "eth1"}, breaks: true},
			// A card takes what is longer than it may send.
			{name: "its MTU changed", away: []string{"ip", "link", "set", "eth1", "mtu", "1500"}, back: []string{"ip", "link", "set", "eth1", "mtu", "4300"}, breaks: !there, stays: true},
		} {
			c.name, c.there = c.name+" "+where, there
			all = append(all, c)
		}
	}
	return all
}

// TestARailThatChangesUnderLoad changes the second of two rails again and again in one
// transfer, and back: the message names the rail, it carries again, and nothing is lost.
func TestARailThatChangesUnderLoad(t *testing.T) {
	o := across(t, "load")
	if o == nil {
		return
	}
	defer o.over(t)
	l, src := o.load(t)
	for _, c := range changes() {
		t.Run(c.name, func(t *testing.T) { o.changed(t, c, l) })
	}
	src.enough.Store(true)
	until(t, l.out, l.ended)
	t.Logf("%s", l.out)
	if code := l.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit %d", code)
	}
	if got, want := o.run(t, "sha256sum", "in/load"), fmt.Sprintf("%x", src.sum.Sum(nil)); !strings.HasPrefix(got, want) {
		t.Errorf("%s arrived, %s was sent", got, want)
	}
}

func (o *other) changed(t *testing.T, c change, l *client) {
	t.Helper()
	do := func(args []string) {
		if c.there {
			o.run(t, args...)
		} else {
			run(t, args[0], args[1:]...)
		}
	}
	said := len(l.out.String())
	waits := func(what string, ok func() bool) {
		t.Helper()
		start := time.Now()
		until(t, l.out, func() bool { return ok() || l.ended() })
		if l.ended() {
			t.Fatalf("%s: it has ended, exit %d: %s", what, l.ProcessState.ExitCode(), l.out)
		}
		t.Logf("%s after %v", what, time.Since(start))
	}
	carries := func(card string) func() bool {
		before := tx(t, card)
		return func() bool { return tx(t, card) > before+1<<20 }
	}
	do(c.away)
	// A rail whose packets are too long now is slow before its streams break, and may have been
	// taken out of them for that: then they are joined again with the MTU that there is.
	broke, late := "a stream broke, others carry what it had under way: rail=rxe1 ", "others carry what a slow rail had under way: rail=rxe1 "
	shrinks := strings.HasPrefix(c.name, "its MTU")
	text := func() string { return l.out.String()[said:] }
	if c.breaks {
		waits("told", func() bool { return strings.Contains(text(), broke) || shrinks && strings.Contains(text(), late) })
	}
	if shrinks && strings.Contains(text(), broke) && !strings.Contains(text(), "the MTU of port 1 has become 1024 bytes") {
		t.Errorf("no word of the MTU: %s", text())
	}
	waits("the other carries", carries("eth0"))
	if c.stays {
		waits("changed, it carries", carries("eth1"))
	}
	do(c.back)
	waits("back, it carries", carries("eth1"))
}

// load begins a transfer over both wires that lasts until its source says that it is
// enough, and waits until both carry.
func (o *other) load(t *testing.T) (*client, *endless) {
	t.Helper()
	before := []int{tx(t, "eth0"), tx(t, "eth1")}
	c := &client{
		Cmd: exec.Command(bin(t), "-v", "--limit", "3M", "-j", "4", "-d", "rxe0,rxe1", "-", peerIP(0)+":load"),
		out: &testkit.Output{}, done: make(chan struct{}),
	}
	src := &endless{rng: rand.NewChaCha8([32]byte{7}), sum: sha256.New()}
	c.Stdin = src
	o.start(t, c)
	until(t, c.out, func() bool { return tx(t, "eth0") > before[0]+1<<20 && tx(t, "eth1") > before[1]+1<<20 })
	return c, src
}

// endless is a source of random bytes that ends when it is told to.
type endless struct {
	enough atomic.Bool
	rng    *rand.ChaCha8
	sum    hash.Hash // of what was read
}

func (e *endless) Read(p []byte) (int, error) {
	if e.enough.Load() {
		return 0, io.EOF
	}
	_, _ = e.rng.Read(p) // never fails
	return e.sum.Write(p)
}
