package metrics

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"scp_rdma/engine"
)

// evil is what a client may call its files.
const evil = `<script>alert(1)</script>`

// kit is a Server on loopback, and what it shows.
type kit struct {
	t        *testing.T
	url      string
	mu       sync.Mutex
	reading  engine.Reading
	answers  error
	stopping atomic.Bool
}

func start(t *testing.T, change ...func(*Config)) *kit {
	t.Helper()
	k := &kit{t: t, reading: reads()}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k.url = "http://" + ln.Addr().String()
	cfg := Config{
		Read: k.read, Version: "1.2.3", Dir: "/srv/" + evil, Addr: "127.0.0.1:1777", Logger: hclog.NewNullLogger(),
		Alive: func(context.Context) error { k.mu.Lock(); defer k.mu.Unlock(); return k.answers },
		Quote: func(s string) string { return strings.ReplaceAll(s, "\n", `\n`) }, Stopping: k.stopping.Load, Names: []string{"Server.Example"},
	}
	for _, c := range change {
		c(&cfg)
	}
	s, err := Serve(ln, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

func (k *kit) read() engine.Reading {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.reading
}

func (k *kit) set(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.answers = err
}

// reads is a reading with something everywhere.
func reads() engine.Reading {
	info := engine.SessionInfo{ID: "00c0ffee", Peer: "192.0.2.1:999", Name: "ann", Target: "into/" + evil}
	away := info
	away.ID, away.Sends = "00decade", true
	h := engine.Histogram{Count: 3, Sum: time.Second, Buckets: []engine.Bucket{{UpTo: time.Millisecond, Count: 1}, {UpTo: time.Second, Count: 2}}}
	r := engine.Reading{
		Sessions: []engine.SessionReading{
			{
				SessionInfo: info, Slots: 8, SlotsInUse: 3, Queues: engine.Queues{Entries: 1, Answers: 2, Files: 3, Units: 4, Control: 5},
				Snapshot: engine.Snapshot{
					Phase: engine.PhaseSending, Entries: 9, Files: 7, FilesDone: 2, Bytes: 1 << 20, BytesDone: 1 << 18,
					Current: "a\nb/" + evil, Started: time.Now().Add(-time.Minute), Transport: "tcp", StreamsRun: 2,
				},
			},
			{SessionInfo: away, Slots: 4, Snapshot: engine.Snapshot{WalkDone: true, Files: 1, Bytes: 10, BytesDone: 5, Started: time.Now()}},
		},
		Last: []engine.EndedSession{{SessionInfo: info, At: time.Now(), Started: time.Now(), Kind: engine.KindDisk, Error: "put " + evil + ": no space left on device"}},
		Rails: []engine.RailReading{
			{Transport: "tcp", Name: "eth0", Direction: engine.Receiving, Bytes: 1000, Frames: 2, Broken: 1, Waited: time.Second, Streams: 2},
			{Transport: "tcp", Name: "eth0", Direction: engine.Sending, Bytes: 500, Frames: 1, Waited: 2 * time.Second},
		},
		Begun: [2]uint64{2, 1}, Ended: [2]map[engine.Kind]uint64{{engine.KindDisk: 1}, {}},
		Files:      [2]engine.FileCounts{{Done: 5, Failed: 1, Skipped: 2, Bytes: 99, Damaged: 3}, {Done: 1}},
		Quota:      engine.QuotaReading{Sessions: 2, MaxSessions: 64, Memory: 1 << 20, MaxMemory: 2 << 30},
		TurnedAway: 4, Pending: 1, MaxPending: 512, Commit: h, Turnaround: [2]engine.Histogram{h, h}, CreditWait: h, Greeting: h, Handshake: h,
	}
	r.Met[0], r.Met[1] = 11, 6
	return r
}

// ask gives the answer, and its body.
func (k *kit) ask(method, path, host string) (*http.Response, string) {
	k.t.Helper()
	req, err := http.NewRequestWithContext(k.t.Context(), method, k.url+path, nil)
	if err != nil {
		k.t.Fatal(err)
	}
	if host != "" {
		req.Host = host
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		k.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		k.t.Fatal(err)
	}
	return resp, string(body)
}

func (k *kit) status() (s status, text string) {
	k.t.Helper()
	_, text = k.ask("GET", "/api/status", "")
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		k.t.Fatal(err)
	}
	return s, text
}

var errNone = errors.New("nobody takes connections")
