package verbs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"scp_rdma/engine"
	"scp_rdma/transport/mem"
	"scp_rdma/transport/verbs"
	"scp_rdma/transport/verbs/internal/nic"
	"scp_rdma/transport/verbs/internal/softnic"
)

// TestANetworkThatSwallowsRDMAIsPassedOver: devices, ports and addresses are as
// they should be, and no packet arrives.
func TestANetworkThatSwallowsRDMAIsPassedOver(t *testing.T) {
	f := &softnic.Fabric{}
	swallowed(t, f.Host(softnic.RXE("rxe0", [4]byte{10, 1, 0, 1})), f.Host(softnic.RXE("rxe0", [4]byte{10, 1, 0, 2})))
	if left := f.Leaks(); len(left) != 0 {
		t.Errorf("left open: %v", left)
	}
}

// swallowed has the client's QPs send to one that nobody has: to the device that
// looks as if the network had swallowed all.
func swallowed(t *testing.T, client, server verbs.Provider) {
	t.Helper()
	src := t.TempDir()
	fill(t, filepath.Join(src, "large"), 1<<20)
	second := mem.New()
	s := serve(t, over(server), second)
	lost := hooks{path: func(p nic.Peer) nic.Peer {
		p.QPN ^= 0x800000
		return p
	}}
	told := &observer{}
	r, err := s.send(t.Context(), t, src, func(c *engine.SendConfig) { c.Observer = told }, over(spyHost{client, lost}), second)
	check(t, err)
	check(t, s.next(t))
	if r.Transport != second.Name() || r.Bytes != 1<<20 {
		t.Errorf("%+v", r)
	}
	got, err := os.ReadFile(filepath.Join(s.dst, "large"))
	check(t, err)
	want, err := os.ReadFile(filepath.Join(src, "large"))
	check(t, err)
	if string(got) != string(want) {
		t.Error("what came differs")
	}
	if len(told.why) != 1 || !strings.Contains(told.why[0], "verbs: rail rxe") || !strings.Contains(told.why[0], "retry counter exceeded") {
		t.Errorf("why not over verbs: %q", told.why)
	}
	t.Log(told.why)
	s.stop(t)
}

// observer hears why a transport is not used.
type observer struct{ why []string }

func (*observer) Watch(func() engine.Snapshot)  {}
func (*observer) Busy(error, time.Duration)     {}
func (*observer) Problem(engine.Problem)        {}
func (*observer) Lost(error, time.Duration)     {}
func (*observer) Stalled(time.Duration)         {}
func (*observer) RailChanged(engine.RailChange) {}
func (*observer) Scarce(uint64, uint64)         {}

func (o *observer) Would(string, int64) {}

func (o *observer) Chosen(_ string, passed []error) {
	for _, err := range passed {
		o.why = append(o.why, err.Error())
	}
}
