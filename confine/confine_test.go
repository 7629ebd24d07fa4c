package confine_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"scp_rdma/confine"
)

// threads builds the helper and runs it.
func threads(t *testing.T, cgo string, args ...string) []string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "threads")
	cmd := exec.Command("go", "build", "-tags", "netgo,osusergo", "-o", bin, "./testdata/threads")
	cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out, err := exec.Command(bin, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// shared is a directory that every user may write to, and a file that every one may read
// beside it.
func shared(t *testing.T) (inside, outside string) {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && len(d) > 1; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	inside, outside = filepath.Join(dir, "in"), filepath.Join(dir, "out")
	if err := errors.Join(os.Mkdir(inside, 0o755), os.Chmod(inside, 0o777), os.WriteFile(outside, nil, 0o644), os.Chmod(dir, 0o777)); err != nil {
		t.Fatal(err)
	}
	return inside, outside
}

// In a build with cgo Go's own way to call on all threads fails, and C may have made some.
func TestEveryThreadIsConfined(t *testing.T) {
	for _, cgo := range []string{"0", "1"} {
		for _, user := range []string{"", "nobody"} {
			if user != "" && os.Getuid() != 0 {
				t.Fatal("only root can become another user: run this test as root")
			}
			who := "uid 0 0, groups "
			if user != "" {
				who = "uid 65534 65534, groups [65534] errno 0"
			}
			inside, outside := shared(t)
			lines := threads(t, cgo, inside, outside, user)
			want := "inside: errno 0 errno 0; outside: permission denied permission denied "
			for _, line := range lines {
				line = strings.ReplaceAll(line, "<nil>", "errno 0")
				if !strings.HasPrefix(line, want) || !strings.Contains(line, "permission denied; "+who) {
					t.Errorf("cgo %s, user %q: %s", cgo, user, line)
				}
			}
			if len(lines) != 16 {
				t.Errorf("cgo %s: %d threads", cgo, len(lines))
			}
			if _, err := os.Stat(outside); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestAUserThatIsNoneIsNamed(t *testing.T) {
	if _, err := confine.LookupUser("no such user"); err == nil || !strings.Contains(err.Error(), "no such user") {
		t.Error(err)
	}
}
