package arch

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// anything is the layer of those who may know all packages of ours.
const anything = "*"

// layers says what each folder may import of ours. The longest folder that
// holds a file counts. Tests may import more: they put the parts together.
func layers() map[string][]string {
	return map[string][]string{
		"planner":                 {},
		"wire":                    {},
		"localfs":                 {},
		"transport":               {},
		"transport/mem":           {"transport", "wire"},
		"transport/internal":      {"transport", "wire"}, // what several plug-ins share
		"transport/shm":           {"transport", "wire", "transport/internal/socket"},
		"transport/tcp":           {"transport", "wire", "transport/internal/socket"},
		"transport/verbs":         {"transport", "wire", "transport/verbs"},
		"transport/transporttest": {"transport", "wire"},
		"keys":                    {},
		"state":                   {"keys"},
		"control":                 {"wire", "keys"},
		"engine":                  {"transport", "control", "keys", "wire", "planner", "localfs", "filter"},
		"filter":                  {},
		"modes":                   {},
		"sums":                    {},
		"sweep":                   {"engine"},
		"metrics":                 {"engine", "control"},
		"overssh":                 {},
		"confine":                 {},
		"topology":                {},
		"config":                  {},
		"internal/tree":           {"internal/tree"},
		"internal/testkit":        {},
		"internal/arch":           {},
		"cmd":                     {anything},
		"bench":                   {anything},
		"test":                    {anything},
	}
}

// homes says where a package of others may be imported, beside tests. A folder
// includes those below it; a file is itself.
func homes() map[string][]string {
	return map[string][]string{
		"C":                                           {"transport/verbs/internal/ibv"},
		"unsafe":                                      {"transport/verbs/internal/ibv", "localfs/futimens_linux.go", "localfs/fd_darwin.go"}, // what x/sys has no call for
		"runtime/cgo":                                 {"transport/verbs/internal/ibv"},
		"encoding/binary":                             {"wire"},
		"github.com/fxamacker/cbor/v2":                {"wire"},
		"github.com/cheggaaa/pb/v3":                   {"cmd"},
		"github.com/spf13/cobra":                      {"cmd", "bench/sidebyside", "bench/growth", "bench/simulate"}, // commands beside what they measure with
		"github.com/panjf2000/ants/v2":                {"engine"},
		"github.com/hashicorp/yamux":                  {"overssh"},
		"github.com/landlock-lsm/go-landlock":         {"confine"},
		"github.com/coreos/go-systemd/v22/daemon":     {"cmd"},
		"github.com/coreos/go-systemd/v22/activation": {"cmd"},
		"go.yaml.in/yaml/v3":                          {"config"},
		"net/http":                                    {"metrics"},

		"github.com/prometheus/client_golang/prometheus":            {"metrics"},
		"github.com/prometheus/client_golang/prometheus/promhttp":   {"metrics"},
		"github.com/prometheus/client_golang/prometheus/collectors": {"metrics"},
	}
}

// layerOf finds the folder of layers that holds dir.
func layerOf(dir string) (string, []string, bool) {
	best, found := "", false
	for l := range layers() {
		if under(dir, l) && len(l) > len(best) {
			best, found = l, true
		}
	}
	return best, layers()[best], found
}

// layerFault says what is wrong with an import, "" if nothing.
func layerFault(s source, imported string) string {
	ours, ok := strings.CutPrefix(imported, module+"/")
	if !ok {
		return homeFault(s, imported)
	}
	if s.test {
		return ""
	}
	layer, allowed, ok := layerOf(s.dir)
	switch {
	case !ok:
		return "the folder has no layer: give it one in internal/arch"
	case slices.Contains(allowed, anything), slices.Contains(allowed, ours):
		return ""
	}
	for _, a := range allowed {
		if a == layer && under(ours, a) {
			return ""
		}
	}
	return fmt.Sprintf("%s imports %s; of ours it may import only %v", layer, ours, allowed)
}

// homeFault says what is wrong with an import of others, "" if nothing.
func homeFault(s source, imported string) string {
	if s.dir == "planner" && !s.test {
		for _, impure := range []string{"os", "net", "time", "context", "sync", "syscall", "runtime", "golang.org/x/sys"} {
			if under(imported, impure) {
				return "planner is pure: no " + imported
			}
		}
	}
	where, ok := homes()[imported]
	if !ok || s.test && imported != "C" {
		return ""
	}
	for _, home := range where {
		if under(s.dir, home) || s.path == home {
			return ""
		}
	}
	return fmt.Sprintf("%s is imported outside its home %v", imported, where)
}

func TestEveryImportKeepsToItsLayer(t *testing.T) {
	for _, s := range load(t) {
		for _, imported := range s.imports() {
			if fault := layerFault(s, imported); fault != "" {
				t.Errorf("%s: %s", s.path, fault)
			}
		}
	}
}

func TestTheLayerRulesFindFaults(t *testing.T) {
	for name, c := range map[string]struct {
		path, imported string
		fault          bool
	}{
		"the planner may not sleep":                 {"planner/a.go", "time", true},
		"the planner's tests may":                   {"planner/a_test.go", "time", false},
		"the planner may not count atomically":      {"planner/a.go", "sync/atomic", true},
		"the engine knows no transport":             {"engine/a.go", "scp_rdma/transport/tcp", true},
		"the engine's tests know transports":        {"engine/a_test.go", "scp_rdma/transport/mem", false},
		"the engine knows the seam":                 {"engine/a.go", "scp_rdma/transport", false},
		"the seam imports nothing of ours":          {"transport/a.go", "scp_rdma/wire", true},
		"a plug-in may use wire":                    {"transport/tcp/a.go", "scp_rdma/wire", false},
		"a plug-in may not use another":             {"transport/tcp/a.go", "scp_rdma/transport/mem", true},
		"a plug-in may have packages of its own":    {"transport/verbs/a.go", "scp_rdma/transport/verbs/internal/ibv", false},
		"the engine draws no bars":                  {"engine/a.go", "github.com/cheggaaa/pb/v3", true},
		"the command draws bars":                    {"cmd/scp_rdma/a.go", "github.com/cheggaaa/pb/v3", false},
		"layouts are in wire only":                  {"localfs/a.go", "encoding/binary", true},
		"unsafe has one home":                       {"transport/tcp/a.go", "unsafe", true},
		"one file has it too":                       {"localfs/futimens_linux.go", "unsafe", false},
		"and none beside it":                        {"localfs/sys.go", "unsafe", true},
		"unsafe is at home there":                   {"transport/verbs/internal/ibv/a.go", "unsafe", false},
		"cgo is not for tests either":               {"wire/a_test.go", "C", true},
		"the state needs keys":                      {"state/a.go", "scp_rdma/keys", false},
		"the state knows no files":                  {"state/a.go", "scp_rdma/localfs", true},
		"the engine knows no Prometheus":            {"engine/a.go", "github.com/prometheus/client_golang/prometheus", true},
		"what is shown comes from the engine":       {"metrics/a.go", "scp_rdma/engine", false},
		"and from no file system":                   {"metrics/a.go", "scp_rdma/localfs", true},
		"nothing else speaks HTTP":                  {"cmd/scp_rdma/a.go", "net/http", true},
		"a folder without a layer is not forgotten": {"other/a.go", "scp_rdma/wire", true},
	} {
		t.Run(name, func(t *testing.T) {
			s := parseText(t, c.path, "package p\n")
			if got := layerFault(s, c.imported); (got != "") != c.fault {
				t.Errorf("%s importing %s: fault %q", c.path, c.imported, got)
			}
		})
	}
}

// The engine runs on any transport, so it has no word for one of them.
func TestTheEngineNamesNoTransport(t *testing.T) {
	words := regexp.MustCompile(`(?i)tcp|verbs|rdma`)
	for _, s := range load(t) {
		if s.test || !under(s.dir, "engine") {
			continue
		}
		for i, line := range strings.Split(s.text, "\n") {
			if w := words.FindString(strings.ReplaceAll(line, module, "")); w != "" {
				t.Errorf("%s:%d: the engine says %q", s.path, i+1, w)
			}
		}
	}
}

// A transport that is offered to users, or lies in the tree, has passed the
// suite that says what a transport promises.
func TestEveryTransportRunsTheConformanceSuite(t *testing.T) {
	suite := map[string]bool{}
	offered := map[string]string{}
	for _, s := range load(t) {
		if s.test && strings.Contains(s.text, "transporttest.Run(") {
			suite[s.dir] = true
		}
		for _, imported := range s.imports() {
			dir := strings.TrimPrefix(imported, module+"/")
			if strings.HasPrefix(dir, "transport/") && under(s.dir, "cmd") && !s.test {
				offered[dir] = s.path
			}
		}
	}
	entries, err := os.ReadDir(root + "/transport")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() && e.Name() != "transporttest" && e.Name() != "internal" {
			offered["transport/"+e.Name()] = "the tree"
		}
	}
	for dir, by := range offered {
		if !suite[dir] {
			t.Errorf("%s (known from %s) has no test that calls transporttest.Run", dir, by)
		}
	}
}
