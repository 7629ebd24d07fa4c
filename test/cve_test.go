package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"scp_rdma/test/hostile"
)

// CVE-2026-53784, 53793 and 53796 of rsync: the root itself, and what is typed, must not be
// looked up by name again. A server's directory is the one it has opened, whatever its name
// leads to by then. Landlock is off: what holds is the server's own.
func TestCVE202653784TheRootIsTheDirectoryThatWasOpened(t *testing.T) {
	parent := folder(t, nobody())
	w, err := hostile.NewWitness(parent, int(nobody().uid))
	must(t, err)
	dir := filepath.Join(parent, "in")
	srv := serve(t, nobody(), dir, "--no-landlock")
	must(t, os.Rename(dir, filepath.Join(parent, "moved")))
	must(t, os.Symlink("outside", dir))
	file := filepath.Join(folder(t, nobody()), "f")
	write(t, file, []byte("contents"))
	for _, to := range []string{"", "x", "sub/", "new/x"} {
		srv.send(t, nobody(), file, to).wants(t, 0)
	}
	if changed, err := w.Changed(); err != nil || changed != "" {
		t.Errorf("%v %s", err, changed)
	}
	arrived(t, filepath.Join(parent, "moved", "sub", "f"), []byte("contents"))
	srv.stop(t)
}

// CVE-2019-6109 of scp, CVE-2023-43620 of croc and CVE-2026-53788 of rsync: names with
// escape sequences or newlines are shown so that they do nothing to a terminal or a log.
func TestCVE20196109NamesDoNothingToATerminalOrALog(t *testing.T) {
	bad := "a\x1b[2J\nsession fake ends\r\a\x9b31m"
	dir := folder(t, nobody())
	write(t, filepath.Join(dir, bad), []byte("x"))
	must(t, os.Chmod(filepath.Join(dir, bad), 0)) // nobody can't read root's
	srv := serve(t, nobody(), folder(t, nobody()))
	r := srv.send(t, nobody(), dir+"/.", bad+"/")
	r.wants(t, 3)
	srv.stop(t)
	for what, text := range map[string]string{"client": r.err + r.out, "server": srv.out.String() + srv.err.String()} {
		if !strings.Contains(text, `\x1b[2J`) || strings.ContainsAny(text, "\x1b\r\a") || strings.Contains(text, "\x9b") || strings.Contains(text, "\nsession fake") {
			t.Errorf("%s: %q", what, text)
		}
	}
}

// CVE-2026-70452 of rsync: a list that can't be read whole denies nobody. Ours is read
// whole, or the server does not start.
func TestCVE202670452AListOfKeysFailsClosed(t *testing.T) {
	dir := folder(t, nobody())
	list := filepath.Join(dir, "authorized")
	for _, text := range []string{"", "alice\n", "alice nonsense\n", "alice " + setting.key.Text() + " rights=everything\n", "alice " + setting.key.Text() + " dir=../out\n"} {
		write(t, list, []byte(text))
		must(t, os.Chmod(list, 0o600))
		chown(t, nobody(), list)
		if r := run(t, nobody(), setting.bin, "-s", "-o", dir, "-p", "0", "--once", "--authorized", list); r.code == 0 || contains(r.out, "listening") {
			t.Errorf("%q: exit code %d, %s %s", text, r.code, r.out, r.err)
		}
	}
}
