package main

import (
	"strings"
	"testing"
	"time"

	"scp_rdma/engine"
)

func TestWhereTheTimeWent(t *testing.T) {
	const s = time.Second
	type spent = engine.Spent
	disk := spent{engine.DoingWrite: 9 * s, engine.DoingSum: s}
	for name, tt := range map[string]struct {
		sender, receiver spent
		report           engine.Report
		fetched          bool
		costly           []string
		want, held       string
	}{
		"a disk": {spent{engine.DoingCredits: 62 * s, engine.DoingRead: 21 * s, engine.DoingSend: 17 * s}, disk, engine.Report{}, false, nil,
			"56% writing files at the server, 21% reading files here, 17% the network between, 6% sums and encryption at the server; " +
				"neither more streams (-j) nor more rails (-d): the disk there writes no faster", "disk"},
		"fetching": {spent{engine.DoingRead: 9 * s, engine.DoingSum: s}, spent{}, engine.Report{}, true, nil,
			"90% reading files at the server, 10% sums and encryption at the server; a faster disk", "source"},
		"names": {spent{engine.DoingAnswers: s}, spent{}, engine.Report{}, true, []string{"--fsync", "--verify"},
			"100% making files and naming them here; neither more streams (-j) nor more rails (-d), but fewer and larger files: " +
				"the file system there makes no more; --fsync and --verify took part of it", "files"},
		"walk":       {spent{engine.DoingWalk: s}, spent{}, engine.Report{}, false, nil, "100% looking for files here; neither", "walk"},
		"limit":      {spent{engine.DoingCredits: s}, spent{engine.DoingLimit: s}, engine.Report{}, false, nil, "100% held back by --limit; a higher --limit", "limit"},
		"joining":    {spent{engine.DoingJoin: s}, spent{}, engine.Report{}, false, nil, "100% opening streams; streams came late or broke", "streams"},
		"sums":       {spent{engine.DoingSum: s}, spent{}, engine.Report{}, false, nil, "100% sums and encryption here; more streams (-j) while cores are free; --no-checksum", "sender"},
		"encryption": {spent{engine.DoingCredits: s}, spent{engine.DoingSum: s}, engine.Report{Encrypted: true}, false, nil, "at the server; more streams (-j) while cores are free; contents are", "receiver"},
		"full": {spent{engine.DoingSend: s}, spent{}, engine.Report{Times: engine.Times{RTT: time.Millisecond, Window: 1 << 30}, Rails: []engine.RailReport{{Bytes: 1 << 30}}}, false, nil,
			"100% the network between; another rail (-d)", "network"},
		"long": {spent{engine.DoingSend: s}, spent{}, engine.Report{Times: engine.Times{RTT: 20 * time.Millisecond, Window: 16 << 20}, Rails: []engine.RailReport{{Bytes: 7 << 30}}}, false, nil,
			"100% the network between; more streams (-j) or slots (--slots): a round trip takes 20ms, and no more than 16.0 MiB are under way", "network"},
		"short":   {spent{engine.DoingSend: s}, spent{}, engine.Report{Elapsed: 999 * time.Millisecond}, false, nil, "", ""},
		"unclear": {spent{engine.DoingSend: s, engine.DoingRead: s}, spent{}, engine.Report{}, false, nil, "", ""},
		"nothing": {spent{}, spent{}, engine.Report{}, false, nil, "", ""},
	} {
		r := tt.report
		if r.Elapsed == 0 {
			r.Elapsed = 10 * s
		}
		r.Times.Sender, r.Times.Receiver = tt.sender, tt.receiver
		got := strings.Join(timeWent(&r, tt.fetched, tt.costly), "; ")
		got = strings.Replace(strings.TrimPrefix(got, "where the time went: "), "what would help: ", "", 1)
		if !strings.Contains(got, tt.want) || tt.want == "" && got != "" {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
		if h := heldUp(&r); h != tt.held {
			t.Errorf("%s: held up by %q, want %q", name, h, tt.held)
		}
	}
}
