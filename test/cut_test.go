package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestARailThatIsCutLosesNothingAndComesBack: two rails, the second is cut while both
// carry, and set up again. Control runs over the first.
func TestARailThatIsCutLosesNothingAndComesBack(t *testing.T) {
	for name, cut := range map[string]func(t *testing.T, a, b host){
		"silently":     func(t *testing.T, _, b host) { b.ip(t, "link", "set", "rail2", "down") },
		"with a reset": func(t *testing.T, a, _ host) { a.reset(t, "10.77.2.2") },
	} {
		t.Run(name, func(t *testing.T) {
			const size = 512 << 20
			a, b, srv, file := twoRails(t, size)
			line := a.in(setting.bin, "-j", "4", "-d", "rail1,rail2", file, "10.77.1.2:")
			c := start(t, root(), line[0], line[1:]...)
			const some = 16 << 20
			eventually(t, "both rails carry", func() bool { return a.sent(t, "rail1") > some && a.sent(t, "rail2") > some })
			cut(t, a, b)
			// Its streams are tried again with pauses, so that the client has to find it
			// dead first: else it would not know.
			eventually(t, "the client notices", func() bool { return contains(c.err.String(), "a stream broke") })
			b.ip(t, "link", "set", "rail2", "up")
			before := a.sent(t, "rail2")
			eventually(t, "the rail carries again", func() bool { return a.sent(t, "rail2") > before+some || c.ended() })
			if code := c.wait(t); code != 0 {
				t.Fatalf("exit code %d: %s", code, c.err.String())
			}
			if n := a.sent(t, "rail2") - before; n < some {
				t.Errorf("once it was back, the rail carried %d bytes", n)
			}
			if text := c.out.String() + c.err.String(); !contains(text, "carried again because a stream broke") || !contains(text, "rail=rail2") {
				t.Errorf("it does not say what happened: %s", text)
			}
			arrived(t, filepath.Join(srv.dir, "file"), bytesOf(1, size))
			nothingHidden(t, srv.dir)
			srv.stop(t)
		})
	}
}

// TestARailThatIsCutWithControlOnItIsGoneRound: control ran over the rail that is cut.
// The client finds the server over the other one, goes on from what has arrived, and
// uses the first again once it is back.
func TestARailThatIsCutWithControlOnItIsGoneRound(t *testing.T) {
	const size = 512 << 20
	a, b, srv, file := twoRails(t, size)
	line := a.in(setting.bin, "-j", "4", "-d", "rail1,rail2", file, "10.77.2.2:")
	c := start(t, root(), line[0], line[1:]...)
	const some = 16 << 20
	eventually(t, "both rails carry", func() bool { return a.sent(t, "rail1") > some && a.sent(t, "rail2") > some })
	b.ip(t, "link", "set", "rail2", "down")
	eventually(t, "the client notices", func() bool { return contains(c.err.String(), "looking for the server again") })
	before := a.sent(t, "rail1")
	eventually(t, "the other rail carries on", func() bool { return a.sent(t, "rail1") > before+some })
	b.ip(t, "link", "set", "rail2", "up")
	before = a.sent(t, "rail2")
	eventually(t, "the rail carries again", func() bool { return a.sent(t, "rail2") > before+some || c.ended() })
	if code := c.wait(t); code != 0 {
		t.Fatalf("exit code %d: %s", code, c.err.String())
	}
	if n := a.sent(t, "rail2") - before; n < some {
		t.Errorf("once it was back, the rail carried %d bytes", n)
	}
	if n := a.sent(t, "rail1") + a.sent(t, "rail2"); n > size+size/4 {
		t.Errorf("%d bytes were sent for %d", n, size)
	}
	arrived(t, filepath.Join(srv.dir, "file"), bytesOf(1, size))
	nothingHidden(t, srv.dir)
	srv.stop(t)
}

// reset ends all TCP connections of the namespace to an address, as a broken
// middlebox does (ss(8), -K).
func (h host) reset(t *testing.T, addr string) {
	t.Helper()
	line := h.in("ss", "--no-header", "--tcp", "--kill", "dst", addr)
	out, err := exec.Command(line[0], line[1:]...).CombinedOutput()
	if err != nil || strings.Count(string(out), addr) < 2 {
		t.Fatalf("ss --kill: %v: %s", err, out)
	}
}
