package control

import (
	"sync"
	"testing"
	"time"

	"scp_rdma/keys"
	"scp_rdma/wire"
)

// met gathers what a listener tells of connections.
type met struct {
	mu   sync.Mutex
	list []Outcome
}

func (m *met) into(c *ListenConfig) {
	c.Met = func(o Outcome, took time.Duration) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if took < 0 || took > patience {
			o = Outcomes
		}
		m.list = append(m.list, o)
	}
}

func (m *met) last(n int) (Outcome, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.list) < n {
		return 0, false
	}
	return m.list[n-1], true
}

// until waits for something that should come at once.
func until(there func() bool) {
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for end := time.Now().Add(patience); !there() && time.Now().Before(end); <-look.C {
	}
}

func TestWhatBecomesOfConnectionsIsTold(t *testing.T) {
	var m met
	l := listen(t, m.into)
	stranger := keys.New()
	for i, tt := range []struct {
		what string
		want Outcome
		come func()
	}{
		{"a client", Proved, func() { served(t, l) }},
		{"another key", Refused, func() {
			cfg := to(l.Addr().String(), Config{})
			cfg.Key = &stranger
			_, err := Dial(soon(t), cfg)
			wantError(t, err, ErrAuth)
		}},
		{"a browser", Foreign, func() { write(t, dial(t, l), []byte("GET / HTTP/1.1\r\n\r\n")) }},
		{"another version", OtherVersion, func() {
			write(t, dial(t, l), wire.AppendPreamble(nil, wire.Preamble{Kind: wire.KindControl, Version: wire.Version + 1}))
		}},
		{"somebody who says nothing", BrokenOff, func() { dial(t, l).Close() }},
		{"data that nobody takes", Foreign, func() {
			write(t, dial(t, l), wire.AppendPreamble(nil, wire.Preamble{Kind: wire.KindData, Version: wire.Version}))
		}},
	} {
		tt.come()
		until(func() bool { _, ok := m.last(i + 1); return ok })
		if got, ok := m.last(i + 1); !ok || got != tt.want {
			t.Errorf("%s: %v, %v; want %v", tt.what, got, ok, tt.want)
		}
	}
	until(func() bool { now, _ := l.Pending(); return now == 0 })
	if now, limit := l.Pending(); now != 0 || limit != DefaultPending {
		t.Errorf("%d of %d are pending", now, limit)
	}
}
