//go:build rdma

package ibv

import (
	"context"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"scp_rdma/transport/verbs/internal/nic"
)

// patience is for a guest on an emulated CPU that is shared with others.
const patience = 60 * time.Second

const slab = 1 << 16

// end is one QP with memory of its own on a device.
type end struct {
	t   *testing.T
	d   nic.Device
	pd  nic.PD
	mr  nic.MR
	mem []byte
	cq  nic.CQ
	qp  nic.QP
	p   nic.Port
}

func provider(t *testing.T) *Provider {
	t.Helper()
	p, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	real := p.(*Provider)
	t.Cleanup(func() {
		if open := real.Leaks(); len(open) != 0 {
			t.Errorf("left open: %v", open)
		}
	})
	return real
}

func closes(t *testing.T, c interface{ Close() error }) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func open(t *testing.T, p *Provider, name string) nic.Device {
	t.Helper()
	d, err := p.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closes(t, d) })
	return d
}

// newEnd makes PD, MR, CQ and QP in INIT, and closes them in order at the end.
func newEnd(t *testing.T, d nic.Device) *end {
	t.Helper()
	mem, err := unix.Mmap(-1, 0, slab, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(mem) })
	e := &end{t: t, d: d, mem: mem}
	if e.p, err = d.Port(1); err != nil {
		t.Fatal(err)
	}
	if e.pd, err = d.AllocPD(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closes(t, e.pd) })
	if e.mr, err = e.pd.RegMR(mem, nic.AccessLocalWrite|nic.AccessRemoteWrite); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closes(t, e.mr) })
	if e.cq, err = d.CreateCQ(128); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closes(t, e.cq) })
	if e.qp, _, err = e.pd.CreateQP(e.cq, nic.Caps{SendWR: 32, RecvWR: 32, Inline: 48}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closes(t, e.qp) })
	if err := e.qp.ToInit(1, 0); err != nil {
		t.Fatal(err)
	}
	return e
}

// connect brings e to RTS, towards peer.
func (e *end) connect(peer *end, r nic.Retry) {
	e.t.Helper()
	index := 1 // the address that the network card has, as RoCE v2
	err := e.qp.ToRTR(nic.Peer{Port: 1, GIDIndex: index, GID: peer.p.GIDs[index].GID, Global: true, QPN: peer.qp.QPN(),
		PSN: 7, PathMTU: min(e.p.ActiveMTU, peer.p.ActiveMTU), HopLimit: 64, MinRNR: 12, ReadDepth: 1})
	if err != nil {
		e.t.Fatal(err)
	}
	r.PSN, r.Reads = 7, 1
	if err := e.qp.ToRTS(r); err != nil {
		e.t.Fatal(err)
	}
}

// pair is two connected ends of one device.
func pair(t *testing.T, d nic.Device, r nic.Retry) (a, b *end) {
	t.Helper()
	a, b = newEnd(t, d), newEnd(t, d)
	a.connect(b, r)
	b.connect(a, r)
	return a, b
}

func usual() nic.Retry { return nic.Retry{Timeout: 14, Count: 7, RNRCount: 7} }

// next waits for n completions by event.
func (e *end) next(n int) []nic.WC {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), patience)
	defer cancel()
	var all []nic.WC
	batch := make([]nic.WC, 16)
	for len(all) < n {
		got, err := e.cq.Poll(batch)
		if err != nil {
			e.t.Fatal(err)
		}
		all = append(all, batch[:got]...)
		if got > 0 {
			continue
		}
		if err := e.cq.Arm(); err != nil {
			e.t.Fatal(err)
		}
		if got, err = e.cq.Poll(batch); err != nil || got > 0 {
			all = append(all, batch[:got]...)
			continue
		}
		if err := e.cq.Wait(ctx); err != nil {
			e.t.Fatalf("after %v: %v", all, err)
		}
	}
	return all
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

func (e *end) recv(id uint64, offset int) {
	e.t.Helper()
	if n, err := e.qp.PostRecv([]nic.RecvWR{{ID: id, MR: e.mr, Offset: offset, Length: 64}}); err != nil || n != 1 {
		e.t.Fatalf("post receive: %d, %v", n, err)
	}
}

// first opens the first device of the machine.
func first(t *testing.T) nic.Device {
	t.Helper()
	p := provider(t)
	all, err := p.Devices()
	if err != nil || len(all) == 0 {
		t.Fatalf("devices: %v, %v", all, err)
	}
	return open(t, p, all[0].Name)
}
