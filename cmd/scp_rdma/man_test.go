package main

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
	"unicode"
)

// typeset is what man(1) makes of a page. It must have nothing to complain of.
func typeset(t *testing.T, page string) string {
	t.Helper()
	cmd := exec.Command("man", "--warnings", "--no-hyphenation", "--no-justification", "-E", "UTF-8", "-l", "-")
	cmd.Env = append(cmd.Environ(), "LC_ALL=C.UTF-8", "MANWIDTH=78", "MAN_KEEP_FORMATTING=", "MANPAGER=cat", "GROFF_NO_SGR=")
	cmd.Stdin = strings.NewReader(page)
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil || complaints.Len() > 0 {
		t.Fatalf("%v: %s", err, complaints.String())
	}
	return out.String()
}

// bag counts the words of a text.
func bag(text string) map[string]int {
	words := map[string]int{}
	for w := range strings.FieldsSeq(strings.ToLower(text)) {
		words[strings.TrimFunc(w, unicode.IsPunct)]++
	}
	return words
}

func TestTheManualSaysWhatHelpSays(t *testing.T) {
	page := typeset(t, manual())
	there := bag(page)
	for w, n := range bag(help()) {
		if w != "usage" && there[w] < n {
			t.Errorf("%q stands %d times in the manual, %d in --help", w, there[w], n)
		}
	}
	for _, want := range []string{"\nSYNOPSIS\n", "\nKEYS\n", "\nFLAGS FOR SERVERS\n", "\nEXIT CODES\n", "\n       scp_rdma -s [-o DIR]", "\n       -j, --streams N\n"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in:\n%s", want, page)
		}
	}
}

func TestTextIsNoRequest(t *testing.T) {
	for text, want := range map[string]string{".TH x": `\&.TH x`, `a\b`: `a\eb`, "'quoted'": `\(aqquoted\(aq`, "--flag": `\-\-flag`} {
		if got := roff(text); got != want {
			t.Errorf("%s becomes %s, want %s", text, got, want)
		}
	}
}
