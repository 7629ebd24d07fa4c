package main

import (
	"math"
	"strings"
	"testing"
)

func TestMedian(t *testing.T) {
	for name, c := range map[string]struct {
		of   []float64
		want float64
	}{
		"none":               {nil, 0},
		"one":                {[]float64{3}, 3},
		"odd, out of order":  {[]float64{9, 1, 5}, 5},
		"even, out of order": {[]float64{8, 2, 4, 100}, 6},
	} {
		if got := median(c.of); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// ran is a run that went well.
func ran(workload, rival string, round int, seconds float64) result {
	return result{
		Kind: kindRun, Case: workload, Rival: rival, Round: round, Seconds: seconds, OK: true,
		CPUClient: seconds, CPUServer: seconds / 2, RSSClient: int64(round) << 20, RSSServer: 7 << 20, Bytes: 2 << 30, Files: 20000,
	}
}

func TestSummariseLeavesRoundZeroOutAndComparesMedians(t *testing.T) {
	f := facts{Rivals: []rivalFacts{{Name: mark, Checks: checksNothing}, {Name: ours, Checks: checksContents, Own: true}}}
	all := summarise(f, []result{
		ran("large", mark, 0, 900), ran("large", ours, 0, 800),
		ran("large", ours, 1, 1), ran("large", mark, 1, 2),
		ran("large", mark, 2, 4), ran("large", ours, 2, 3),
		ran("large", mark, 3, 3), ran("large", ours, 3, 1.5),
		ran("small", ours, 1, 5),
	})
	if len(all) != 3 || all[0].Rival != mark || all[1].Rival != ours {
		t.Fatalf("not in the order of round 0: %+v", all)
	}
	own := all[1]
	if own.Runs != 3 || own.Median != 1.5 || own.Min != 1 || own.Max != 3 || own.Ratio != 0.5 {
		t.Errorf("runs, median, min, max, ratio: %+v", own)
	}
	if math.Abs(own.CPUPerGiB-1.125) > 1e-9 || math.Abs(own.CPUPerFiles-1.125) > 1e-9 || own.ClientMiB != 3 || own.ServerMiB != 7 {
		t.Errorf("both ends' CPU over 2 GiB and 20,000 files, peaks: %+v", own)
	}
	if own.Checks != checksContents || !own.Own || all[0].Own {
		t.Errorf("what is known of the rivals: %+v", all)
	}
	if all[2].Ratio != 0 {
		t.Errorf("a ratio to a cp that did not run: %+v", all[2])
	}
}

func TestOneFailureLeavesNoNumbersNorDoesRoundZero(t *testing.T) {
	bad := ran("large", "scp", 2, 1)
	bad.OK, bad.Error = false, "lost its way"
	all := summarise(facts{}, []result{ran("large", "scp", 1, 1), bad, ran("large", mark, 0, 1)})
	if all[0].Runs != 0 || all[0].Error != "lost its way" || all[1].Runs != 0 || all[1].Error != "" {
		t.Errorf("%+v", all)
	}
}

func TestLimitsAreRead(t *testing.T) {
	for text, want := range map[string]limit{
		"large/cp:0.9":                      {"large", ours, "cp", 0.9},
		"disk/scp-aes128gcm:1":              {"disk", ours, "scp-aes128gcm", 1},
		"small/scp_rdma-fetch/scp_rdma:1.1": {"small", pull, ours, 1.1},
		"small//scp_rdma:1.1":               {},
		"a/b/c/d:1":                         {},
		"large/cp":                          {},
		"large:0.9":                         {},
		"/cp:0.9":                           {},
		"large/:0.9":                        {},
		"large/cp:":                         {},
		"large/cp:nine":                     {},
		"large/cp:-1":                       {},
		"large/cp:0":                        {},
		"large/cp:NaN":                      {},
		"large/cp:0.9, small/cp:":           {},
		"":                                  {},
	} {
		got, err := parseLimit(text)
		if got != want || (err == nil) != (want != limit{}) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func TestLimitsAreHeldToMedians(t *testing.T) {
	all := summarise(facts{}, []result{ran("large", mark, 1, 10), ran("large", ours, 1, 9), ran("large", "scp", 0, 1), ran("large", pull, 1, 9.8)})
	for text, want := range map[string]string{
		"large/cp:0.9":                       "",
		"large/cp:0.89":                      "0.90 times as long, more than 0.89",
		"large/scp:9":                        "not measured",
		"large/scp_rdma-fetch:1":             "",
		"large/scp_rdma-fetch/scp_rdma:1.1":  "",
		"large/scp_rdma-fetch/scp_rdma:1.05": "must large/scp_rdma-fetch/scp_rdma: 1.09 times as long",
		"small/cp:9":                         "not measured",
	} {
		l, err := parseLimit(text)
		if err != nil {
			t.Fatal(err)
		}
		err = checkLimits([]limit{l}, all)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
