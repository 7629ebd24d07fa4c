package arch

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The page that people look messages up in quotes those that there are.
func TestTroubleshootingQuotesWhatIsSaid(t *testing.T) {
	page, err := os.ReadFile("../../docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for _, s := range load(t) {
		if !s.test {
			code.WriteString(s.text)
		}
	}
	all := code.String()
	rows := 0
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1) {
			rows++
			if !strings.Contains(all, m[1]) {
				t.Errorf("nothing says %q", m[1])
			}
		}
	}
	if rows < 20 {
		t.Errorf("%d messages are quoted", rows)
	}
}
