package engine_test

import (
	"testing"

	"scp_rdma/engine"
	"scp_rdma/localfs"
	"scp_rdma/transport"
)

// zeroCopy is a transport whose device reads slots by itself, if it says so.
type zeroCopy struct {
	transport.Transport
	yes bool
}

func (z zeroCopy) ZeroCopy() bool { return z.yes }

// preferred is a source that notes what it is asked for.
type preferred struct {
	*localfs.Source
	asked bool
}

func (p *preferred) PreferDirect() { p.asked = true }

func TestFilesAreReadDirectlyWhereNoCPUCopiesThem(t *testing.T) {
	for name, tt := range map[string]struct {
		wrap func(transport.Transport) transport.Transport
		want bool
	}{
		"a transport that doesn't say": {func(tr transport.Transport) transport.Transport { return tr }, false},
		"one that copies":              {func(tr transport.Transport) transport.Transport { return zeroCopy{tr, false} }, false},
		"one that doesn't":             {func(tr transport.Transport) transport.Transport { return zeroCopy{tr, true} }, true},
	} {
		t.Run(name, func(t *testing.T) {
			k := start(t, memory)
			k.client = tt.wrap(k.client)
			from := t.TempDir()
			write(t, from, map[string]string{"f": "x"})
			src := &preferred{Source: contents(t, from)}
			if _, _, err := k.push(src); err != nil {
				t.Fatal(err)
			}
			if src.asked != tt.want {
				t.Errorf("asked %v", src.asked)
			}
		})
	}
}

var _ engine.Source = (*preferred)(nil)
