package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"scp_rdma/control"
	"scp_rdma/engine"
)

// The types of metrics.
const (
	counter   = "counter"
	gauge     = "gauge"
	histogram = "histogram"
)

// families are all metrics of ours. docs/metrics.md lists them too; a test compares.
// Every label has few values, which no peer chooses: rails are this host's own.
func families(version string) []family {
	all := append(sessionFamilies(version), fileFamilies()...)
	all = append(all, railFamilies()...)
	all = append(all, roomFamilies()...)
	all = append(all, latencyFamilies()...)
	for i := range all {
		all[i].desc = prometheus.NewDesc(all[i].Name, all[i].Help, all[i].Labels, nil)
	}
	return all
}

type (
	reading = *engine.Reading
	put     = func(v float64, labels ...string)
	putHist = func(h engine.Histogram, labels ...string)
)

// ways are the directions, with their labels.
func ways() [2]engine.Direction { return [2]engine.Direction{engine.Receiving, engine.Sending} }

func sessionFamilies(version string) []family {
	return []family{
		{
			Name: "scp_rdma_build_info", Type: gauge, Labels: []string{"version"}, Help: "1, with the version of the program.",
			values: func(_ reading, put put) { put(1, version) },
		},
		{
			Name: "scp_rdma_sessions", Type: gauge, Labels: []string{"direction"}, Help: "Sessions that run now, by the way their files go.",
			values: func(r reading, put put) {
				var n [2]int
				for _, s := range r.Sessions {
					n[s.Direction()]++
				}
				for _, way := range ways() {
					put(float64(n[way]), way.String())
				}
			},
		},
		{
			Name: "scp_rdma_sessions_begun_total", Type: counter, Labels: []string{"direction"}, Help: "Sessions that got a target, or something to send.",
			values: func(r reading, put put) {
				for _, way := range ways() {
					put(float64(r.Begun[way]), way.String())
				}
			},
		},
		{
			Name: "scp_rdma_sessions_ended_total", Type: counter, Labels: []string{"direction", "kind"},
			Help: "Sessions that ended, by what they ended with: done, or a kind of error.",
			values: func(r reading, put put) {
				for _, way := range ways() {
					for _, k := range engine.Kinds() {
						put(float64(r.Ended[way][k]), way.String(), string(k))
					}
				}
			},
		},
	}
}

func fileFamilies() []family {
	return []family{
		{
			Name: "scp_rdma_files_total", Type: counter, Labels: []string{"direction", "result"},
			Help: "Files that have their result: done, failed, or skipped because they were there already.",
			values: func(r reading, put put) {
				for _, way := range ways() {
					f := r.Files[way]
					put(float64(f.Done), way.String(), "done")
					put(float64(f.Failed), way.String(), "failed")
					put(float64(f.Skipped), way.String(), "skipped")
				}
			},
		},
		{
			Name: "scp_rdma_file_bytes_total", Type: counter, Labels: []string{"direction"}, Help: "Sizes of the files that were done.",
			values: func(r reading, put put) {
				for _, way := range ways() {
					put(float64(r.Files[way].Bytes), way.String())
				}
			},
		},
		{
			Name: "scp_rdma_frames_damaged_total", Type: counter, Labels: []string{"direction"},
			Help: "Frames that did not verify and were sent again: a bad NIC, cable or memory.",
			values: func(r reading, put put) {
				for _, way := range ways() {
					put(float64(r.Files[way].Damaged), way.String())
				}
			},
		},
	}
}

func railFamilies() []family {
	rail := func(name, kind, help string, value func(engine.RailReading) float64) family {
		return family{
			Name: name, Type: kind, Help: help, Labels: []string{"transport", "rail", "direction"},
			values: func(r reading, put put) {
				for _, c := range r.Rails {
					put(value(c), c.Transport, c.Name, c.Direction.String())
				}
			},
		}
	}
	sends := func(name, help string, value func(engine.RailReading) float64) family {
		return family{
			Name: name, Type: gauge, Help: help, Labels: []string{"transport", "rail"},
			values: func(r reading, put put) {
				for _, c := range r.Rails {
					if c.Direction == engine.Sending {
						put(value(c), c.Transport, c.Name)
					}
				}
			},
		}
	}
	waited := func(name, help string, way engine.Direction) family {
		return family{
			Name: name, Type: counter, Help: help, Labels: []string{"transport", "rail"},
			values: func(r reading, put put) {
				for _, c := range r.Rails {
					if c.Direction == way {
						put(c.Waited.Seconds(), c.Transport, c.Name)
					}
				}
			},
		}
	}
	return []family{
		rail("scp_rdma_rail_bytes_total", counter, "Data that a rail carried.", func(c engine.RailReading) float64 { return float64(c.Bytes) }),
		rail("scp_rdma_rail_frames_total", counter, "Frames that a rail carried.", func(c engine.RailReading) float64 { return float64(c.Frames) }),
		rail("scp_rdma_rail_streams", gauge, "Streams that are joined on a rail now.", func(c engine.RailReading) float64 { return float64(c.Streams) }),
		rail("scp_rdma_rail_streams_broken_total", counter, "Streams that broke; others carried what they had under way.", func(c engine.RailReading) float64 { return float64(c.Broken) }),
		sends("scp_rdma_rail_state", "Sending: what a rail is given: 0 as much as it takes, 1 less, 2 nothing but probes, in the session that is worst off with it.", func(c engine.RailReading) float64 { return float64(c.State) }),
		sends("scp_rdma_rail_speed_bytes_per_second", "Sending: what a rail carries while it has something to carry, lately, of all sessions.", func(c engine.RailReading) float64 { return c.Rate }),
		sends("scp_rdma_rail_latency_seconds", "Sending: what a frame takes until its result is there, lately, in the session where that is longest.", func(c engine.RailReading) float64 { return c.Latency.Seconds() }),
		waited("scp_rdma_rail_credit_wait_seconds_total", "Time that sending streams waited for credits: the client writes more slowly than it is sent to.", engine.Sending),
		waited("scp_rdma_rail_frame_wait_seconds_total", "Time that receiving streams waited for frames: the client, or the way to it, is what is slow.", engine.Receiving),
	}
}

// number is a metric without labels.
func number(name, kind, help string, value func(reading) float64) family {
	return family{Name: name, Type: kind, Help: help, values: func(r reading, put put) { put(value(r)) }}
}

func roomFamilies() []family {
	return []family{
		{
			Name: "scp_rdma_slots", Type: gauge, Labels: []string{"direction"}, Help: "Slots of all streams that are joined.",
			values: func(r reading, put put) { putSlots(r, put, func(s engine.SessionReading) int { return s.Slots }) },
		},
		{
			Name: "scp_rdma_slots_in_use", Type: gauge, Labels: []string{"direction"}, Help: "Slots that hold a frame which is not written and released yet.",
			values: func(r reading, put put) { putSlots(r, put, func(s engine.SessionReading) int { return s.SlotsInUse }) },
		},
		{
			Name: "scp_rdma_queue_depth", Type: gauge, Labels: []string{"queue"},
			Help: "What waits in all sessions: entries not looked at, answers not said, files without a result, units sent without a result.",
			values: func(r reading, put put) {
				var q engine.Queues
				for _, s := range r.Sessions {
					q.Entries += s.Queues.Entries
					q.Answers += s.Queues.Answers
					q.Files += s.Queues.Files
					q.Units += s.Queues.Units
				}
				put(float64(q.Entries), "entries")
				put(float64(q.Answers), "answers")
				put(float64(q.Files), "files")
				put(float64(q.Units), "units")
			},
		},
		number("scp_rdma_control_queue_bytes", gauge, "Bytes that wait on the control connections of all sessions.", func(r reading) (n float64) {
			for _, s := range r.Sessions {
				n += float64(s.Queues.Control)
			}
			return n
		}),
		number("scp_rdma_clients", gauge, "Clients with a key that are in, greeting and inspecting included.", func(r reading) float64 { return float64(r.Quota.Sessions) }),
		number("scp_rdma_clients_limit", gauge, "What --max-sessions allows.", func(r reading) float64 { return float64(r.Quota.MaxSessions) }),
		number("scp_rdma_clients_turned_away_total", counter, "Clients with a key that were told to come later: too many sessions, or no memory left.", func(r reading) float64 { return float64(r.TurnedAway) }),
		number("scp_rdma_slot_memory_bytes", gauge, "Memory for slots that sessions have booked.", func(r reading) float64 { return float64(r.Quota.Memory) }),
		number("scp_rdma_streams_ceded_total", counter, "Streams that were ended to make room for other sessions' slots; they come again with less.", func(r reading) float64 { return float64(r.Quota.Ceded) }),
		number("scp_rdma_slot_memory_limit_bytes", gauge, "What --max-memory allows.", func(r reading) float64 { return float64(r.Quota.MaxMemory) }),
		number("scp_rdma_handshakes", gauge, "Connections that have proved no key yet.", func(r reading) float64 { return float64(r.Pending) }),
		number("scp_rdma_handshakes_limit", gauge, "What --max-handshakes allows.", func(r reading) float64 { return float64(r.MaxPending) }),
		{
			Name: "scp_rdma_connections_total", Type: counter, Labels: []string{"outcome"},
			Help: "Control connections, by what became of them before a session.",
			values: func(r reading, put put) {
				for o, n := range r.Met {
					put(float64(n), control.Outcome(o).String())
				}
			},
		},
	}
}

func putSlots(r reading, put put, of func(engine.SessionReading) int) {
	var n [2]int
	for _, s := range r.Sessions {
		n[s.Direction()] += of(s)
	}
	for _, way := range ways() {
		put(float64(n[way]), way.String())
	}
}

func latencyFamilies() []family {
	one := func(name, help string, of func(reading) engine.Histogram) family {
		return family{Name: name, Type: histogram, Help: help, histograms: func(r reading, put putHist) { put(of(r)) }}
	}
	return []family{
		one("scp_rdma_commit_seconds", "What it takes to give a file that has arrived its name; of a small file, to write it too.", func(r reading) engine.Histogram { return r.Commit }),
		{
			Name: "scp_rdma_slot_turnaround_seconds", Type: histogram, Labels: []string{"direction"},
			Help: "Receiving: from a frame's arrival until it is verified, written and released. Sending: until a unit is read and sent. What --limit holds up counts too.",
			histograms: func(r reading, put putHist) {
				for _, way := range ways() {
					put(r.Turnaround[way], way.String())
				}
			},
		},
		one("scp_rdma_credit_wait_seconds", "How long a sending stream waits for its next slot, which needs a credit of the client's.", func(r reading) engine.Histogram { return r.CreditWait }),
		one("scp_rdma_session_start_seconds", "From a client's proof of its key until its session has a target, or something to send.", func(r reading) engine.Histogram { return r.Greeting }),
		one("scp_rdma_handshake_seconds", "From a client's connection to its proof of a key.", func(r reading) engine.Histogram { return r.Handshake }),
	}
}
