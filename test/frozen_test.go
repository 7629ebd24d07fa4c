package e2e

import (
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// frozen is the time that the side which goes on gives a frozen one; it says so.
const frozen = "2s"

// A frozen process still has its connections, and its kernel acknowledges whatever
// comes: only that it says nothing any more tells.
func TestAFrozenServerIsGivenUpAndNamed(t *testing.T) { eachTransport(t, frozenServer) }

func frozenServer(t *testing.T, over string) {
	s, g := newStage(t), newGate(t, halfway)
	s.add("large", bytesOf(1, 2*halfway), g.act)
	srv := serve(t, nobody(), folder(t, nobody()))
	c := srv.client(t, nobody(), "--transport", over, "--timeout", frozen, "--retry-for", "0", s.dir+"/large", "in/")
	g.waitReached(t)
	srv.signal(t, unix.SIGSTOP)
	g.pass()
	begin := time.Now()
	r := result{code: c.wait(t), out: c.out.String(), err: c.err.String()}
	r.wants(t, 1)
	r.says(t, "127.0.0.1:"+srv.port+": ", "peer is silent: not a byte for "+frozen+" (--timeout)")
	if took := time.Since(begin); took > 15*time.Second {
		t.Errorf("the client gave up after %v", took)
	}
	srv.signal(t, unix.SIGCONT)
	servesOn(t, srv)
	absent(t, filepath.Join(srv.dir, "in/large"))
	srv.stop(t)
}

func TestAFrozenClientIsGivenUpAndNamed(t *testing.T) { eachTransport(t, frozenClient) }

func frozenClient(t *testing.T, over string) {
	s, g := newStage(t), newGate(t, halfway)
	s.add("large", bytesOf(1, 2*halfway), g.act)
	srv := serve(t, nobody(), folder(t, nobody()), "--timeout", frozen, "--max-sessions", "1")
	c := srv.client(t, nobody(), "--transport", over, "--retry-for", "0", s.dir+"/large", "in/")
	g.waitReached(t)
	c.signal(t, unix.SIGSTOP)
	g.pass()
	end := regexp.MustCompile(`(?m)^127\.0\.0\.1:\d+: session \S+ ends, .*; failed: .*peer is silent: not a byte for ` + frozen + ` \(--timeout\)$`)
	eventually(t, "the server says whom it gave up, and after how long", func() bool { return end.MatchString(srv.out.String()) })
	servesOn(t, srv) // with room for one session alone
	c.signal(t, unix.SIGCONT)
	if code := c.wait(t); code != 1 {
		t.Errorf("the client ends with %d: %s", code, c.err.String())
	}
	absent(t, filepath.Join(srv.dir, "in/large"))
	srv.stop(t)
}

// servesOn fails the test unless the server takes one more file. What the session that
// broke off has left is none of its business.
func servesOn(t *testing.T, srv *server) {
	t.Helper()
	file := filepath.Join(folder(t, nobody()), "next")
	write(t, file, []byte("served"))
	srv.send(t, nobody(), file, "after/").wants(t, 0)
	arrived(t, filepath.Join(srv.dir, "after/next"), []byte("served"))
}
