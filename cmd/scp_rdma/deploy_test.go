package main

import (
	"encoding/json"
	goversion "go/version"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// deployed reads a file of deploy.
func deployed(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// taken says whether the program takes a command line, as far as flags go.
func taken(t *testing.T, where string, args []string) {
	t.Helper()
	var o options
	f := newFlagSet()
	o.addFlags(f)
	err := f.Parse(words(args))
	if err == nil {
		err = o.check(f)
	}
	if err != nil {
		t.Errorf("%s: %q: %v", where, args, err)
	}
}

// array reads a list as JSON has it, which is what a Containerfile and this YAML write.
func array(t *testing.T, text string) (list []string) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return list
}

func TestWhatIsDeployedHasFlagsThatThereAre(t *testing.T) {
	lines := 0
	for name, expr := range map[string]string{
		"scp_rdma.service": `(?m)^#?\s*ExecStart=/usr/bin/scp_rdma (.*)$`,
		"Containerfile":    `(?m)^CMD (\[.*\])$`,
		"kubernetes.yaml":  `(?m)^ *args: (\[.*\])$`,
	} {
		for _, m := range regexp.MustCompile(expr).FindAllStringSubmatch(deployed(t, name), -1) {
			lines++
			if strings.HasPrefix(m[1], "[") {
				taken(t, name, array(t, m[1]))
			} else {
				taken(t, name, strings.Fields(m[1]))
			}
		}
	}
	if lines != 4 {
		t.Errorf("%d command lines", lines)
	}
}

// No image can be fetched here, so that the file is held against what it copies and runs.
func TestTheContainerfileNamesWhatThereIs(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	build, err := os.ReadFile("../../deploy/build")
	if err != nil {
		t.Fatal(err)
	}
	module, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(deployed(t, "Containerfile"), "\\\n", " ")
	var stages, copied []string
	for line := range strings.Lines(text) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "", "#":
		case "FROM":
			image, stage, _ := strings.Cut(rest, " AS ")
			stages = append(stages, stage)
			if !regexp.MustCompile(`^docker\.io/library/[a-z]+:[0-9a-z.-]+$`).MatchString(image) {
				t.Errorf("%s: no registry, or no tag", image)
			}
			want := regexp.MustCompile(`(?m)^go (\S+)$`).FindStringSubmatch(string(module))[1]
			if v, ok := strings.CutPrefix(image, "docker.io/library/golang:"); ok && goversion.Compare("go"+strings.Split(v, "-")[0]+".0", "go"+want) < 0 {
				t.Errorf("%s is older than Go %s", image, want)
			}
		case "COPY":
			copied = append(copied, rest)
		case "RUN":
			if target, ok := strings.CutPrefix(rest, "make "); ok && !strings.Contains(string(makefile), "\n"+target+":") {
				t.Errorf("make %s is no target", target)
			}
		case "ENTRYPOINT":
			if entry := array(t, rest); len(entry) != 1 || !strings.HasSuffix(copied[len(copied)-1], " "+entry[0]) {
				t.Errorf("%v is not what was copied", entry)
			}
		case "CMD", "EXPOSE", "VOLUME", "WORKDIR":
		default:
			t.Errorf("%s is no instruction", word)
		}
	}
	for _, c := range copied {
		files := strings.Fields(c)
		for _, f := range files[:len(files)-1] {
			stage, ok := strings.CutPrefix(f, "--from=")
			if ok && !slices.Contains(stages, stage) {
				t.Errorf("COPY %s: no such stage", c)
			}
			if ok || strings.HasPrefix(f, "/src/") { // what the other stage makes
				continue
			}
			if _, err := os.Stat(filepath.Join("../..", f)); err != nil {
				t.Error(err)
			}
		}
	}
	if !strings.Contains(text, " /src/bin/scp_rdma ") || !strings.Contains(string(build), "\nfile=bin/scp_rdma\n") || !strings.Contains(text, "\nWORKDIR /src\n") {
		t.Error("the program is copied from where it is not built")
	}
}
