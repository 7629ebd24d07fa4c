package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"scp_rdma/engine"
	"scp_rdma/transport"
)

// simulate is the command with arguments.
func simulate(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := command(&out)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

// The tables of the page are what the simulation says now. UPDATE_GOLDEN=1 writes them
// anew; what the page says around them is to be read again then.
func TestThePageHasTheTables(t *testing.T) {
	const file = "../../docs/planning.md"
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text, err := page()
	if err != nil {
		t.Fatal(err)
	}
	want := string(old)
	tables := regexp.MustCompile(`(?s)<!-- simulate: (\w+) -->\n.*?<!-- end of (\w+) -->\n`)
	made := map[string]string{}
	for _, m := range tables.FindAllStringSubmatch(text, -1) {
		made[m[1]] = m[0]
	}
	seen := map[string]bool{}
	want = tables.ReplaceAllStringFunc(want, func(have string) string {
		name := tables.FindStringSubmatch(have)[1]
		seen[name] = true
		return made[name]
	})
	if len(made) < 6 || len(seen) != len(made) {
		t.Fatalf("%d tables, the page has room for %v", len(made), seen)
	}
	if want == string(old) {
		return
	}
	if os.Getenv("UPDATE_GOLDEN") == "" {
		t.Fatal("docs/planning.md is not what the simulation says: UPDATE_GOLDEN=1 go test ./bench/simulate")
	}
	if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// What the page and its tables take for granted of the engine.
func TestThePageKnowsTheDefaults(t *testing.T) {
	path, err := os.ReadFile("../../engine/path.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"maxStreams = 8", "maxSlots = 8", "nearSlots = 4", "fewSlots = 4", "workRate = 1.5e9", "fineSlot = 256 << 10"} {
		if !regexp.MustCompile(`(?m)^\s*` + strings.ReplaceAll(line, " ", `\s*`) + `$`).Match(path) {
			t.Errorf("engine/path.go has no %q: look through page.go and docs/planning.md", line)
		}
	}
	if engine.DefaultMemory != 64<<20 || engine.MaxStreams != 64 || engine.DefaultSlotSize != mib ||
		engine.DefaultSessionMemory != 128<<20 || engine.DefaultSessions != 64 {
		t.Error("the defaults are others now: look through page.go and docs/planning.md")
	}
	if transport.HeadRoom != headRoom {
		t.Error("slots have other heads now: look through page.go and docs/planning.md")
	}
	receiver, err := os.ReadFile("../../engine/receiver_files.go")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(receiver), "f.writing.Lock()") {
		t.Error("a file has more than one writer now: look through page.go and docs/planning.md")
	}
}

func TestOneRunTellsWhatHoldsItBack(t *testing.T) {
	line := strings.Fields("--rate 400G --delay 5us --rails 2 --streams 8 --slots 4 --slot-size 1M --files 0 --write 0 --bytes 1G")
	out, err := simulate(t, line...)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"of the wire", "held back by: sender's workers", "blocked on credits", "8 streams of 4 slots take 32.5MB at each end"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	if again, err := simulate(t, line...); err != nil || again != out {
		t.Errorf("not the same again: %v\n%s", err, again)
	}
}

func TestASweepHasALineForEachValue(t *testing.T) {
	out, err := simulate(t, "--rate", "100G", "--delay", "1ms", "--streams", "1", "--bytes", "256M", "--sweep", "slots=1,2,4")
	if err != nil || strings.Count(out, "\n") != 4 {
		t.Errorf("%v:\n%s", err, out)
	}
	for _, args := range [][]string{
		{"--sweep", "slots"}, {"--sweep", "nothing=1"}, {"--sweep", "sweep=x"}, {"--sweep", "slots=1,x"}, {"--sweep", "slots=0"},
		{"--rate", "1X"}, {"--rate", "-1"}, {"--rate", "1KM"}, {"--slots", "0"}, {"extra"},
	} {
		if _, err := simulate(t, args...); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}

func TestQuantities(t *testing.T) {
	var v float64
	for text, want := range map[string]float64{"400G": 50e9, "8": 1, "1.6T": 200e9} {
		if err := bitsVar(&v).Set(text); err != nil || v != want {
			t.Errorf("%s: %v bytes a second, %v", text, v, err)
		}
		if got := bitsVar(&v).String(); got != text {
			t.Errorf("%s comes back as %s", text, got)
		}
	}
	if err := sizeVar(&v).Set("1M"); err != nil || v != mib {
		t.Errorf("1M: %v, %v", v, err)
	}
}
