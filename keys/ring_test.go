package keys

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAListOfKeys(t *testing.T) {
	a, b, c := New(), New(), New()
	text := "# people\n\nalice  " + a.Text() + "\r\n" +
		"\tbob " + b.Text() + "\tdir=teams/b rights=write,owner,xattr-all\n" +
		"carol " + c.Text() + ` rights=read dir="a b\tc"`
	file := filepath.Join(t.TempDir(), "authorized")
	must(t, os.WriteFile(file, []byte(text), 0o600))
	r, err := LoadRing(file)
	must(t, err)
	want := map[ID]Holder{
		a.ID(): {Name: "alice", Key: a, Rights: RightsOpen},
		b.ID(): {Name: "bob", Key: b, Dir: "teams/b", Rights: Write | Owner | Xattr | XattrAll},
		c.ID(): {Name: "carol", Key: c, Dir: "a b\tc", Rights: Read},
	}
	same := cmp.Comparer(func(x, y Key) bool { return x == y })
	if diff := cmp.Diff(want, r.byID, same); diff != "" || r.Len() != 3 {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	if _, ok := r.Lookup(New().ID()); ok {
		t.Error("a stranger is in it")
	}
	must(t, os.Chmod(file, 0o644))
	if _, err := LoadRing(file); !errors.Is(err, ErrUnsafe) {
		t.Errorf("a list that others can read: %v", err)
	}
}

func TestListsThatMakeNoSense(t *testing.T) {
	k := New().Text()
	for name, line := range map[string]string{
		"empty": "", "only comment": "# x", "no key": "alice", "no name": k, "damaged": "alice " + k[:50],
		"twice": "a " + k + "\nb " + k, "escape in name": "a\x1b[2J " + k, "long name": strings.Repeat("a", 65) + " " + k,
		"absolute": "a " + k + " dir=/etc", "up": "a " + k + " dir=a/../../b", "empty dir": "a " + k + " dir=",
		"NUL": "a " + k + ` dir="a\x00b"`, "right": "a " + k + " rights=root", "no right": "a " + k + " rights=",
		"no quota": "a " + k + " quota=", "quota of nothing": "a " + k + " quota=0", "quota less than nothing": "a " + k + " quota=-1",
		"huge quota": "a " + k + " quota=9999999T", "quota in words": "a " + k + " quota=10GB",
		"word": "a " + k + " " + k, "quote": "a " + k + ` dir="a`,
	} {
		_, err := ParseRing(line)
		if !errors.Is(err, ErrList) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if strings.Contains(err.Error(), k[30:60]) || strings.ContainsRune(err.Error(), '\x1b') {
			t.Errorf("%s: it shows what it must not: %q", name, err)
		}
	}
}

func TestTheRightsHaveWords(t *testing.T) {
	if got, want := len(rightsByName()), len(RightWords()); got != want {
		t.Errorf("%d words, %d listed", got, want)
	}
	for _, w := range RightWords() {
		if rightsByName()[w] == 0 {
			t.Errorf("no right for %s", w)
		}
	}
}

func FuzzParseRing(f *testing.F) {
	f.Add("a " + fixed().Text() + ` dir="x y" rights=write`)
	f.Add("# c\n\na\t" + fixed().Text())
	f.Add("a " + fixed().Text() + " quota=10G")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRing(text)
		if err != nil {
			if strings.Contains(err.Error(), "0001020304") {
				t.Errorf("it shows the key: %v", err)
			}
			return
		}
		for id, h := range r.byID {
			if h.Key.ID() != id || h.Dir != "" && !filepath.IsLocal(h.Dir) || !goodName(h.Name) || h.Rights == 0 || h.Quota < 0 {
				t.Errorf("%+v", h)
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add(fixed().Text())
	f.Fuzz(func(t *testing.T, text string) {
		if k, err := Parse(text); err == nil && k.Text() != text {
			t.Errorf("%q is another text of %v", text, k)
		}
	})
}

// What one process bequeaths to the next is the same ring, for all that a list can say.
func TestSecretsAreTheSameRing(t *testing.T) {
	list, err := ParseRing("a " + New().Text() + "\nb " + New().Text() + " dir=\"a b\" rights=write,owner quota=3G\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []*Ring{list, Single("", New())} {
		secrets, err := r.Secrets()
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseSecrets(secrets)
		if err != nil || !maps.Equal(got.byID, r.byID) {
			t.Errorf("%v: %v", got, err)
		}
	}
	if _, err := ParseSecrets([]byte(`[{"Key":"scp_rdma1:no"}]`)); !errors.Is(err, ErrDamaged) {
		t.Errorf("a key that is none: %v", err)
	}
	if _, err := ParseSecrets([]byte("no")); !errors.Is(err, ErrList) {
		t.Errorf("no list: %v", err)
	}
}

func TestWhatHasChangedInAList(t *testing.T) {
	a, b, c := New().Text(), New().Text(), New().Text()
	ring := func(text string) *Ring {
		t.Helper()
		r, err := ParseRing(text)
		must(t, err)
		return r
	}
	was := ring("a " + a + "\nb " + b + " quota=1K\n")
	names := func(list []Holder) (s string) {
		for _, h := range list {
			s += h.Name
		}
		return s
	}
	for text, want := range map[string]string{
		"b " + b + " quota=1K\na " + a: "", "b " + b + " quota=1025\na " + a: "~b", "a " + b + " quota=1024\na " + a: "~a",
		"a " + a: "-b", "c " + c + "\nb " + b + " quota=1K": "+c-a", "z " + c + "\na " + a + " rights=read\nb " + b: "+z~ab",
	} {
		ch := ring(text).Since(was)
		got := ""
		if len(ch.Added) > 0 {
			got += "+" + names(ch.Added)
		}
		if len(ch.Removed) > 0 {
			got += "-" + names(ch.Removed)
		}
		if len(ch.Changed) > 0 {
			got += "~" + names(ch.Changed)
		}
		if got != want || ch.None() != (want == "") {
			t.Errorf("%q: %s, want %s", strings.ReplaceAll(text, a, "A"), got, want)
		}
	}
	if got := names(was.Holders()); got != "ab" {
		t.Error(got)
	}
}
