//go:build rdma_two

package transfer

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// other is the guest at the wires' other end as guest 0 sees it: a server, and
// commands.
type other struct {
	*server
	what  string
	asked int
}

// across is how a test runs in both guests. Guest 1 serves and does what it is asked
// for, and gets nil once that is over. Guest 0 gets the other, and ends it with over.
func across(t *testing.T, what string, flags ...string) *other {
	t.Helper()
	if os.Getenv("RDMA_HOST") == "0" {
		return &other{server: peer(t, what), what: what}
	}
	s := serve(t, flags...)
	key, err := os.ReadFile(filepath.Join(filepath.Dir(s.dir), "key"))
	check(t, err)
	put(t, what+".key", string(key))
	put(t, what+".listening", "")
	for n := 1; ; pause() {
		if there(what + ".end") {
			break
		}
		ask, done := fmt.Sprint(what, ".", n, ".ask"), fmt.Sprint(what, ".", n, ".done")
		if !there(ask) {
			continue
		}
		b, err := os.ReadFile(note(ask))
		check(t, err)
		args := strings.Split(string(b), "\n")
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = filepath.Dir(s.dir)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%v: %v: %s", args, err, out)
		}
		put(t, done, string(out))
		n++
	}
	t.Logf("the server says: %s", s.says) // of each break that guest 0 brings about
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	return nil
}

// over lets guest 1 go on.
func (o *other) over(t *testing.T) {
	t.Helper()
	put(t, o.what+".end", "")
}

// run has the other guest run a command, and gives what it says; its failure is a
// failure of the test there. What was received lies in its directory in.
func (o *other) run(t *testing.T, args ...string) string {
	t.Helper()
	o.asked++
	put(t, fmt.Sprint(o.what, ".", o.asked, ".ask"), strings.Join(args, "\n"))
	done := fmt.Sprint(o.what, ".", o.asked, ".done")
	meet(t, done)
	b, err := os.ReadFile(note(done))
	check(t, err)
	return string(b)
}

// ip is run for ip(8).
func (o *other) ip(t *testing.T, args ...string) {
	t.Helper()
	o.run(t, append([]string{"ip"}, args...)...)
}

// put writes a note, whole when it is there.
func put(t *testing.T, name, text string) {
	t.Helper()
	check(t, os.WriteFile(note(name+".new"), []byte(text), 0o600))
	check(t, os.Rename(note(name+".new"), note(name)))
}
