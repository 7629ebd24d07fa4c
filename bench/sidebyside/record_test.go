package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	first := facts{Kind: kindMachine, CPU: "a \"CPU\"\nof two lines", Cores: 2, Rivals: []rivalFacts{{Name: "cp", Checks: "no"}}}
	second := facts{Kind: kindMachine, CPU: "another", Rivals: []rivalFacts{{Name: "cp", Checks: "?"}, {Name: ours, Own: true}}}
	failed := result{Kind: kindRun, Case: "small", Rival: "scp", Error: "no\nway"}
	var file bytes.Buffer
	for _, v := range []any{first, ran("large", "cp", 0, 1.25), second, failed} {
		if err := writeLine(&file, v); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(file.String(), "\n"); n != 4 {
		t.Errorf("%d lines for 4 records:\n%s", n, file.String())
	}
	f, runs, err := readLines(strings.NewReader(file.String() + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := first
	want.Rivals = []rivalFacts{{Name: "cp", Checks: "no"}, {Name: ours, Own: true}}
	if diff := cmp.Diff(want, f); diff != "" {
		t.Errorf("facts:\n%s", diff)
	}
	if diff := cmp.Diff([]result{ran("large", "cp", 0, 1.25), failed}, runs); diff != "" {
		t.Errorf("runs:\n%s", diff)
	}
}

func TestBadLinesAreNamed(t *testing.T) {
	const machine = `{"kind":"machine"}` + "\n"
	for text, want := range map[string]string{
		"":                                      "no line about the machine",
		`{"kind":"run","case":"large"}`:         "no line about the machine",
		machine + `{"kind":"walk"}`:             `line 2: a line of kind "walk"`,
		machine + "\n" + `{"kind":"run"`:        "line 3: ",
		machine + `{"kind":"run","round":"one"`: "line 2: ",
		machine + `{"kind":"run","round":"1"}`:  "line 2: ",
	} {
		if _, _, err := readLines(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestThePageEscapesNamesAndNeedsNothingElse(t *testing.T) {
	evil := `<script src="http://x">&'`
	f := facts{
		Kind: kindMachine, CPU: evil, Missing: []string{evil},
		Rivals: []rivalFacts{{Name: ours, Own: true}, {Name: evil, Version: evil}},
	}
	failed := result{Kind: kindRun, Case: evil, Rival: "broken", Error: evil}
	var out bytes.Buffer
	if err := render(&out, f, []result{ran(evil, mark, 1, 2), ran(evil, ours, 1, 1), ran(evil, evil, 1, 4), failed}); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for _, never := range []string{"<script", ` src="`, "url(", "<link", "@import", "ZgotmplZ"} {
		if strings.Contains(text, never) {
			t.Errorf("the page has %q", never)
		}
	}
	if n := strings.Count(text, "&lt;script"); n < 8 {
		t.Errorf("the names are shown escaped %d times only", n)
	}
	if n := strings.Count(text, `<rect class="bar"`); n != 3 {
		t.Errorf("%d bars for three rivals with numbers", n)
	}
	// 4 s is the longest, so that 1 s is a quarter, and only ours is marked.
	if n := strings.Count(text, `<g class="own">`); n != 1 || !strings.Contains(text, `width="130" height="18"`) {
		t.Errorf("%d bars of ours; its length is not 130:\n%s", n, text)
	}
}
