package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"scp_rdma/internal/tree"
)

// threadsSay gives a field of proc_pid_status(5) of every thread of a process.
func threadsSay(t *testing.T, p *process, field string) []string {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", p.cmd.Process.Pid))
	must(t, err)
	var values []string
	for _, f := range files {
		text, err := os.ReadFile(f)
		if os.IsNotExist(err) {
			continue // it has ended
		}
		must(t, err)
		_, rest, _ := strings.Cut(string(text), "\n"+field+":")
		line, _, _ := strings.Cut(rest, "\n")
		values = append(values, strings.Join(strings.Fields(line), " "))
	}
	if len(values) < 2 {
		t.Fatalf("%d threads", len(values))
	}
	return values
}

func TestAServerDropsRootAndIsConfined(t *testing.T) {
	dir := filepath.Join(folder(t, root()), "made")
	p := start(t, root(), setting.bin, "-s", "-o", dir, "-p", "77", "--bind", "127.0.0.1", "--user", "nobody", "--state-dir", filepath.Join(folder(t, root()), "new", "state"))
	srv := listening(t, p, root(), dir)
	src := generate(t, root(), tree.Spec{Seed: 9, Files: 200})
	copied(t, srv, root(), src, "", tree.Options{})
	for field, want := range map[string]string{"Uid": "65534 65534 65534 65534", "Gid": "65534 65534 65534 65534", "Groups": "65534", "CapEff": "0000000000000000", "NoNewPrivs": "1"} {
		for _, got := range threadsSay(t, srv.process, field) {
			if got != want {
				t.Errorf("a thread has %s %s, want %s", field, got, want)
			}
		}
	}
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", srv.cmd.Process.Pid))
	must(t, err)
	if string(comm) != "scp_rdma\n" { // for pgrep and its friends
		t.Errorf("the process is named %q", comm)
	}
	var st unix.Stat_t
	for _, path := range []string{dir, filepath.Join(dir, "src")} {
		must(t, unix.Stat(path, &st))
		if st.Uid != 65534 {
			t.Errorf("%s belongs to uid %d", path, st.Uid)
		}
	}
	srv.stop(t)

	// As root it is confined too, unless that is not wanted.
	for _, flags := range [][]string{nil, {"--no-landlock"}} {
		srv := serve(t, root(), folder(t, root()), flags...)
		copied(t, srv, root(), src, "", tree.Options{})
		want := "1"
		if flags != nil {
			want = "0"
		}
		for _, got := range threadsSay(t, srv.process, "NoNewPrivs") {
			if got != want {
				t.Errorf("%v: a thread has NoNewPrivs %s", flags, got)
			}
		}
		srv.stop(t)
	}
}

func TestOnlyRootCanBecomeSomebodyElse(t *testing.T) {
	r := run(t, nobody(), setting.bin, "-s", "-o", folder(t, nobody()), "-p", "0", "--user", "root")
	r.wants(t, 2)
	r.says(t, "--user root", "only root")
	r = run(t, root(), setting.bin, "-s", "-o", folder(t, root()), "-p", "0", "--user", "no-such-user")
	r.wants(t, 2)
	r.says(t, "--user", "no-such-user")
}
