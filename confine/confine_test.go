package confine_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"scp_rdma/confine"
)

// threads builds the helper.
func threads(t *testing.T, cgo string) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "threads")
	cmd := exec.Command("go", "build", "-tags", "netgo,osusergo", "-o", bin, "./testdata/threads")
	cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for d := filepath.Dir(bin); d != os.TempDir() && len(d) > 1; d = filepath.Dir(d) { // for nobody to start it anew
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return bin
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
	if err := errors.Join(os.Mkdir(inside, 0o755), os.Chmod(inside, 0o777), os.WriteFile(outside, []byte("left"), 0o644), os.Chmod(dir, 0o777)); err != nil {
		t.Fatal(err)
	}
	return inside, outside
}

// In a build with cgo Go's own way to call on all threads fails, and C may have made some.
func TestEveryThreadIsConfined(t *testing.T) {
	for _, cgo := range []string{"0", "1"} {
		bin := threads(t, cgo)
		for _, user := range []string{"", "nobody"} {
			for _, how := range []string{"on", "anew"} {
				t.Run(fmt.Sprintf("cgo %s, user %q, %s", cgo, user, how), func(t *testing.T) { confined(t, bin, user, how) })
			}
		}
	}
}

func confined(t *testing.T, bin, user, how string) {
	who := "uid 0 0, groups "
	if user != "" {
		who = "uid 65534 65534, groups [65534] errno 0"
	}
	inside, outside := shared(t)
	out, err := exec.Command(bin, inside, outside, user, how).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	want := "inside: errno 0 errno 0; outside: permission denied permission denied "
	for _, line := range lines {
		line = strings.ReplaceAll(line, "<nil>", "errno 0")
		if !strings.HasPrefix(line, want) || !strings.Contains(line, "permission denied; "+who) {
			t.Error(line)
		}
		// What a kernel lets one thread do with a file of another it does only where both
		// have the same credentials: the one set that a program begins with.
		_, names, _ := strings.Cut(line, "name: ")
		if own, anothers, _ := strings.Cut(names, " "); how == "anew" && own == "errno 0" && anothers != own && !strings.Contains(anothers, "exists") {
			t.Error("credentials of its own: " + line)
		}
	}
	if len(lines) != 16 {
		t.Errorf("%d threads", len(lines))
	}
	if _, err := os.Stat(outside); err != nil {
		t.Error(err)
	}
}

func TestAUserThatIsNoneIsNamed(t *testing.T) {
	if _, err := confine.LookupUser("no such user"); err == nil || !strings.Contains(err.Error(), "no such user") {
		t.Error(err)
	}
}
