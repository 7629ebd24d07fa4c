package devicetest

import (
	"context"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"scp_rdma/transport/verbs/internal/nic"
)

const (
	patience = time.Minute
	// half of an end's memory is where others write, the other half is its own.
	half = 1 << 16
	cqe  = 256
)

// end is one QP with memory of its own.
type end struct {
	t    *testing.T
	d    nic.Device
	pd   nic.PD
	mr   nic.MR
	cq   nic.CQ
	qp   nic.QP
	caps nic.Caps
	port nic.Port
	mem  []byte
}

func closes(t *testing.T, what string, c interface{ Close() error }) {
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close %s: %v", what, err)
		}
	})
}

func must[T any](t *testing.T) func(v T, err error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// memory is what a device may be given: mapped, not of Go's heap.
func memory(t *testing.T, n int) []byte {
	t.Helper()
	mem := must[[]byte](t)(unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE))
	t.Cleanup(func() { _ = unix.Munmap(mem) }) // can't fail for what Mmap gave
	return mem
}

// open makes an end in INIT on its own opening of the device.
func (c *Config) open(t *testing.T, device string, caps nic.Caps, completions int) *end {
	t.Helper()
	e := &end{t: t, mem: memory(t, 2*half)}
	e.d = must[nic.Device](t)(c.Provider.Open(device))
	closes(t, "device", e.d)
	e.port = must[nic.Port](t)(e.d.Port(1))
	e.pd = must[nic.PD](t)(e.d.AllocPD())
	closes(t, "PD", e.pd)
	e.mr = must[nic.MR](t)(e.pd.RegMR(e.mem, nic.AccessLocalWrite|nic.AccessRemoteWrite))
	closes(t, "MR", e.mr)
	e.cq = must[nic.CQ](t)(e.d.CreateCQ(completions))
	closes(t, "CQ", e.cq)
	var err error
	if e.qp, e.caps, err = e.pd.CreateQP(e.cq, caps); err != nil {
		t.Fatal(err)
	}
	closes(t, "QP", e.qp)
	if err := e.qp.ToInit(1, 0); err != nil {
		t.Fatal(err)
	}
	return e
}

func caps() nic.Caps { return nic.Caps{SendWR: 32, RecvWR: 32, Inline: 48} }

func usual() nic.Retry { return nic.Retry{Timeout: 14, Count: 7, RNRCount: 7} }

// row is the address to use: an IPv4 one as RoCE v2, else the first.
func (e *end) row() nic.GID {
	e.t.Helper()
	for _, g := range e.port.GIDs {
		if g.Type == nic.GIDRoCEv2 && [12]byte(g.GID[:12]) == [12]byte{10: 0xff, 11: 0xff} {
			return g
		}
	}
	if len(e.port.GIDs) == 0 {
		e.t.Fatal("the port has no GID")
	}
	return e.port.GIDs[0]
}

// towards is the way to another end.
func (e *end) towards(o *end) nic.Peer {
	return nic.Peer{
		Port: 1, GIDIndex: e.row().Index, GID: o.row().GID, Global: e.port.Ethernet, LID: o.port.LID, QPN: o.qp.QPN(), PSN: 0x123456,
		PathMTU: min(e.port.ActiveMTU, o.port.ActiveMTU), HopLimit: 64, MinRNR: 12,
	}
}

// byHand joins two ends as verbs does.
func byHand(a, b *end, r nic.Retry) error {
	r.PSN = 0x123456
	for _, p := range [][2]*end{{a, b}, {b, a}} {
		if err := p[0].qp.ToRTR(p[0].towards(p[1])); err != nil {
			return err
		}
		if err := p[0].qp.ToRTS(r); err != nil {
			return err
		}
	}
	return nil
}

// pair is two joined ends of the device.
func (c *Config) pair(t *testing.T, r nic.Retry) (a, b *end) {
	t.Helper()
	a, b = c.open(t, c.Device, caps(), cqe), c.open(t, c.Device, caps(), cqe)
	c.join(t, a, b, r)
	return a, b
}

func (c *Config) join(t *testing.T, a, b *end, r nic.Retry) {
	t.Helper()
	if !c.Kind.ByHand {
		c.byCM(t, a, b, r, nil)
	} else if err := byHand(a, b, r); err != nil {
		t.Fatal(err)
	}
}

// next waits for n completions by event: poll, arm, poll again, wait.
func (e *end) next(n int) []nic.WC {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), patience)
	defer cancel()
	var all []nic.WC
	armed := false
	for batch := make([]nic.WC, 8); len(all) < n; {
		got := must[int](e.t)(e.cq.Poll(batch))
		all = append(all, batch[:got]...)
		var err error
		switch {
		case got > 0:
			armed = false
		case !armed:
			armed, err = true, e.cq.Arm()
		default:
			armed, err = false, e.cq.Wait(ctx)
		}
		if err != nil {
			e.t.Fatalf("after %v: %v", all, err)
		}
	}
	return all
}

// one waits for one completion.
func (e *end) one() nic.WC {
	e.t.Helper()
	return e.next(1)[0]
}

// nothing looks once whether there is a completion.
func (e *end) nothing() {
	e.t.Helper()
	if n, err := e.cq.Poll(make([]nic.WC, 1)); n != 0 || err != nil {
		e.t.Errorf("%d completions, %v, want none", n, err)
	}
}

func (e *end) send(chain ...nic.SendWR) {
	e.t.Helper()
	for i := range chain {
		chain[i].MR = e.mr
	}
	if n, err := e.qp.PostSend(chain); err != nil || n != len(chain) {
		e.t.Fatalf("post %d: %d, %v", len(chain), n, err)
	}
}

// recv posts n receives of 64 bytes each; number i is at 64*i.
func (e *end) recv(n int) {
	e.t.Helper()
	chain := make([]nic.RecvWR, n)
	for i := range chain {
		chain[i] = nic.RecvWR{ID: uint64(i), MR: e.mr, Offset: 64 * i, Length: 64}
	}
	if got, err := e.qp.PostRecv(chain); err != nil || got != n {
		e.t.Fatalf("post %d receives: %d, %v", n, got, err)
	}
}

// event waits for an event of a type; others may come before it.
func (e *end) event(want nic.EventType) nic.Event {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), patience)
	defer cancel()
	for {
		got, err := e.d.WaitEvent(ctx)
		if err != nil {
			e.t.Fatalf("wait for %v: %v", want, err)
		}
		if got.Type == want {
			return got
		}
	}
}

func (e *end) is(wc nic.WC, want nic.Status) {
	e.t.Helper()
	if wc.Status != want || wc.QPN != e.qp.QPN() {
		e.t.Errorf("%+v (%v) of QP %d, want %v", wc, wc.Status, e.qp.QPN(), want)
	}
}
