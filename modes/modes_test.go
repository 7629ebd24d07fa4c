package modes

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestChanges(t *testing.T) {
	for _, tt := range []struct {
		text       string
		from       uint32
		file, dir  uint32
		noticeable string
	}{
		{"644", 0o7755, 0o644, 0o644, "a number is the mode"},
		{"D755,F644", 0o777, 0o644, 0o755, "each has its own"},
		{"go-w", 0o666, 0o644, 0o644, ""},
		{"u=rwX,go=rX", 0o600, 0o644, 0o755, "X is for directories"},
		{"u=rwX,go=rX", 0o700, 0o755, 0o755, "and for what has an x"},
		{"-x,+X", 0o700, 0o711, 0o711, "had one, that is"},
		{"g=u", 0o604, 0o664, 0o664, "a class like another"},
		{"o=,g=o", 0o754, 0o700, 0o700, "one after the other"},
		{"+w", 0o444, 0o644, 0o644, "the umask takes some away"},
		{"a+w", 0o444, 0o666, 0o666, "not where classes are named"},
		{"Dg+s,Du+s,F+t", 0o755, 0o1755, 0o6755, ""},
	} {
		c, err := Parse(tt.text, 0o022)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if got := c.Apply(tt.from, false); got != tt.file {
			t.Errorf("%s of %o: %o, want %o (%s)", tt.text, tt.from, got, tt.file, tt.noticeable)
		}
		if got := c.Apply(tt.from, true); got != tt.dir {
			t.Errorf("%s of directory %o: %o, want %o (%s)", tt.text, tt.from, got, tt.dir, tt.noticeable)
		}
	}
	for _, text := range []string{"", "u", "8", "755,", ",755", "u755", "17777", "DFu+x", "u+r+w", "g=uw", "g=uo", "+é", "7+5"} {
		if _, err := Parse(text, 0); !errors.Is(err, ErrModes) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if got := (Changes{}).Apply(0o100644, false); got != 0o100644 {
		t.Errorf("nothing changes %o", got)
	}
}

// randomText is a list that has a good chance to mean something.
func randomText(rng *rand.Rand) string {
	pick := func(s string, n int) (out string) {
		for range n {
			out += string(s[rng.IntN(len(s))])
		}
		return out
	}
	var items []string
	for range 1 + rng.IntN(3) {
		item := pick("DF", rng.IntN(2))
		switch rng.IntN(6) {
		case 0:
			item += fmt.Sprintf("%o", rng.IntN(0o10100))
		case 1:
			item += pick("ugoa", rng.IntN(3)) + pick("+-=", 1) + pick("ugo", 1+rng.IntN(2))
		default:
			item += pick("ugoa", rng.IntN(3)) + pick("+-=", 1) + pick("rwxXst", rng.IntN(4))
		}
		items = append(items, item)
	}
	if rng.IntN(20) == 0 { // anything
		items = append(items, pick("DFugoa+-=rwxXst01789,", rng.IntN(6)))
	}
	return strings.Join(items, ",")
}

// modesOf are those of files and directories that a test makes.
func modesOf(rng *rand.Rand) (list []uint32) {
	for range 6 {
		list = append(list, uint32(rng.IntN(0o10000)))
	}
	return append(list, 0o600, 0o644, 0o755, 0)
}

// Whatever the modes are, what comes of them is what rsync makes of them. As a user other than
// root rsync could not read what it shall copy: modes are those of what can be read then.
func TestRsyncMakesTheSameOfThem(t *testing.T) {
	dir := t.TempDir()
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	umask := uint32(unix.Umask(0))
	unix.Umask(int(umask))
	list := modesOf(rng)
	if os.Geteuid() != 0 {
		for i := range list {
			list[i] = list[i]&0o777 | 0o700
		}
	}
	src := filepath.Join(dir, "src")
	if err := os.Mkdir(src, 0o755); err != nil {
		t.Fatal(err)
	}
	for i, m := range list {
		name := filepath.Join(src, fmt.Sprintf("f%d", i))
		must(t, os.WriteFile(name, nil, 0o600))
		must(t, unix.Chmod(name, m))
		name = filepath.Join(src, fmt.Sprintf("d%d", i))
		must(t, os.Mkdir(name, 0o700))
		must(t, unix.Chmod(name, m))
	}
	for range 200 {
		compare(t, dir, randomText(rng), list, umask)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// compare looks at one list. Modes are read from rsync's own listing of what it would send:
// writing each would take longer and tell no more.
func compare(t *testing.T, dir, text string, list []uint32, umask uint32) {
	t.Helper()
	c, err := Parse(text, umask)
	out, theirs := exec.Command("rsync", "-rp", "--list-only", "--chmod="+text, dir+"/src/").CombinedOutput()
	if (err == nil) != (theirs == nil) {
		t.Errorf("%q: %v here, rsync says %v: %s", text, err, theirs, out)
	}
	if err != nil || theirs != nil {
		return
	}
	var lines []string
	for line := range strings.Lines(string(out)) {
		if w := strings.Fields(line); len(w) > 2 && w[len(w)-1] != "." {
			lines = append(lines, w[len(w)-1]+" "+w[0])
		}
	}
	var ours []string
	for i, m := range list {
		ours = append(ours, fmt.Sprintf("f%d -%s", i, shown(c.Apply(m, false))), fmt.Sprintf("d%d d%s", i, shown(c.Apply(m, true))))
	}
	slices.Sort(lines)
	slices.Sort(ours)
	if !slices.Equal(lines, ours) {
		t.Errorf("%q of %o:\n%v\nrsync:\n%v", text, list, ours, lines)
	}
}

// shown is a mode as ls(1) shows it.
func shown(m uint32) string {
	b := []byte("rwxrwxrwx")
	for i := range b {
		if m>>(8-i)&1 == 0 {
			b[i] = '-'
		}
	}
	for i, s := range []struct {
		bit         uint32
		with, alone byte
	}{{0o4000, 's', 'S'}, {0o2000, 's', 'S'}, {0o1000, 't', 'T'}} {
		at := &b[i*3+2]
		switch {
		case m&s.bit != 0 && *at == 'x':
			*at = s.with
		case m&s.bit != 0:
			*at = s.alone
		}
	}
	return string(b)
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"D755,F644", "u=rwX,go=rX", "g=u,o-g", "+t", "7777", ""} {
		f.Add(s, uint32(0o644), true)
	}
	f.Fuzz(func(t *testing.T, text string, mode uint32, dir bool) {
		c, err := Parse(text, 0o022)
		if err != nil {
			return
		}
		if got := c.Apply(mode, dir); got&^all != mode&^all {
			t.Errorf("%q of %o: %o", text, mode, got)
		}
	})
}
