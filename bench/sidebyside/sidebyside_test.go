package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// leftovers lists what the runner left in a directory.
func leftovers(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// The whole of it, with the program as make build builds it.
func TestFromSourcesToThePage(t *testing.T) {
	work, out, tmp := t.TempDir(), t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", tmp)
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{
		"--scale", "0.002", "--rounds", "1", "--rival", "cp,scp_rdma,scp_rdma-fetch", "--case", "large,small,toolchain,models",
		"--work", work, "--out", out, "--must", "small/cp:1000", "--must", "small/scp_rdma-fetch/scp_rdma:1000",
	}, &stdout, &stderr)
	if code != 0 {
		t.Fatalf("exit code %d: %s\n%s", code, stderr.String(), stdout.String())
	}
	if left := append(leftovers(t, work), leftovers(t, tmp)...); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	for _, name := range []string{"large", "small", "toolchain", "models"} {
		if !strings.Contains(stdout.String(), "\n"+name+": ") {
			t.Errorf("no table of %s:\n%s", name, stdout.String())
		}
	}
	found, err := filepath.Glob(out + "/sidebyside-*.jsonl")
	if err != nil || len(found) != 1 {
		t.Fatalf("files of results: %v, %v", found, err)
	}
	in, err := os.Open(found[0])
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	f, runs, err := readLines(in)
	if err != nil {
		t.Fatal(err)
	}
	if len(runs) != 4*3*2 || f.Cores < 1 || f.Kernel == "" || len(f.Rivals) != 3 {
		t.Errorf("%d runs of 4 cases, 3 rivals and rounds 0 and 1; %+v", len(runs), f)
	}
	for _, r := range runs {
		// A cp of some milliseconds may end before anybody looks at its memory.
		own := r.Rival != mark
		both := (r.CPUServer > 0) == own && (r.RSSServer > 0) == own && (r.RSSClient > 0 || !own)
		if !r.OK || r.Seconds <= 0 || r.CPUClient <= 0 || r.Bytes <= 0 || r.Files <= 0 || !both {
			t.Errorf("a run without its numbers: %+v", r)
		}
	}
	page := strings.TrimSuffix(found[0], ".jsonl") + ".html"
	first, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if code := run(t.Context(), []string{"--render", found[0]}, &stdout, &stderr); code != 0 {
		t.Fatalf("--render: exit code %d: %s", code, stderr.String())
	}
	if again, err := os.ReadFile(page); err != nil || !bytes.Equal(first, again) {
		t.Errorf("the page is another when it is made again (%v)", err)
	}
}

func TestOursFailingIsAFailureAndTheRestGoesOn(t *testing.T) {
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{
		"--scale", "0.0002", "--rounds", "1", "--rival", "cp,scp_rdma", "--case", "small", "--work", t.TempDir(), "--out", "",
		"--bin", "/bin/false",
	}, &stdout, &stderr)
	cp := strings.Contains(stdout.String(), "\ncp ") && !strings.Contains(stdout.String(), "cp failed")
	if code != 1 || !strings.Contains(stderr.String(), "small: scp_rdma: server: does not listen") || !cp {
		t.Errorf("exit code %d: %s\n%s", code, stderr.String(), stdout.String())
	}
}

// A client is believed nothing: what it leaves is looked at.
func TestWhatIsNotACopyFails(t *testing.T) {
	shell := func(name, script string) rival {
		return rival{name: name, checks: checksNothing, modes: true, client: func(p place) command {
			return command{argv: []string{"sh", "-c", script, "sh", p.from(), p.target, p.to()}}
		}}
	}
	who := []rival{
		shell("copies", `cp -r "$1" "$2"`),
		shell("damages", `cp -r "$1" "$2" && printf X | dd of="$3/dir000/file00003.dat" bs=1 seek=9 conv=notrunc 2>/dev/null`),
		shell("forgets", `cp -r "$1" "$2" && rm "$3/dir000/file00003.dat"`),
		shell("adds", `cp -r "$1" "$2" && touch "$2/more"`),
		shell("opens", `cp -r "$1" "$2" && chmod 777 "$3/dir000/file00003.dat"`),
		shell("does nothing", `:`),
		shell("complains", `cp -r "$1" "$2"; echo no such luck >&2; exit 7`),
		shell("never ends", `sleep 100 & wait`),
	}
	want := map[string]string{
		"damages": "content", "forgets": "missing", "adds": "2 names in the target", "opens": "mode", "does nothing": "0 names in the target",
		"complains": "no such luck", "never ends": "deadline exceeded",
	}
	w := workloads()[1]
	o := &options{rounds: 1, scale: 0.0002, work: t.TempDir(), timeout: 2 * time.Second}
	runs := map[string]int{}
	err := runCase(t.Context(), w, o, who, func(r result) error {
		runs[r.Rival]++
		if r.OK != (want[r.Rival] == "") || !strings.Contains(r.Error, want[r.Rival]) {
			t.Errorf("%s: ok %v, %q", r.Rival, r.OK, r.Error)
		}
		return nil
	})
	if err != nil || len(leftovers(t, o.work)) > 0 {
		t.Errorf("%v, left behind: %v", err, leftovers(t, o.work))
	}
	if runs["copies"] != 2 || runs["damages"] != 1 {
		t.Errorf("who fails is out, the others go on: %v", runs)
	}
}

func TestUsage(t *testing.T) {
	for _, bad := range [][]string{
		{"--case", "huge"}, {"--rival", "ftp"}, {"--must", "large/cp"}, {"--must", "huge/cp:1"}, {"--must", "large/ftp:1"}, {"--must", "large/ftp/cp:1"},
		{"--rounds", "0"}, {"--scale", "0"}, {"--scale", "NaN"}, {"--timeout", "-1s"}, {"--unknown"}, {"argument"},
	} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), bad, &stdout, &stderr); code != 2 || stderr.Len() == 0 {
			t.Errorf("%v: exit code %d, %q", bad, code, stderr.String())
		}
	}
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"--help"}, &stdout, &stderr); code != 0 || !strings.Contains(stdout.String(), "--must") {
		t.Errorf("--help: exit code %d, %q", code, stdout.String())
	}
	for line := range strings.Lines(stdout.String()) {
		if len(line) > 91 {
			t.Errorf("more than 90 bytes: %s", line)
		}
	}
}
