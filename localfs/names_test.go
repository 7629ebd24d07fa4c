package localfs

import (
	"strings"
	"testing"
)

// TestCheckName holds what every way into a directory relies on.
func TestCheckName(t *testing.T) {
	for _, name := range []string{"a", "...", "..a", ".a", "-", "~", "\n", "\xff", strings.Repeat("n", 255)} {
		if err := checkName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", ".", "..", "/", "/a", "a/", "a/b", "../a", "\x00", "a\x00", strings.Repeat("n", 256)} {
		if checkName(name) == nil {
			t.Errorf("%q is taken for a name", name)
		}
	}
}
