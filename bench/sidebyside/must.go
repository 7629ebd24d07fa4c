package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// limit says how long scp_rdma may take in a case, as a multiple of a rival.
type limit struct {
	workload, rival string
	ratio           float64
}

// parseLimit reads CASE/RIVAL:RATIO.
func parseLimit(text string) (limit, error) {
	pair, number, ok := strings.Cut(text, ":")
	workload, rival, ok2 := strings.Cut(pair, "/")
	ratio, err := strconv.ParseFloat(number, 64)
	if !ok || !ok2 || workload == "" || rival == "" || err != nil || !(ratio > 0) {
		return limit{}, fmt.Errorf("--must %s: want CASE/RIVAL:RATIO, such as large/cp:0.9", text)
	}
	return limit{workload, rival, ratio}, nil
}

// checkLimits names all limits that were missed; one that has nothing to be
// measured by is missed too.
func checkLimits(limits []limit, all []summary) error {
	var errs []error
	for _, l := range limits {
		own, ok := find(all, l.workload, ours)
		other, ok2 := find(all, l.workload, l.rival)
		switch {
		case !ok || !ok2 || own.Runs == 0 || other.Runs == 0:
			errs = append(errs, fmt.Errorf("must %s/%s: not measured", l.workload, l.rival))
		case own.Median > l.ratio*other.Median:
			errs = append(errs, fmt.Errorf("must %s/%s: %.2f times as long, more than %.2f",
				l.workload, l.rival, own.Median/other.Median, l.ratio))
		}
	}
	return errors.Join(errs...)
}
