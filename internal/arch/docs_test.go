package arch

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// help builds the program and asks it for its own description.
func help(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "scp_rdma")
	build := exec.Command("go", "build", "-o", bin, "./cmd/scp_rdma")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	out, err := exec.Command(bin, "--help").Output()
	if err != nil {
		t.Fatalf("scp_rdma --help: %v", err)
	}
	return string(out)
}

// readme is the text of README.md.
func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// codes finds the lines of a table of exit codes: code -> meaning.
func codes(text string, row *regexp.Regexp) map[string]string {
	found := map[string]string{}
	for _, m := range row.FindAllStringSubmatch(text, -1) {
		found[m[1]] = strings.Join(strings.Fields(m[2]), " ")
	}
	return found
}

// The program's table is the source; README repeats it for those who have not
// installed anything yet.
func TestTheReadmeHasTheExitCodesOfTheProgram(t *testing.T) {
	_, table, ok := strings.Cut(help(t), "xit code")
	if !ok {
		t.Fatal("--help has no section on exit codes")
	}
	program := codes(table, regexp.MustCompile(`(?m)^\s+(\d+(?:/\d+)?)\s+(\S.*)$`))
	doc := codes(readme(t), regexp.MustCompile(`(?m)^\| (\d+(?:/\d+)?) \| (.*?) \|$`))
	if diff := cmp.Diff(program, doc); diff != "" || len(program) < 8 {
		t.Errorf("--help (-) and README.md (+) differ:\n%s", diff)
	}
}

func TestEveryFlagInTheReadmeExists(t *testing.T) {
	text := help(t)
	flag := regexp.MustCompile("(?:^|[\\s`\\[(])(--?[a-zA-Z][a-z-]*)")
	known := map[string]bool{}
	for _, m := range flag.FindAllStringSubmatch(strings.ReplaceAll(text, ",", " "), -1) {
		known[m[1]] = true
	}
	// Lines of a shell: a flag there belongs to the program that the line calls.
	for line := range strings.Lines(readme(t)) {
		if !strings.Contains(line, "scp_rdma ") && !strings.Contains(line, "`-") {
			continue
		}
		for _, m := range flag.FindAllStringSubmatch(line, -1) {
			if !known[m[1]] {
				t.Errorf("README.md speaks of %s, --help does not: %s", m[1], strings.TrimSpace(line))
			}
		}
	}
}
