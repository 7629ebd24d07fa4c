package e2e

import (
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Both ends are killed while a file of this size is halfway.
const halfway = 16 << 20

// midway starts a transfer and waits until half of a large file was read. A
// small file has been sent before it.
func midway(t *testing.T, w who, args ...string) (*server, *process, *gate) {
	t.Helper()
	s, g := newStage(t), newGate(t, halfway)
	s.add("a-small", []byte("small"), nil)
	s.add("large", bytesOf(1, 2*halfway), g.act)
	srv := serve(t, w, folder(t, w), args...)
	c := srv.client(t, w, s.dir+"/.", "in/")
	g.waitReached(t)
	eventually(t, "the small file arrives", func() bool { return exists(filepath.Join(srv.dir, "in/a-small")) })
	return srv, c, g
}

// exists says whether there is anything of that name.
func exists(path string) bool {
	var st unix.Stat_t
	return unix.Lstat(path, &st) == nil
}

// unfinished fails the test if the large file has a name.
func unfinished(t *testing.T, srv *server) {
	t.Helper()
	arrived(t, filepath.Join(srv.dir, "in/a-small"), []byte("small"))
	absent(t, filepath.Join(srv.dir, "in/large"))
}

func TestAKilledClientLeavesNothingHalfMadeAndTheServerServesOn(t *testing.T) {
	eachUser(t, func(t *testing.T, w who) {
		srv, c, _ := midway(t, w)
		c.signal(t, unix.SIGKILL)
		if code := c.wait(t); code != 128+int(unix.SIGKILL) {
			t.Errorf("the client ended by itself: %d", code)
		}
		srv.stillServes(t)
		eventually(t, "the server drops what the client left", func() bool { return len(hidden(t, srv.dir)) == 0 })
		unfinished(t, srv)
		srv.stop(t)
	})
}

func TestAnInterruptedClientEndsWith130AndLeavesNothingHalfMade(t *testing.T) {
	for _, c := range []struct {
		signal unix.Signal
		code   int
	}{{unix.SIGINT, 130}, {unix.SIGTERM, 143}} {
		t.Run(c.signal.String(), func(t *testing.T) {
			srv, client, g := midway(t, nobody())
			client.signal(t, c.signal)
			// It can't leave a read, only go on to the next one.
			eventually(t, "the client ends", func() bool { g.passSome(); return client.ended() })
			if code := client.wait(t); code != c.code {
				t.Errorf("exit code %d, want %d: %s", code, c.code, client.err.String())
			}
			srv.stillServes(t)
			unfinished(t, srv)
			srv.stop(t)
		})
	}
}

func TestWhenTheServerIsKilledTheClientSaysSoAndNoFileIsHalfMade(t *testing.T) {
	eachUser(t, func(t *testing.T, w who) {
		srv, c, g := midway(t, w)
		srv.signal(t, unix.SIGKILL)
		srv.wait(t)
		g.pass()
		begin := time.Now()
		code := c.wait(t)
		r := result{code: code, out: c.out.String(), err: c.err.String()}
		r.wants(t, 1)
		r.says(t, "127.0.0.1:"+srv.port)
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("the client noticed after %v", took)
		}
		unfinished(t, srv)
	})
}

func TestAStoppedServerLetsRunningSessionsEndWithinTheGraceTime(t *testing.T) {
	srv, c, g := midway(t, nobody(), "--grace", "60s")
	srv.signal(t, unix.SIGTERM)
	g.pass()
	if code := c.wait(t); code != 0 {
		t.Errorf("the client ends with %d: %s", code, c.err.String())
	}
	if code := srv.wait(t); code != 0 {
		t.Errorf("the server ends with %d: %s", code, srv.err.String())
	}
	arrived(t, filepath.Join(srv.dir, "in/large"), bytesOf(1, 2*halfway))
}

func TestAStoppedServerCutsSessionsAfterTheGraceTime(t *testing.T) {
	srv, c, g := midway(t, nobody(), "--grace", "100ms")
	srv.signal(t, unix.SIGTERM)
	if code := srv.wait(t); code != 143 {
		t.Errorf("the server ends with %d: %s", code, srv.err.String())
	}
	g.pass()
	if code := c.wait(t); code != 1 {
		t.Errorf("the client ends with %d: %s", code, c.err.String())
	}
	unfinished(t, srv)
	nothingHidden(t, srv.dir)
}

func TestAServerWithOnceEndsAfterTheFirstSession(t *testing.T) {
	srv := serve(t, nobody(), folder(t, nobody()), "--once")
	file := filepath.Join(folder(t, nobody()), "f")
	write(t, file, []byte("x"))
	srv.send(t, nobody(), file, "").wants(t, 0)
	if code := srv.wait(t); code != 0 {
		t.Errorf("the server ends with %d", code)
	}
}
