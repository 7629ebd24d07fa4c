package sums

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zeebo/xxh3"
)

const (
	hex16 = "99aa06d3014798d86001c324468d497f"
	hex32 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		hex16 + "  a":                       "a",
		hex32 + " *a b":                     "a b",
		hex16 + "  a\r":                     "a",
		hex16 + "   a":                      " a",
		hex16 + "  a\\n":                    `a\n`,
		`\` + hex16 + `  a\n\\`:             "a\n\\",
		`\` + hex16 + `  \r`:                "\r",
		"SHA256 (a) = " + hex32:             "a",
		"XXH128 (a) = x) = " + hex16:        "a) = x",
		`\SHA256 (a\n) = ` + hex32:          "a\n",
		strings.ToUpper(hex16) + "  ../a/b": "../a/b",
	} {
		l, ok, err := Parse(text)
		if err != nil || !ok || l.Name != want {
			t.Errorf("%q: %+v, %v, %v", text, l, ok, err)
		}
	}
	for _, text := range []string{"", "#", "# " + hex16 + "  a"} {
		if _, ok, err := Parse(text); ok || err != nil {
			t.Errorf("%q: %v, %v", text, ok, err)
		}
	}
	for _, text := range []string{
		"a", hex16, hex16 + " ", hex16 + " a", hex16 + "  ", hex16[1:] + "  a", hex16 + "00  a", "MD5 (a) = " + hex16, "SHA256 (a) = " + hex16,
		`\` + hex16 + `  a\`, `\` + hex16 + `  \x`, hex16 + "  a\x00", "x" + hex16[1:] + "  a",
	} {
		if _, ok, err := Parse(text); ok || !errors.Is(err, ErrLine) {
			t.Errorf("%q: %v, %v", text, ok, err)
		}
	}
}

func TestReader(t *testing.T) {
	r := NewReader(strings.NewReader("# list\n\nnonsense\n" + hex16 + "  a\n" + hex32 + "  b"))
	if _, err := r.Next(); !errors.Is(err, ErrLine) || r.Number() != 3 {
		t.Errorf("line %d: %v", r.Number(), err)
	}
	for _, want := range []string{"a", "b"} {
		if l, err := r.Next(); err != nil || l.Name != want {
			t.Errorf("%+v, %v", l, err)
		}
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
	r = NewReader(strings.NewReader(strings.Repeat("a", MaxLine+1)))
	if _, err := r.Next(); !errors.Is(err, ErrLong) {
		t.Errorf("a long line: %v", err)
	}
}

// What is written here is what the tools take, whatever the names are; and back.
func TestTheToolsAgree(t *testing.T) {
	dir := t.TempDir()
	text := []byte("some text")
	sha := sha256.Sum256(text)
	xxh := xxh3.Hash128(text).Bytes()
	plain := []string{"a", "a b", "-x", "ünï", "\xff", "*a", "a (b) = c", "\ttab", "'"}
	escaped := []string{`back\slash`, "new\nline", "cr\rcr", "ends\r", "\n"}
	var withSHA, withXXH bytes.Buffer
	withSHA.WriteString("# of a test\n")
	for i, name := range append(plain, escaped...) {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
		withSHA.WriteString(Format(sha[:], name))
		if i < len(plain) { // xxh128sum of Debian 12 knows no escapes
			withXXH.WriteString(Format(xxh[:], name))
		}
	}
	for tool, list := range map[string]*bytes.Buffer{"sha256sum": &withSHA, "xxh128sum": &withXXH} {
		cmd := exec.Command(tool, "--check", "--strict", "-")
		if tool == "xxh128sum" {
			if err := os.WriteFile(filepath.Join(dir, ".list"), list.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd = exec.Command(tool, "--check", "--strict", ".list")
		}
		cmd.Dir, cmd.Stdin = dir, list
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", tool, err, out)
		}
		for _, args := range [][]string{nil, {"--tag"}} {
			cmd := exec.Command(tool, append(append(args, "--"), plain...)...)
			cmd.Dir = dir
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			r := NewReader(bytes.NewReader(out))
			for _, want := range plain {
				l, err := r.Next()
				if err != nil || l.Name != want || !bytes.Equal(l.Digest, sha[:]) && !bytes.Equal(l.Digest, xxh[:]) {
					t.Errorf("%s %v: %+v, %v, want %q", tool, args, l, err, want)
				}
			}
		}
	}
	cmd := exec.Command("sha256sum", append([]string{"--"}, escaped...)...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	r := NewReader(bytes.NewReader(out))
	for _, want := range escaped {
		if l, err := r.Next(); err != nil || l.Name != want {
			t.Errorf("%+v, %v, want %q", l, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(hex16 + "  a")
	f.Add(`\` + hex32 + ` *a\n\\`)
	f.Add("XXH128 (a) = " + hex16)
	f.Fuzz(func(t *testing.T, text string) {
		l, ok, err := Parse(text)
		if err != nil || !ok {
			return
		}
		again, ok, err := Parse(strings.TrimSuffix(Format(l.Digest, l.Name), "\n"))
		if err != nil || !ok || again.Name != l.Name || !bytes.Equal(again.Digest, l.Digest) {
			t.Errorf("%q: %+v comes back as %+v, %v", text, l, again, err)
		}
	})
}
