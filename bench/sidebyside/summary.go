package main

import "slices"

// summary is what the runs of a rival in a case come to. Where Runs is 0 there
// are no numbers.
type summary struct {
	Case, Rival, Checks  string
	Own                  bool
	Runs                 int
	Median, Min, Max     float64 // seconds
	Ratio                float64 // of the medians, to cp; 0: there is none
	Bytes                int64
	Files                int
	CPUPerGiB            float64 // seconds, both ends, medians
	CPUPerFiles          float64 // for 10,000 files
	ClientMiB, ServerMiB float64 // the largest of all runs
	Error                string  // of the run that failed
}

// median of numbers, 0 of none.
func median(all []float64) float64 {
	s := slices.Sorted(slices.Values(all))
	switch n := len(s); {
	case n == 0:
		return 0
	case n%2 == 0:
		return (s[n/2-1] + s[n/2]) / 2
	default:
		return s[n/2]
	}
}

// summarise gives a summary for each case and rival, in the order in which they
// came first: round 0 has the order of the list.
func summarise(f facts, runs []result) []summary {
	type key struct{ workload, rival string }
	var order []key
	by := map[key][]result{}
	for _, r := range runs {
		k := key{r.Case, r.Rival}
		if by[k] == nil {
			order = append(order, k)
		}
		by[k] = append(by[k], r)
	}
	var all []summary
	for _, k := range order {
		about := f.rival(k.rival)
		s := sumUp(by[k])
		s.Case, s.Rival, s.Checks, s.Own = k.workload, k.rival, about.Checks, about.Own
		all = append(all, s)
	}
	for i := range all {
		if base, ok := find(all, all[i].Case, mark); ok && base.Median > 0 {
			all[i].Ratio = all[i].Median / base.Median
		}
	}
	return all
}

// sumUp is summarise for the runs of one rival in one case. One that failed
// once has no numbers, nor has one that was stopped in round 0.
func sumUp(runs []result) summary {
	var (
		s            summary
		seconds, cpu []float64
	)
	for _, r := range runs {
		if !r.OK {
			return summary{Error: r.Error}
		}
		if r.Round == 0 {
			continue
		}
		seconds, cpu = append(seconds, r.Seconds), append(cpu, r.CPUClient+r.CPUServer)
		s.Bytes, s.Files = r.Bytes, r.Files
		s.ClientMiB = max(s.ClientMiB, float64(r.RSSClient)/(1<<20))
		s.ServerMiB = max(s.ServerMiB, float64(r.RSSServer)/(1<<20))
	}
	if len(seconds) == 0 {
		return summary{}
	}
	s.Runs = len(seconds)
	s.Median, s.Min, s.Max = median(seconds), slices.Min(seconds), slices.Max(seconds)
	if s.Bytes > 0 {
		s.CPUPerGiB = median(cpu) / (float64(s.Bytes) / (1 << 30))
	}
	if s.Files > 0 {
		s.CPUPerFiles = median(cpu) / (float64(s.Files) / 10000)
	}
	return s
}

// find looks for the summary of a rival in a case.
func find(all []summary, workload, rival string) (summary, bool) {
	for _, s := range all {
		if s.Case == workload && s.Rival == rival {
			return s, true
		}
	}
	return summary{}, false
}

// byFile says whether a case is about files rather than bytes.
func (s summary) byFile() bool { return s.Files > 1 && s.Bytes/int64(s.Files) < 1<<20 }
