package devicetest

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"scp_rdma/transport/verbs/internal/nic"
)

func limits(t *testing.T, c *Config) {
	e := c.open(t, c.Device, caps(), cqe)
	a := must[nic.DeviceAttr](t)(e.d.Attr())
	if a.Name != c.Device || a.MaxSGE != c.Kind.MaxSGE || a.IWARP == c.Kind.ByHand || a.MaxQPWR < 1024 || a.MaxCQE < 1024 ||
		a.Ports < 1 || a.NodeGUID == 0 || a.MaxMRSize < 1<<30 {
		t.Errorf("%+v", a)
	}
	if _, err := e.d.Port(a.Ports + 1); err == nil {
		t.Error("a port that isn't there")
	}
	if q, got, err := e.pd.CreateQP(e.cq, nic.Caps{SendWR: a.MaxQPWR + 1, RecvWR: 1}); err == nil {
		t.Errorf("a QP beyond the limit: %+v, close: %v", got, q.Close())
	}
	if e.caps.SendWR < caps().SendWR || e.caps.RecvWR < caps().RecvWR || e.caps.Inline < caps().Inline {
		t.Errorf("granted %+v of %+v", e.caps, caps())
	}
}

func port(t *testing.T, c *Config) {
	e := c.open(t, c.Device, caps(), cqe)
	p := e.port
	if p.State != nic.PortActive || p.ActiveMTU < 256 || p.ActiveMTU > p.MaxMTU || len(p.GIDs) == 0 || p.MaxMessage < 1<<20 {
		t.Errorf("%+v", p)
	}
	for _, g := range p.GIDs {
		if g.GID == ([16]byte{}) || g.Netdev == "" && p.Ethernet {
			t.Errorf("%+v", g)
		}
	}
}

func inlineLimit(t *testing.T, c *Config) {
	e := c.open(t, c.Device, nic.Caps{SendWR: 4, RecvWR: 4, Inline: c.Kind.MaxInline}, cqe)
	if e.caps.Inline < c.Kind.MaxInline {
		t.Errorf("granted %+v", e.caps)
	}
	// Some devices round up: far beyond is beyond for all.
	if q, got, err := e.pd.CreateQP(e.cq, nic.Caps{SendWR: 4, RecvWR: 4, Inline: 64 * c.Kind.MaxInline}); err == nil {
		t.Errorf("granted %+v, close: %v", got, q.Close())
	}
}

func closeOrder(t *testing.T, c *Config) {
	e := c.open(t, c.Device, caps(), cqe)
	for name, o := range map[string]interface{ Close() error }{"PD": e.pd, "device": e.d} {
		if err := o.Close(); !errors.Is(err, unix.EBUSY) {
			t.Errorf("%s closed below others: %v", name, err)
		}
	}
	if err := e.qp.Close(); err != nil {
		t.Fatal(err)
	}
	if err := e.qp.Close(); err != nil {
		t.Errorf("a second close: %v", err)
	}
	if err := e.qp.ToError(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a QP used after its end: %v", err)
	}
	if _, err := e.qp.PostSend([]nic.SendWR{{MR: e.mr, Op: nic.OpSend}}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a post after its end: %v", err)
	}
}

func byHandOrNot(t *testing.T, c *Config) {
	a, b := c.open(t, c.Device, caps(), cqe), c.open(t, c.Device, caps(), cqe)
	if err := a.qp.ToRTS(usual()); err == nil {
		t.Error("from INIT to RTS without RTR")
	}
	err := byHand(a, b, usual())
	if !c.Kind.ByHand {
		if !errors.Is(err, unix.EINVAL) {
			t.Errorf("RTR by hand: %v, want EINVAL", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if s, err := a.qp.State(); s != nic.RTS || err != nil {
		t.Errorf("state %v, %v", s, err)
	}
}

func twoDevices(t *testing.T, c *Config) {
	a, b := c.open(t, c.Device, caps(), cqe), c.open(t, c.Other, caps(), cqe)
	if !c.Kind.Alone {
		c.join(t, a, b, usual())
		b.recv(1)
		a.send(nic.SendWR{Op: nic.OpSend, Length: 1, Signalled: true})
		b.is(b.one(), nic.Success)
		return
	}
	if _, err := c.connector(t).Dial(c.soon(t), a.addr(), c.listen(t, b, 0).Addr()); err == nil {
		t.Error("there is a way, though such devices were seen to have none")
	}
	if err := byHand(a, b, usual()); err == nil {
		t.Error("joined, though such devices were seen to refuse it")
	}
}

func waits(t *testing.T, c *Config) {
	e := c.open(t, c.Device, caps(), cqe)
	for range 20 { // the deadline of one wait must not end the next
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		if err := e.cq.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("wait for completions: %v", err)
		}
		cancel()
	}
	ended := make(chan error, 2)
	go func() { ended <- e.cq.Wait(t.Context()) }()
	go func() { _, err := e.d.WaitEvent(t.Context()); ended <- err }()
	if err := errors.Join(e.qp.Close(), e.cq.Close(), e.mr.Close(), e.pd.Close(), e.d.Close()); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := <-ended; !errors.Is(err, os.ErrClosed) {
			t.Errorf("a wait ended by Close: %v", err)
		}
	}
}

func portEvents(t *testing.T, c *Config) {
	e := c.open(t, c.Device, caps(), cqe)
	t.Cleanup(func() { c.SetPort(t, true) })
	for _, up := range []bool{false, true} {
		want, state := nic.EventPortError, nic.PortDown
		if up {
			want, state = nic.EventPortActive, nic.PortActive
		}
		c.SetPort(t, up)
		if got := e.event(want); got.Port != 1 {
			t.Errorf("%+v", got)
		}
		if p := must[nic.Port](t)(e.d.Port(1)); p.State != state {
			t.Errorf("after %v the port is in state %d", want, p.State)
		}
	}
}
