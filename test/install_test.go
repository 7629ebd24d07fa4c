package e2e

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// makes runs make in the tree that is tested.
func makes(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command("make", append([]string{"-s", "-C", ".."}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("make %v: %v\n%s", args, err, out)
	}
}

// filesIn lists what is below a directory and is none.
func filesIn(t *testing.T, dir string) (found []string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			found = append(found, strings.TrimPrefix(path, dir))
		}
		return err
	}))
	return found
}

func TestWhatIsInstalledIsUninstalled(t *testing.T) {
	dest := t.TempDir()
	makes(t, "install", "DESTDIR="+dest, "PREFIX=/opt/x")
	installed := filesIn(t, dest)
	for _, want := range []string{
		"/opt/x/bin/scp_rdma", "/opt/x/share/man/man1/scp_rdma.1.gz", "/opt/x/share/bash-completion/completions/scp_rdma",
		"/opt/x/share/zsh/site-functions/_scp_rdma", "/opt/x/share/fish/vendor_completions.d/scp_rdma.fish",
		"/opt/x/lib/systemd/system/scp_rdma.service", "/opt/x/lib/systemd/system/scp_rdma.socket", "/opt/x/lib/sysusers.d/scp_rdma.conf",
		"/opt/x/share/doc/scp_rdma/README.md", "/opt/x/share/doc/scp_rdma/docs/troubleshooting.md", "/opt/x/share/doc/scp_rdma/deploy/kubernetes.yaml",
	} {
		if info, err := os.Stat(dest + want); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", want, err)
		}
	}
	unit, err := os.ReadFile(dest + "/opt/x/lib/systemd/system/scp_rdma.service")
	must(t, err)
	if !bytes.Contains(unit, []byte("\nExecStart=/opt/x/bin/scp_rdma -s ")) || bytes.Contains(unit, []byte("/usr/bin/scp_rdma")) || bytes.Contains(unit, []byte(dest)) {
		t.Errorf("the unit starts another program:\n%s", unit)
	}
	makes(t, "install", "DESTDIR="+dest, "PREFIX=/opt/x") // over it
	if again := filesIn(t, dest); strings.Join(again, "\n") != strings.Join(installed, "\n") {
		t.Errorf("installed twice: %v", again)
	}

	theirs := "/opt/x/share/doc/scp_rdma/notes"
	must(t, os.WriteFile(dest+theirs, nil, 0o600))
	makes(t, "uninstall", "DESTDIR="+dest, "PREFIX=/opt/x")
	if left := filesIn(t, dest); len(left) != 1 || left[0] != theirs {
		t.Errorf("left: %v", left)
	}
	must(t, os.Remove(dest+theirs))
	makes(t, "uninstall", "DESTDIR="+dest, "PREFIX=/opt/x") // what is gone already is no error
	if _, err := os.Stat(dest + filepath.Dir(theirs)); !os.IsNotExist(err) {
		t.Errorf("its own directory is left: %v", err)
	}
}

// What systemd says of the units; none runs here.
func TestSystemdTakesTheUnits(t *testing.T) {
	prefix := filepath.Join(folder(t, root()), "prefix")
	makes(t, "install", "PREFIX="+prefix)
	units := prefix + "/lib/systemd/system/"
	verify := func() (string, error) {
		out, err := exec.Command("systemd-analyze", "verify", "--man=no", units+"scp_rdma.service", units+"scp_rdma.socket").CombinedOutput()
		return string(out), err
	}
	if out, err := verify(); err != nil || strings.Contains(out, "scp_rdma") {
		t.Errorf("%v: %s", err, out)
	}
	// Of 100: what a service can do if it is taken over. Sockets of the Internet alone are 3 of them.
	out, err := exec.Command("systemd-analyze", "security", "--offline=yes", "--threshold=20", units+"scp_rdma.service").CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	out, err = exec.Command("systemd-sysusers", "--dry-run", prefix+"/lib/sysusers.d/scp_rdma.conf").CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	must(t, os.Remove(prefix+"/bin/scp_rdma"))
	if out, err := verify(); err == nil || !strings.Contains(out, "scp_rdma") {
		t.Errorf("a unit without its program is taken: %s", out)
	}
	makes(t, "uninstall", "PREFIX="+prefix)
}
