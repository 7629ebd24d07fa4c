package metrics

import (
	"sync"
	"time"

	"scp_rdma/engine"
)

const (
	// historyStep is how often the rails are looked at.
	historyStep = 2 * time.Second
	// historyPoints: so many looks are kept: five minutes.
	historyPoints = 150
)

// history is what the rails carried lately.
type history struct {
	mu    sync.Mutex
	at    time.Time // of the last look
	rails map[railOf]*track
}

// railOf names a rail.
type railOf struct{ transport, name string }

// track is the throughput of one rail, bytes per second, oldest first.
type track struct {
	last   [2]uint64 // bytes, by direction
	points [2][]float64
}

func newHistory() *history { return &history{rails: map[railOf]*track{}} }

// add takes a look. One that comes late counts for the time it covers.
func (h *history) add(now time.Time, rails []engine.RailReading) {
	h.mu.Lock()
	defer h.mu.Unlock()
	seconds := now.Sub(h.at).Seconds()
	first := h.at.IsZero()
	h.at = now
	for _, r := range rails {
		if k := (railOf{r.Transport, r.Name}); h.rails[k] == nil {
			h.rails[k] = &track{}
		}
	}
	for k, t := range h.rails {
		for way := range t.points {
			bytes := t.last[way]
			for _, r := range rails {
				if (railOf{r.Transport, r.Name}) == k && int(r.Direction) == way {
					bytes = r.Bytes
				}
			}
			if !first && seconds > 0 {
				t.points[way] = append(t.points[way], float64(bytes-t.last[way])/seconds)
			}
			if n := len(t.points[way]); n > historyPoints {
				t.points[way] = append(t.points[way][:0], t.points[way][n-historyPoints:]...)
			}
			t.last[way] = bytes
		}
	}
}

// read gives the points of one rail, rounded to bytes.
func (h *history) read(r railOf, way engine.Direction) []uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := []uint64{}
	if t := h.rails[r]; t != nil {
		for _, p := range t.points[way] {
			out = append(out, uint64(p))
		}
	}
	return out
}
