package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// limit says how long one of them, scp_rdma if nobody says which, may take in a case, as a
// multiple of another.
type limit struct {
	workload, who, rival string
	ratio                float64
}

// parseLimit reads CASE/RIVAL:RATIO or CASE/WHO/RIVAL:RATIO.
func parseLimit(text string) (limit, error) {
	names, number, ok := strings.Cut(text, ":")
	ratio, err := strconv.ParseFloat(number, 64)
	parts := strings.Split(names, "/")
	if len(parts) == 2 {
		parts = slices.Insert(parts, 1, ours)
	}
	if !ok || len(parts) != 3 || slices.Contains(parts, "") || err != nil || !(ratio > 0) {
		return limit{}, fmt.Errorf("--must %s: want CASE/RIVAL:RATIO, such as large/cp:0.9, or CASE/WHO/RIVAL:RATIO", text)
	}
	return limit{parts[0], parts[1], parts[2], ratio}, nil
}

// name is the limit without its number.
func (l limit) name() string {
	if l.who == ours {
		return l.workload + "/" + l.rival
	}
	return l.workload + "/" + l.who + "/" + l.rival
}

// checkLimits names all limits that were missed; one that has nothing to be
// measured by is missed too.
func checkLimits(limits []limit, all []summary) error {
	var errs []error
	for _, l := range limits {
		own, ok := find(all, l.workload, l.who)
		other, ok2 := find(all, l.workload, l.rival)
		switch {
		case !ok || !ok2 || own.Runs == 0 || other.Runs == 0:
			errs = append(errs, fmt.Errorf("must %s: not measured", l.name()))
		case own.Median > l.ratio*other.Median:
			errs = append(errs, fmt.Errorf("must %s: %.2f times as long, more than %.2f",
				l.name(), own.Median/other.Median, l.ratio))
		}
	}
	return errors.Join(errs...)
}
