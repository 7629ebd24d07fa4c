package metrics

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"scp_rdma/control"
	"scp_rdma/engine"
)

const (
	// maxSessions and maxRails are shown; of more it is told how many they are.
	maxSessions = 100
	maxRails    = 32
	// maxShown is how much of one name is shown, bytes.
	maxShown = 512
)

// status is what the page shows. docs/metrics.md lists the fields; a test compares.
type status struct {
	Time     time.Time `json:"time"`
	State    string    `json:"state"` // serving, stopping, failing
	Why      string    `json:"why,omitempty"`
	Started  time.Time `json:"started"`
	Version  string    `json:"version"`
	Dir      string    `json:"dir"`
	Address  string    `json:"address"`
	Private  bool      `json:"private"` // names of files are shown
	Sessions []session `json:"sessions"`
	Hidden   int       `json:"hidden_sessions"` // sessions beyond those
	Ended    []over    `json:"ended"`           // newest first
	Rails    []rail    `json:"rails"`
	Step     float64   `json:"step_seconds"` // between points of rails
	Room     room      `json:"room"`
	Begun    uint64    `json:"sessions_begun"`
	Failed   uint64    `json:"sessions_failed"`
}

type session struct {
	ID        string    `json:"id"`
	Key       string    `json:"key,omitempty"`
	Peer      string    `json:"peer,omitempty"`
	Target    string    `json:"target,omitempty"`
	Current   string    `json:"current,omitempty"` // a file that something came of last
	Direction string    `json:"direction"`
	Started   time.Time `json:"started"`
	Whole     bool      `json:"whole"` // all there is to copy is known
	Entries   uint64    `json:"entries"`
	Files     uint64    `json:"files"`
	FilesDone uint64    `json:"files_done"`
	Failed    uint64    `json:"files_failed"`
	Bytes     uint64    `json:"bytes"`
	BytesDone uint64    `json:"bytes_done"`
	Transport string    `json:"transport,omitempty"`
	Streams   int       `json:"streams"`
	Slots     int       `json:"slots"`
	InUse     int       `json:"slots_in_use"`
}

type over struct {
	ID        string    `json:"id"`
	Key       string    `json:"key,omitempty"`
	Peer      string    `json:"peer,omitempty"`
	Target    string    `json:"target,omitempty"`
	Direction string    `json:"direction"`
	Started   time.Time `json:"started"`
	At        time.Time `json:"at"`
	Kind      string    `json:"kind"`
	Error     string    `json:"error,omitempty"`
	Files     uint64    `json:"files"`
	Skipped   uint64    `json:"files_skipped"`
	Failed    uint64    `json:"files_failed"`
	Bytes     uint64    `json:"bytes"`
}

type rail struct {
	Transport string   `json:"transport"`
	Name      string   `json:"name"`
	Streams   int      `json:"streams"`
	Broken    uint64   `json:"streams_broken"`
	State     string   `json:"state"`
	Received  uint64   `json:"received_bytes"`
	Sent      uint64   `json:"sent_bytes"`
	In        []uint64 `json:"receive_rates"` // bytes a second, oldest first
	Out       []uint64 `json:"send_rates"`
}

type room struct {
	Clients       int    `json:"clients"`
	MaxClients    int    `json:"clients_limit"`
	Memory        int64  `json:"slot_memory_bytes"`
	MaxMemory     int64  `json:"slot_memory_limit_bytes"`
	Handshakes    int    `json:"handshakes"`
	MaxHandshakes int    `json:"handshakes_limit"`
	TurnedAway    uint64 `json:"turned_away"`
	Refused       uint64 `json:"refused"`
}

// status answers with what the page shows.
func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	out := s.now(s.answers(r.Context()))
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out) // who has asked may be gone
}

// now is the state of the server; err: why clients can't come in.
func (s *Server) now(err error) status {
	m := s.cfg.Read()
	out := status{
		Time: time.Now().UTC(), State: "serving", Started: s.started.UTC(), Version: s.cfg.Version, Address: s.cfg.Addr,
		Private: !s.cfg.Public, Step: historyStep.Seconds(), Sessions: []session{}, Ended: []over{}, Rails: s.rails(m.Rails),
		Begun: m.Begun[engine.Receiving] + m.Begun[engine.Sending],
		Room: room{
			Clients: m.Quota.Sessions, MaxClients: m.Quota.MaxSessions, Memory: m.Quota.Memory, MaxMemory: m.Quota.MaxMemory,
			Handshakes: m.Pending, MaxHandshakes: m.MaxPending, TurnedAway: m.TurnedAway + m.Met[control.TurnedAway], Refused: m.Met[control.Refused],
		},
	}
	if !s.cfg.Public {
		out.Dir = s.cfg.Quote(s.cfg.Dir)
	}
	switch {
	case s.cfg.Stopping():
		out.State = "stopping"
	case err != nil:
		out.State, out.Why = "failing", s.cfg.Quote(err.Error())
	}
	for _, way := range m.Ended {
		for kind, n := range way {
			if kind != engine.KindDone {
				out.Failed += n
			}
		}
	}
	for i := range m.Sessions {
		if i == maxSessions {
			out.Hidden = len(m.Sessions) - i
			break
		}
		out.Sessions = append(out.Sessions, s.session(&m.Sessions[i]))
	}
	for i := range slices.Backward(m.Last) {
		out.Ended = append(out.Ended, s.over(&m.Last[i]))
	}
	return out
}

func (s *Server) session(r *engine.SessionReading) session {
	return session{
		ID: r.ID, Key: s.show(r.Name), Peer: s.private(r.Peer), Target: s.private(r.Target), Current: s.private(r.Current),
		Direction: r.Direction().String(), Started: r.Started.UTC(), Whole: r.WalkDone,
		Entries: r.Entries, Files: r.Snapshot.Files, FilesDone: r.FilesDone, Failed: r.Failed, Bytes: r.Snapshot.Bytes, BytesDone: r.BytesDone,
		Transport: r.Transport, Streams: r.StreamsRun, Slots: r.Slots, InUse: r.SlotsInUse,
	}
}

func (s *Server) over(e *engine.EndedSession) over {
	return over{
		ID: e.ID, Key: s.show(e.Name), Peer: s.private(e.Peer), Target: s.private(e.Target), Direction: e.Direction().String(),
		Started: e.Started.UTC(), At: e.At.UTC(), Kind: string(e.Kind), Error: s.private(e.Error),
		Files: e.Files.Done, Skipped: e.Files.Skipped, Failed: e.Files.Failed, Bytes: e.Files.Bytes,
	}
}

// rails joins the two directions of each.
func (s *Server) rails(list []engine.RailReading) []rail {
	out := []rail{}
	for _, c := range list {
		i := slices.IndexFunc(out, func(r rail) bool { return r.Transport == c.Transport && r.Name == c.Name })
		if i < 0 {
			if len(out) == maxRails {
				break
			}
			k := railOf{c.Transport, c.Name}
			out = append(out, rail{
				Transport: c.Transport, Name: c.Name, State: c.State.String(),
				In: s.history.read(k, engine.Receiving), Out: s.history.read(k, engine.Sending),
			})
			i = len(out) - 1
		}
		r := &out[i]
		r.Streams += c.Streams
		r.Broken += c.Broken
		if c.Direction == engine.Sending {
			r.Sent += c.Bytes
			r.State = c.State.String()
		} else {
			r.Received += c.Bytes
		}
	}
	return out
}

// private is text that only users of this host see.
func (s *Server) private(text string) string {
	if s.cfg.Public {
		return ""
	}
	return s.show(text)
}

// show makes text of somebody else's fit to be shown: the end of a path says more than
// its beginning.
func (s *Server) show(text string) string {
	if text = s.cfg.Quote(text); len(text) > maxShown {
		text = "..." + text[len(text)-maxShown:]
	}
	return text
}
