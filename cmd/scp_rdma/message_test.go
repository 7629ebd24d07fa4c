package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"scp_rdma/engine"
	"scp_rdma/localfs"
)

func TestErrorsTakeALineEach(t *testing.T) {
	sentinel := errors.New("unavailable")
	tests := map[string]struct {
		err  error
		want []string
	}{
		"one":                        {errors.New("a"), []string{"a"}},
		"joined on top":              {errors.Join(errors.New("a"), errors.New("b")), []string{"a", "b"}},
		"joined inside":              {fmt.Errorf("op: %w", errors.Join(errors.New("a"), errors.New("b"))), []string{"op: a; b"}},
		"a sentinel that was said":   {fmt.Errorf("op: %w", errors.Join(fmt.Errorf("x: %w", sentinel), sentinel)), []string{"op: x: unavailable"}},
		"a sentinel on top":          {errors.Join(fmt.Errorf("x: %w", sentinel), sentinel), []string{"x: unavailable"}},
		"deep":                       {fmt.Errorf("a: %w", fmt.Errorf("b: %w", errors.Join(errors.New("c"), errors.Join(errors.New("d"), errors.New("e"))))), []string{"a: b: c; d; e"}},
		"the newline of a file name": {&os.PathError{Op: "open", Path: "x\ny", Err: os.ErrNotExist}, []string{`open x\ny: file does not exist`}},
		"both": {errors.Join(&os.PathError{Op: "open", Path: "x\ny", Err: os.ErrNotExist}, errors.New("b")),
			[]string{`open x\ny: file does not exist`, "b"}},
	}
	for name, tt := range tests {
		if diff := cmp.Diff(tt.want, errorLines(tt.err)); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

// FuzzQuote: what was quoted can be shown in one line, and nothing gets lost in silence.
func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "plain", "\n", "\xff\xfe", "\u202e", "\ufffd", "é\x1b[2J", "\u2028", "a\u0301"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		q := quote(s)
		if !utf8.ValidString(q) {
			t.Errorf("%q: %q is not UTF-8", s, q)
		}
		for _, r := range q {
			if !strconv.IsPrint(r) {
				t.Errorf("%q: %q has %U", s, q, r)
			}
		}
		if quote(q) != q {
			t.Errorf("%q: quoted twice it is %q", s, quote(q))
		}
		if len(q) < len(s) {
			t.Errorf("%q: %q is shorter", s, q)
		}
	})
}

func TestProblemsAreCountedByKind(t *testing.T) {
	var stderr bytes.Buffer
	con := newConsole(env{stdout: &bytes.Buffer{}, stderr: &stderr, getenv: noEnv}, &options{})
	for i := range maxShown + 50 {
		con.Problem(engine.Problem{Path: fmt.Sprint("p", i), Err: &os.PathError{Op: "open", Path: "x", Err: os.ErrPermission}})
	}
	con.Problem(engine.Problem{Path: "c", Err: fmt.Errorf("read: %w: size", localfs.ErrChanged)})
	con.Problem(engine.Problem{Path: "fifo", Err: fmt.Errorf("%w: fifo", localfs.ErrSpecial)})
	lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
	if len(lines) != maxShown+3 || lines[0] != "scp_rdma: p0: open x: permission denied" ||
		!strings.Contains(lines[maxShown], "more than 100 times: permission denied") {
		t.Errorf("%d lines, the first %q, then %q", len(lines), lines[0], lines[maxShown:])
	}
	if got, want := con.problems.String(), "150 permission denied, 1 changed while being read"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := skippedWords(con.skipped); got != "1 fifo" {
		t.Errorf("skipped %q", got)
	}
}

// A peer that invents a reason for each file fills neither memory nor screen.
func TestKindsAreBounded(t *testing.T) {
	var stderr bytes.Buffer
	con := newConsole(env{stdout: &bytes.Buffer{}, stderr: &stderr, getenv: noEnv}, &options{})
	for i := range 100_000 {
		con.Problem(engine.Problem{Path: "p", Err: fmt.Errorf("reason %d", i), Remote: true})
	}
	if len(con.problems) != maxKinds+1 || con.problems.total() != 100_000 {
		t.Errorf("%d kinds, %d problems", len(con.problems), con.problems.total())
	}
	if n := strings.Count(stderr.String(), "\n"); n != maxKinds+maxShown+1 {
		t.Errorf("%d lines", n)
	}
}

func TestSizesAreReadable(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 1<<20 - 1: "1.0 MiB", 1 << 30: "1.0 GiB",
		5 << 40: "5.0 TiB", 1<<64 - 1: "16384.0 PiB",
	} {
		if got := size(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

// README.md repeats the table for those who have not installed anything yet.
func TestTheReadmeHasTheTableOfExitCodes(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\| (\d+) \| (.*?) \|$`).FindAllStringSubmatch(string(text), -1) {
		got[m[1]] = m[2]
	}
	want := map[string]string{}
	for _, c := range exitCodes() {
		want[strconv.Itoa(c.code)] = c.meaning
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the program (-) and README.md (+) differ:\n%s", diff)
	}
}

// Every flag is on the page, with a word on it.
func TestHelpHasEveryFlag(t *testing.T) {
	page := help()
	for _, g := range (&options{}).groups() {
		if !strings.Contains(page, g.title+":\n") || !strings.Contains(page, strings.TrimSpace(g.flags.FlagUsagesWrapped(helpWidth))) {
			t.Errorf("%s are not all there", g.title)
		}
	}
	for line := range strings.Lines(page) {
		if len(line) > 90 || strings.ContainsAny(line, "\t") || strings.Contains(line, "%!") {
			t.Errorf("a line of %d bytes: %q", len(line), line)
		}
	}
}
