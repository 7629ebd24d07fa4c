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

// What a server reads again it reads with the rights that it had at its start: a list of root's,
// in a directory that the server's user can't enter, and in whose place an editor puts another.
func TestAServerThatGaveUpRootReadsItsKeysAgain(t *testing.T) {
	dir, lists := folder(t, root()), folder(t, root())
	must(t, os.Chmod(lists, 0o700))
	list := filepath.Join(lists, "authorized")
	key := func(name string) (file, text string) {
		t.Helper()
		file = filepath.Join(lists, name)
		run(t, root(), setting.bin, "keygen", "--key-file", file).wants(t, 0)
		b, err := os.ReadFile(file)
		must(t, err)
		return file, strings.TrimSpace(string(b))
	}
	alice, aliceText := key("alice")
	bob, bobText := key("bob")
	must(t, os.WriteFile(list, []byte("alice "+aliceText+"\n"), 0o600))
	must(t, os.Chmod(dir, 0o777))
	p := start(t, root(), setting.bin, "-s", "-o", dir, "-p", "77", "--bind", "127.0.0.1", "--user", "nobody", "--authorized", list,
		"--state-dir", filepath.Join(folder(t, root()), "new", "state"))
	srv := listening(t, p, root(), dir)
	send := func(key string, code int) {
		t.Helper()
		run(t, root(), setting.bin, "-p", "77", "--key-file", key, list, "127.0.0.1:").wants(t, code)
	}
	send(alice, 0)
	send(bob, 6)
	must(t, os.WriteFile(list+".new", []byte("bob "+bobText+"\n"), 0o600))
	must(t, os.Rename(list+".new", list))
	must(t, srv.cmd.Process.Signal(unix.SIGHUP))
	eventually(t, "it reads the list again", func() bool {
		return strings.Contains(p.out.String(), "reloaded: new keys: bob; keys taken back: alice")
	})
	send(bob, 0)
	send(alice, 6)
	srv.stop(t)
}
