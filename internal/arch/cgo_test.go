package arch

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// cHome is where C lives.
const cHome = "transport/verbs/internal/ibv"

// foreign says whether a file is compiled by another compiler than Go's.
func foreign(name string) bool {
	switch filepath.Ext(name) {
	case ".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".s", ".S", ".m", ".syso":
		return true
	}
	return false
}

func TestCLivesInOneFolder(t *testing.T) {
	home := 0
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && p != root {
			return fs.SkipDir
		}
		rel, err := filepath.Rel(root, p)
		switch {
		case err != nil || d.IsDir() || !foreign(p):
			return err
		case filepath.ToSlash(filepath.Dir(rel)) == cHome:
			home++
		default:
			t.Errorf("%s: C and assembler live in %s", rel, cHome)
		}
		return nil
	})
	if err != nil || home == 0 {
		t.Errorf("%d files of C found at home, %v", home, err)
	}
}

// linked finds the libraries that a cgo preamble links besides libc's own.
func linked(text string) []string {
	var libs []string
	for _, m := range regexp.MustCompile(`(?m)^(?://\s*)?#cgo.*LDFLAGS:(.*)$`).FindAllStringSubmatch(text, -1) {
		for _, flag := range strings.Fields(m[1]) {
			if flag != "-ldl" {
				libs = append(libs, flag)
			}
		}
	}
	return libs
}

// What is opened with dlopen must not be linked as well, or the program no
// longer starts where it is missing.
func TestNoRDMALibraryIsLinked(t *testing.T) {
	for _, s := range load(t) {
		for _, lib := range linked(s.text) {
			if !under(s.dir, "internal/arch") {
				t.Errorf("%s links %s", s.path, lib)
			}
		}
	}
}

func TestTheLinkRuleFindsLibraries(t *testing.T) {
	for text, want := range map[string]string{
		"/*\n#cgo LDFLAGS: -libverbs\n*/":            "-libverbs",
		"// #cgo linux LDFLAGS: -ldl -lrdmacm":       "-lrdmacm",
		"/*\n#cgo LDFLAGS: -ldl\n#cgo CFLAGS: -O2\n": "",
	} {
		if got := strings.Join(linked(text), " "); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// Without cgo the package must still compile, and say that it has no verbs: a
// C file without the constraint of its Go files breaks that build.
func TestEveryFileOfCHasItsConstraint(t *testing.T) {
	const constraint = "//go:build cgo && !noverbs && linux && (amd64 || arm64)"
	for _, s := range load(t) {
		usesC := false
		for _, imported := range s.imports() {
			usesC = usesC || imported == "C"
		}
		if usesC && !strings.HasPrefix(s.text, constraint+"\n") {
			t.Errorf("%s imports C without %q", s.path, constraint)
		}
	}
}
