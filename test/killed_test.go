package e2e

import (
	"os"
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
	return midwayWith(t, w, nil, args...)
}

// midwayWith is midway with flags for the client.
func midwayWith(t *testing.T, w who, flags []string, args ...string) (*server, *process, *gate) {
	t.Helper()
	s, g := newStage(t), newGate(t, halfway)
	s.add("a-small", []byte("small"), nil)
	s.add("large", bytesOf(1, 2*halfway), g.act)
	srv := serve(t, w, folder(t, w), args...)
	c := srv.client(t, w, append(flags, s.dir+"/.", "in/")...)
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

func TestAKilledClientLeavesNothingHalfMadeUnderAFinalNameAndTheNextGoesOn(t *testing.T) {
	eachUser(t, func(t *testing.T, w who) {
		eachTransport(t, func(t *testing.T, over string) {
			srv, c, _ := midwayWith(t, w, []string{"--transport", over})
			c.signal(t, unix.SIGKILL)
			if code := c.wait(t); code != 128+int(unix.SIGKILL) {
				t.Errorf("the client ended by itself: %d", code)
			}
			srv.stillServes(t)
			unfinished(t, srv)
			goesOn(t, srv, w)
			srv.stop(t)
		})
	})
}

// goesOn sends what midway began once more, and fails the test unless a part of it was
// there already and nothing is left over in the end.
func goesOn(t *testing.T, srv *server, w who, flags ...string) {
	t.Helper()
	eventually(t, "the server is done with what the client left", func() bool { return len(hidden(t, srv.dir)) == 2 })
	src := folder(t, w)
	data, large := bytesOf(1, 2*halfway), filepath.Join(src, "large")
	write(t, large, data)
	write(t, filepath.Join(src, "a-small"), []byte("small"))
	then := time.Unix(1e9, 0) // as on the stage
	must(t, os.Chtimes(large, then, then))
	r := srv.send(t, w, append(flags, src+"/.", "in/")...)
	r.wants(t, 0)
	if !contains(r.out, "already there of half files") {
		t.Errorf("it does not say that it went on: %s", r.out)
	}
	arrived(t, filepath.Join(srv.dir, "in/large"), data)
	nothingHidden(t, srv.dir)
}

// The journal keeps its digests of what was sealed on its way.
func TestAKilledEncryptedTransferGoesOn(t *testing.T) {
	srv, c, _ := midwayWith(t, nobody(), []string{"--encrypt"}, "--encrypt")
	c.signal(t, unix.SIGKILL)
	c.wait(t)
	goesOn(t, srv, nobody(), "--encrypt")
	srv.stop(t)
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
			goesOn(t, srv, nobody())
			srv.stop(t)
		})
	}
}

func TestWhenTheServerIsKilledTheClientSaysSoAndNoFileIsHalfMade(t *testing.T) {
	eachUser(t, func(t *testing.T, w who) {
		eachTransport(t, func(t *testing.T, over string) {
			srv, c, g := midwayWith(t, w, []string{"--retry-for", "0", "--transport", over})
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
	srv, c, g := midwayWith(t, nobody(), []string{"--retry-for", "1s"}, "--grace", "100ms")
	srv.signal(t, unix.SIGTERM)
	if code := srv.wait(t); code != 143 {
		t.Errorf("the server ends with %d: %s", code, srv.err.String())
	}
	g.pass()
	if code := c.wait(t); code != 1 {
		t.Errorf("the client ends with %d: %s", code, c.err.String())
	}
	unfinished(t, srv)
	if n := len(hidden(t, srv.dir)); n != 2 {
		t.Errorf("half a file and its journal should be there: %v", hidden(t, srv.dir))
	}
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
