package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"scp_rdma/internal/tree"
)

// fetcher starts a client that fetches from the server's directory. The last argument is
// where it goes.
func (s *server) fetcher(t *testing.T, w who, args ...string) *process {
	t.Helper()
	last := len(args) - 1
	args = append(append([]string{"-p", s.port}, args[:last]...), "127.0.0.1:", args[last])
	return start(t, w, setting.bin, args...)
}

func TestATreeIsFetchedWhole(t *testing.T) {
	eachTransport(t, func(t *testing.T, over string) {
		src := generate(t, root(), tree.Spec{Seed: 21, Files: 500, Large: 1, LargeSize: 20 << 20})
		srv := serve(t, root(), filepath.Dir(src))
		dst := folder(t, root())
		p := srv.fetcher(t, root(), "--transport", over, "--owner", "--xattr", dst)
		r := result{code: p.wait(t), out: p.out.String(), err: p.err.String()}
		r.wants(t, 0)
		same(t, src, filepath.Join(dst, "src"), tree.Options{})
		srv.stop(t)
	})
}

// halfFetched is midway, but for the direction: the stage is the server's directory.
func halfFetched(t *testing.T, w who, flags ...string) (s *server, c *process, dst string, g *gate) {
	t.Helper()
	stage := newStage(t)
	g = newGate(t, halfway)
	stage.add("a-small", []byte("small"), nil)
	stage.add("large", bytesOf(1, 2*halfway), g.act)
	dst = folder(t, w)
	s = serve(t, w, stage.dir)
	c = s.fetcher(t, w, append(flags, dst+"/in/")...)
	g.waitReached(t)
	eventually(t, "the small file arrives", func() bool { return exists(filepath.Join(dst, "in/a-small")) })
	absent(t, filepath.Join(dst, "in/large"))
	return s, c, dst, g
}

// fetchedOn fetches once more what halfFetched began.
func fetchedOn(t *testing.T, s *server, w who, dst string) {
	t.Helper()
	p := s.fetcher(t, w, dst+"/in/")
	r := result{code: p.wait(t), out: p.out.String(), err: p.err.String()}
	r.wants(t, 0)
	if !contains(r.out, "already there of half files") {
		t.Errorf("it does not say that it went on: %s", r.out)
	}
	arrived(t, filepath.Join(dst, "in/large"), bytesOf(1, 2*halfway))
	nothingHidden(t, dst)
}

func TestAFetchThatIsKilledOrInterruptedGoesOn(t *testing.T) {
	for s, code := range map[unix.Signal]int{unix.SIGKILL: 128 + 9, unix.SIGINT: 128 + 2} {
		t.Run(s.String(), func(t *testing.T) {
			eachUser(t, func(t *testing.T, w who) {
				srv, c, dst, g := halfFetched(t, w)
				c.signal(t, s)
				if s == unix.SIGINT {
					g.pass()
				}
				if got := c.wait(t); got != code {
					t.Errorf("exit code %d, want %d: %s", got, code, c.err.String())
				}
				g.pass()
				absent(t, filepath.Join(dst, "in/large"))
				fetchedOn(t, srv, w, dst)
				srv.stop(t)
			})
		})
	}
}

func TestAServerThatIsKilledWhileItSendsIsFoundAgain(t *testing.T) {
	srv, c, dst, g := halfFetched(t, nobody())
	srv.signal(t, unix.SIGKILL)
	g.pass()
	srv.wait(t)
	again := listening(t, start(t, nobody(), setting.bin, "-s", "-o", srv.dir, "-p", srv.port, "--bind", "127.0.0.1"), nobody(), srv.dir)
	r := result{code: c.wait(t), out: c.out.String(), err: c.err.String()}
	r.wants(t, 0)
	if !contains(r.out, "the server was lost and found again: 1 time") {
		t.Errorf("it says: %s", r.out)
	}
	arrived(t, filepath.Join(dst, "in/large"), bytesOf(1, 2*halfway))
	nothingHidden(t, dst)
	again.stop(t)
}

func TestAServerThatIsKilledForGoodWhileItSendsIsTold(t *testing.T) {
	srv, c, dst, g := halfFetched(t, nobody(), "--retry-for", "0")
	srv.signal(t, unix.SIGKILL)
	g.pass()
	r := result{code: c.wait(t), err: c.err.String()}
	r.wants(t, 1)
	r.says(t, "127.0.0.1:"+srv.port, "connection lost")
	absent(t, filepath.Join(dst, "in/large"))
}

func TestTwoRailsFetchTogether(t *testing.T) {
	const size = 128 << 20
	a, b, srv := railed(t, 10_000, 10_000)
	b.slow(t, "rail1", 400)
	b.slow(t, "rail2", 400)
	write(t, filepath.Join(srv.dir, "file"), bytesOf(1, size))
	dst := folder(t, root())
	line := a.in(setting.bin, "-j", "4", "-d", "rail1,rail2", "--rails", "10.77.1.2:file", dst)
	r := run(t, root(), line[0], line[1:]...)
	r.wants(t, 0)
	arrived(t, filepath.Join(dst, "file"), bytesOf(1, size))
	for _, rail := range []string{"rail1", "rail2"} {
		if n := b.sent(t, rail); n < size/5 {
			t.Errorf("%s carried %d bytes of %d", rail, n, size)
		}
		if !strings.Contains(r.out, "\nrail "+rail+" with "+rail) {
			t.Errorf("the summary does not say what the rail %s was joined with: %s", rail, r.out)
		}
	}
	srv.stop(t)
}

func TestOverSSHWhatIsFetchedIsWhatScpWouldTake(t *testing.T) {
	here, there := newHost(t), newSSHHost(t)
	cable(t, here, there.host, "rail1", 1)
	hard := `it's a "hard" $(touch pwned) ` + "`touch pwned`" + `;& name \`
	abroad := folder(t, copier())
	for path, text := range map[string]string{
		there.home + "/f": "f", there.home + "/sub/g": "g", there.home + "/" + hard + "/" + hard: "hard", abroad + "/h": "h",
		there.home + "/-oProxyCommand=x": "option",
	} {
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		write(t, path, []byte(text))
	}
	must(t, os.Symlink(abroad, filepath.Join(there.home, "link")))
	secret := filepath.Join(folder(t, root()), "secret")
	write(t, secret, []byte("secret"))
	must(t, os.Chmod(secret, 0o600))
	for from, want := range map[string]string{
		"f": "f", "./f": "f", "~/f": "f", "sub/../f": "f", "sub": "sub/g", "su?/g": "g", abroad + "/h": "h", abroad + "/[h]": "h", "link/h": "h",
		hard + "/" + hard: hard, "-oProxyCommand=x": "-oProxyCommand=x",
	} {
		dst := folder(t, root())
		line := there.overSSH(here, there.rsh, "-q", "copier@10.77.1.2:"+from, dst)
		r := run(t, root(), line[0], line[1:]...)
		r.wants(t, 0)
		if !exists(filepath.Join(dst, want)) || r.err != "" {
			t.Errorf("%s: no %s; stderr: %s", from, want, r.err)
		}
	}
	absent(t, filepath.Join(there.home, "pwned"))
	dst := folder(t, root())
	line := there.overSSH(here, there.rsh, "copier@10.77.1.2:f", "copier@10.77.1.2:"+secret, dst)
	r := run(t, root(), line[0], line[1:]...)
	r.wants(t, 3)
	r.says(t, "permission denied", secret)
	if !contains(r.out, "over tcp, encrypted, ") || !exists(filepath.Join(dst, "f")) {
		t.Errorf("stdout: %s", r.out)
	}
	nobodyServes(t)
}
