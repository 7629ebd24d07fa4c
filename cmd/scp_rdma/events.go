package main

import (
	"encoding/json"
	"time"
	"unicode/utf8"

	"scp_rdma/engine"
	"scp_rdma/localfs"
)

// eventVersion is of the lines of --json. Fields are only ever added to it.
const eventVersion = 1

// event is a line of --json. docs/json.md tells of each.
type event struct {
	V     int    `json:"v"`
	Event string `json:"event"`
	Time  string `json:"time"` // RFC 3339, UTC

	Target string `json:"target,omitempty"` // of several, as typed

	Path      string   `json:"path,omitempty"`
	PathBytes []byte   `json:"path_base64,omitempty"` // of a path that is not UTF-8
	Error     string   `json:"error,omitempty"`
	Kind      string   `json:"kind,omitempty"`
	Bytes     *int64   `json:"bytes,omitempty"`
	Mode      string   `json:"mode,omitempty"`
	Mtime     string   `json:"mtime,omitempty"`
	Link      string   `json:"link,omitempty"`
	Transport string   `json:"transport,omitempty"`
	Passed    []string `json:"passed,omitempty"`
	Rail      string   `json:"rail,omitempty"`
	Best      string   `json:"best,omitempty"`
	State     string   `json:"state,omitempty"`
	Part      *float64 `json:"part,omitempty"`
	Sum       string   `json:"sum,omitempty"`
	SumKind   string   `json:"algorithm,omitempty"`

	Summary  *eventSummary  `json:"summary,omitempty"`
	Verified *eventVerified `json:"verified,omitempty"`
}

// eventSummary is a Report.
type eventSummary struct {
	Done         bool        `json:"done"` // all that there was to do
	Files        uint64      `json:"files"`
	Dirs         uint64      `json:"directories"`
	Symlinks     uint64      `json:"symlinks"`
	Links        uint64      `json:"hard_links"`
	Bytes        uint64      `json:"bytes"`
	Failed       uint64      `json:"failed"`
	Skipped      uint64      `json:"already_there"`
	SkippedBytes uint64      `json:"already_there_bytes"`
	Resumed      uint64      `json:"resumed_bytes"`
	Resent       uint64      `json:"sent_again"`
	Damaged      uint64      `json:"damaged_frames"`
	CarriedAgain uint64      `json:"carried_again_bytes"`
	Deleted      uint64      `json:"deleted"`
	Removed      uint64      `json:"removed"` // of the sources
	Kept         uint64      `json:"kept"`    // of those that were to be removed
	Reconnected  uint64      `json:"reconnected"`
	Seconds      float64     `json:"seconds"`
	HeldUpBy     string      `json:"held_up_by,omitempty"`
	Sender       eventSpent  `json:"sender_seconds"`
	Receiver     eventSpent  `json:"receiver_seconds"`
	Transport    string      `json:"transport"`
	Encrypted    bool        `json:"encrypted"`
	Would        *eventWould `json:"would,omitempty"`
	Rails        []eventRail `json:"rails"`
}

// eventVerified is what came of verify.
type eventVerified struct {
	Good    uint64  `json:"good"`
	Differ  uint64  `json:"differ"`
	Failed  uint64  `json:"failed"`
	Bytes   uint64  `json:"bytes"`
	Seconds float64 `json:"seconds"`
}

// eventWould is what a dry run would send.
type eventWould struct {
	Files uint64 `json:"files"`
	Bytes uint64 `json:"bytes"`
	Units uint64 `json:"units"`
}

// eventSpent is what the workers of a side spent, in seconds of all of them together.
type eventSpent struct {
	Join    float64 `json:"opening_streams,omitempty"`
	Credits float64 `json:"credits,omitempty"`
	Walk    float64 `json:"walk,omitempty"`
	Answers float64 `json:"answers,omitempty"`
	Read    float64 `json:"reading,omitempty"`
	Sum     float64 `json:"summing,omitempty"`
	Limit   float64 `json:"limit,omitempty"`
	Send    float64 `json:"sending,omitempty"`
	Frames  float64 `json:"frames,omitempty"`
	Write   float64 `json:"writing,omitempty"`
	Files   float64 `json:"making_files,omitempty"`
	Admit   float64 `json:"answering,omitempty"`
}

func spentOf(s *engine.Spent, admit time.Duration) eventSpent {
	of := func(d engine.Doing) float64 { return s[d].Seconds() }
	return eventSpent{
		Join: of(engine.DoingJoin), Credits: of(engine.DoingCredits), Walk: of(engine.DoingWalk), Answers: of(engine.DoingAnswers),
		Read: of(engine.DoingRead), Sum: of(engine.DoingSum), Limit: of(engine.DoingLimit), Send: of(engine.DoingSend),
		Frames: of(engine.DoingFrames), Write: of(engine.DoingWrite), Files: of(engine.DoingFiles), Admit: admit.Seconds(),
	}
}

// eventRail is what one rail carried.
type eventRail struct {
	Name    string `json:"name"`
	Peer    string `json:"peer"`
	Streams int    `json:"streams"`
	Bytes   uint64 `json:"bytes"`

	*eventHealth // nil: only the other side knows
}

// eventHealth is what a sender makes of a rail.
type eventHealth struct {
	State   string  `json:"state"`
	Rate    float64 `json:"bytes_per_second"`
	Latency float64 `json:"latency_seconds"`
	Part    float64 `json:"part"`
	Slow    float64 `json:"slow_seconds"`
}

// healthOf is what there is to say of a rail; nil: nothing came over it, or the sending side has not said.
func healthOf(r engine.RailReport) *eventHealth {
	if r.Latency == 0 && r.Slow == 0 {
		return nil
	}
	return &eventHealth{r.State.String(), r.Rate, r.Latency.Seconds(), r.Part, r.Slow.Seconds()}
}

// emit prints an event.
func (c *console) emit(name string, e event) {
	e.Target = c.target
	e.V, e.Event, e.Time = eventVersion, name, time.Now().UTC().Format(time.RFC3339Nano)
	if !utf8.ValidString(e.Path) {
		e.PathBytes = []byte(e.Path)
	}
	b, err := json.Marshal(e)
	if err != nil {
		c.line("scp_rdma: --json: " + errorLine(err))
		return
	}
	c.print(string(b))
}

func summaryOf(r *engine.Report, done, dry bool) *eventSummary {
	s := &eventSummary{
		Done: done, Files: r.Files, Dirs: r.Dirs, Symlinks: r.Symlinks, Links: r.Links, Bytes: r.Bytes, Failed: r.Failed,
		Skipped: r.Skipped, SkippedBytes: r.SkippedBytes, Resumed: r.Resumed, Resent: r.Resent, Damaged: r.Damaged,
		CarriedAgain: r.CarriedAgain, Deleted: r.Deleted, Reconnected: r.Reconnected, Seconds: r.Elapsed.Seconds(),
		HeldUpBy: heldUp(r), Sender: spentOf(&r.Times.Sender, 0), Receiver: spentOf(&r.Times.Receiver, r.Times.Admitting),
		Transport: r.Transport, Encrypted: r.Encrypted, Rails: []eventRail{},
	}
	if dry {
		s.Would = &eventWould{r.Would.Files, r.Would.Bytes, r.Would.Units}
	}
	for _, rail := range r.Rails {
		s.Rails = append(s.Rails, eventRail{rail.Name, rail.Peer, rail.Streams, rail.Bytes, healthOf(rail)})
	}
	return s
}

// kindWord is an entry's kind, for programs.
func kindWord(k localfs.Kind) string {
	switch k {
	case localfs.KindDir:
		return "directory"
	case localfs.KindSymlink:
		return "symlink"
	case localfs.KindFile, localfs.KindDirEnd:
	}
	return "file"
}
