package topology

import (
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// maxCPU is more than Linux can have (NR_CPUS is at most 8192).
const maxCPU = 1 << 14

// Nodes are the NUMA nodes that have cores, sorted. A host that knows of none has no node.
func (h Host) Nodes() []int {
	entries, err := fs.ReadDir(h.sys, "devices/system/node")
	if err != nil {
		return nil
	}
	var all []int
	for _, e := range entries {
		digits, ok := strings.CutPrefix(e.Name(), "node")
		n, err := strconv.Atoi(digits)
		if !ok || err != nil {
			continue
		}
		if cpus, err := h.CPUs(n); err == nil && len(cpus) > 0 {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all
}

// CPUs are the cores of a NUMA node, sorted; none, of one that is memory only.
func (h Host) CPUs(node int) ([]int, error) {
	name := fmt.Sprintf("devices/system/node/node%d/cpulist", node)
	b, err := fs.ReadFile(h.sys, name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, ErrUnknown)
	}
	list, ok := parseList(strings.TrimSpace(string(b)))
	if !ok {
		return nil, fmt.Errorf("%s says %q: %w", name, b, ErrUnknown)
	}
	return list, nil
}

// parseList reads "0-3,8,10-11" (Documentation/admin-guide/cputopology.rst).
func parseList(text string) (list []int, ok bool) {
	if text == "" {
		return nil, true
	}
	for part := range strings.SplitSeq(text, ",") {
		from, to, isRange := strings.Cut(part, "-")
		a, err := strconv.Atoi(from)
		b := a
		if isRange && err == nil {
			b, err = strconv.Atoi(to)
		}
		if err != nil || a < 0 || b < a || b >= maxCPU {
			return nil, false
		}
		for n := a; n <= b; n++ {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return slices.Compact(list), true
}
