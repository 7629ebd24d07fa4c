//go:build rdma

package ibv

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"scp_rdma/transport"
)

// patience is for a guest on an emulated CPU that is shared with others.
const patience = 60 * time.Second

const slab = 1 << 16

// end is one QP with memory of its own on a device.
type end struct {
	t  *testing.T
	d  *Device
	pd *PD
	mr *MR
	cq *CQ
	qp *QP
	p  Port
}

func provider(t *testing.T) *Provider {
	t.Helper()
	p, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if open := p.Leaks(); len(open) != 0 {
			t.Errorf("left open: %v", open)
		}
	})
	return p
}

func closes(t *testing.T, c interface{ Close() error }) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func open(t *testing.T, p *Provider, name string) *Device {
	t.Helper()
	d, err := p.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closes(t, d) })
	return d
}

// newEnd makes PD, MR, CQ and QP in INIT, and closes them in order at the end.
func newEnd(t *testing.T, d *Device) *end {
	t.Helper()
	mem, err := unix.Mmap(-1, 0, slab, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(mem) })
	e := &end{t: t, d: d}
	if e.p, err = d.Port(1); err != nil {
		t.Fatal(err)
	}
	if e.pd, err = d.AllocPD(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closes(t, e.pd) })
	if e.mr, err = e.pd.RegMR(mem, true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closes(t, e.mr) })
	if e.cq, err = d.CreateCQ(128); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closes(t, e.cq) })
	if e.qp, _, err = e.pd.CreateQP(e.cq, Caps{SendWR: 32, RecvWR: 32, Inline: 48}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closes(t, e.qp) })
	if err := e.qp.ToInit(1); err != nil {
		t.Fatal(err)
	}
	return e
}

// connect brings e to RTS, towards peer.
func (e *end) connect(peer *end, r Retry) {
	e.t.Helper()
	index := 1 // the address that the network card has, as RoCE v2
	err := e.qp.ToRTR(Peer{Port: 1, GIDIndex: index, GID: peer.p.GIDs[index].GID, Global: true, QPN: peer.qp.QPN(),
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
func pair(t *testing.T, d *Device, r Retry) (a, b *end) {
	t.Helper()
	a, b = newEnd(t, d), newEnd(t, d)
	a.connect(b, r)
	b.connect(a, r)
	return a, b
}

func usual() Retry { return Retry{Timeout: 14, Count: 7, RNRCount: 7} }

// next waits for n completions by event.
func (e *end) next(n int) []WC {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), patience)
	defer cancel()
	var all []WC
	batch := make([]WC, 16)
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

func (e *end) send(chain ...SendWR) {
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
	if n, err := e.qp.PostRecv([]RecvWR{{ID: id, MR: e.mr, Offset: offset, Length: 64}}); err != nil || n != 1 {
		e.t.Fatalf("post receive: %d, %v", n, err)
	}
}

// first opens the first device of the machine.
func first(t *testing.T) *Device {
	t.Helper()
	p := provider(t)
	all, err := p.Devices()
	if err != nil || len(all) == 0 {
		t.Fatalf("devices: %v, %v", all, err)
	}
	return open(t, p, all[0].Name)
}

func TestEveryDeviceTellsItsLimitsAndAddresses(t *testing.T) {
	p := provider(t)
	all, err := p.Devices()
	if err != nil || len(all) == 0 {
		t.Fatalf("devices: %v, %v", all, err)
	}
	for _, l := range all {
		d := open(t, p, l.Name)
		a, err := d.Attr()
		if err != nil || l.Err != nil || a.IWARP || a.MaxQPWR < 1024 || a.MaxCQE < 1024 || a.Ports != 1 || a.NodeGUID == 0 {
			t.Errorf("%s: %+v, %v, %v", l.Name, a, err, l.Err)
		}
		port, err := d.Port(1)
		if err != nil || port.State != PortActive || !port.Ethernet || port.ActiveMTU < 1024 || len(port.GIDs) < 2 || port.Speed == 0 {
			t.Fatalf("%s: %+v, %v", l.Name, port, err)
		}
		if g := port.GIDs[1]; g.Index != 1 || g.Type != GIDRoCEv2 || g.Netdev == "" || !bytes.HasPrefix(g.GID[10:], []byte{0xff, 0xff, 10, 77}) {
			t.Errorf("%s: GID %+v", l.Name, g)
		}
		if diff := len(named(p.sys.gids(l.Name, 1, 64), true)) - len(port.GIDs); diff != 0 {
			t.Errorf("%s: sysfs has %d GIDs more than the library", l.Name, diff)
		}
	}
}

func TestAWriteAndASendArriveInOrder(t *testing.T) {
	a, b := pair(t, first(t), usual())
	for k := range byte(20) {
		b.recv(uint64(k), 0)
		copy(a.mr.mem[4096:], bytes.Repeat([]byte{k + 1}, 8192))
		a.mr.mem[0] = k
		a.send(SendWR{ID: 1, Op: OpWrite, Offset: 4096, Length: 8192, RemoteAddr: b.mr.Addr() + 8192, RKey: b.mr.RKey()},
			SendWR{ID: 2, Op: OpSend, Length: 48, Signalled: true, Inline: true})
		if wc := b.next(1)[0]; wc.Status != Success || wc.Opcode != OpRecv || wc.ByteLen != 48 || wc.ID != uint64(k) || wc.QPN != b.qp.QPN() {
			t.Fatalf("receive: %+v", wc)
		}
		if b.mr.mem[0] != k || !bytes.Equal(b.mr.mem[8192:16384], a.mr.mem[4096:12288]) {
			t.Fatal("the data differ")
		}
		if wc := a.next(1)[0]; wc.Status != Success || wc.ID != 2 || wc.Opcode != OpSend {
			t.Fatalf("send: %+v", wc)
		}
	}
}

func TestAChainLongerThanOneCallIsPostedWhole(t *testing.T) {
	d := first(t)
	a, b := newEnd(t, d), newEnd(t, d)
	a.connect(b, usual())
	b.connect(a, usual())
	chain := make([]SendWR, 30)
	for i := range chain {
		b.recv(uint64(i), 0)
		chain[i] = SendWR{ID: uint64(i), Op: OpSend, Length: 8, Signalled: true}
	}
	a.send(chain...)
	for i, wc := range b.next(len(chain)) {
		if wc.ID != uint64(i) || wc.Status != Success {
			t.Fatalf("%d: %+v", i, wc)
		}
	}
}

// A full queue takes what fits and says how much that was.
func TestAFullSendQueueTakesWhatFits(t *testing.T) {
	d := first(t)
	e := newEnd(t, d)
	q, caps, err := e.pd.CreateQP(e.cq, Caps{SendWR: 100, RecvWR: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer closes(t, q)
	if err := errors.Join(q.ToInit(1), q.ToRTR(Peer{Port: 1, GIDIndex: 1, GID: e.p.GIDs[1].GID, Global: true, QPN: 0xfffff0, PathMTU: 1024, HopLimit: 64}),
		q.ToRTS(Retry{Timeout: 20, Count: 7})); err != nil {
		t.Fatal(err)
	}
	chain := make([]SendWR, caps.SendWR+50)
	for i := range chain {
		chain[i] = SendWR{MR: e.mr, Op: OpSend, Length: 8}
	}
	n, err := q.PostSend(chain)
	if !errors.Is(err, unix.ENOMEM) || n < caps.SendWR || n >= len(chain) {
		t.Errorf("posted %d of %d to a queue of %d: %v", n, len(chain), caps.SendWR, err)
	}
}

func TestAWrongKeyIsARemoteAccessError(t *testing.T) {
	a, b := pair(t, first(t), usual())
	a.send(SendWR{ID: 5, Op: OpWrite, Length: 64, RemoteAddr: b.mr.Addr(), RKey: b.mr.RKey() + 0x100, Signalled: true})
	if wc := a.next(1)[0]; wc.Status != RemoteAccess || wc.ID != 5 {
		t.Errorf("%+v", wc)
	}
	if s, err := a.qp.State(); s != Err && s != SQE || err != nil {
		t.Errorf("state %d, %v", s, err)
	}
}

// In ERR every WR is completed as flushed, an unsignalled one too.
func TestEverythingPostedIsFlushed(t *testing.T) {
	a, _ := pair(t, first(t), usual())
	a.recv(1, 0)
	a.recv(2, 64)
	if err := a.qp.ToError(); err != nil {
		t.Fatal(err)
	}
	a.send(SendWR{ID: 3, Op: OpSend, Length: 8})
	seen := map[uint64]Status{}
	for _, wc := range a.next(3) {
		seen[wc.ID] = wc.Status
	}
	if seen[1] != Flushed || seen[2] != Flushed || seen[3] != Flushed {
		t.Errorf("%v", seen)
	}
}

func TestNoReceiveIsRNR(t *testing.T) {
	a, _ := pair(t, first(t), Retry{Timeout: 14, Count: 7})
	a.send(SendWR{Op: OpSend, Length: 8, Signalled: true})
	if wc := a.next(1)[0]; wc.Status != RNRExceeded {
		t.Errorf("%+v", wc)
	}
}

func TestNoPeerIsRetryExceeded(t *testing.T) {
	a, b := pair(t, first(t), Retry{Timeout: 12, Count: 1})
	closes(t, b.qp)
	a.send(SendWR{Op: OpSend, Length: 8, Signalled: true})
	if wc := a.next(1)[0]; wc.Status != RetryExceeded {
		t.Errorf("%+v", wc)
	}
}

func TestAPortThatGoesDownIsAnEvent(t *testing.T) {
	d := first(t)
	port, err := d.Port(1)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	card := port.GIDs[1].Netdev
	await := func(change string, want EventType) {
		if out, err := exec.Command("ip", "link", "set", card, change).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for {
			e, err := d.WaitEvent(ctx)
			if err != nil {
				t.Fatalf("%s: %v", change, err)
			}
			if e.Type == want && e.Port == 1 {
				return
			}
		}
	}
	await("down", EventPortError)
	await("up", EventPortActive)
}

func TestAWaitEndsWithItsContextAndWithClose(t *testing.T) {
	e := newEnd(t, first(t))
	for range 50 { // a deadline of one wait must not end the next
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		if err := e.cq.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		cancel()
	}
	ended := make(chan error)
	go func() { ended <- e.cq.Wait(t.Context()) }()
	if err := e.cq.Close(); !errors.Is(err, unix.EBUSY) {
		t.Errorf("a CQ below a QP closed: %v", err)
	}
	if err := <-ended; !errors.Is(err, os.ErrClosed) {
		t.Errorf("wait: %v", err)
	}
}

func TestNothingIsUsedAfterItsEnd(t *testing.T) {
	e := newEnd(t, first(t))
	for _, c := range []interface{ Close() error }{e.pd, e.d} {
		if err := c.Close(); !errors.Is(err, unix.EBUSY) {
			t.Errorf("%T closed below others: %v", c, err)
		}
	}
	closes(t, e.qp)
	closes(t, e.cq)
	if _, err := e.qp.PostSend([]SendWR{{MR: e.mr, Op: OpSend}}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("post: %v", err)
	}
	if _, err := e.cq.Poll(make([]WC, 1)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("poll: %v", err)
	}
	if _, _, err := e.pd.CreateQP(e.cq, Caps{SendWR: 1, RecvWR: 1}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("create: %v", err)
	}
}

func TestRangesOutsideOfTheSlabAreRefused(t *testing.T) {
	e := newEnd(t, first(t))
	for _, w := range []SendWR{{Offset: -1, Length: 2}, {Offset: slab, Length: 1}, {Length: -1}, {Length: slab + 1}, {Offset: 1, Length: slab}} {
		w.MR = e.mr
		if n, err := e.qp.PostSend([]SendWR{w}); n != 0 || !errors.Is(err, unix.EFAULT) {
			t.Errorf("%d bytes at %d: %d, %v", w.Length, w.Offset, n, err)
		}
	}
}

func TestADeviceThatIsNotThereIsNamed(t *testing.T) {
	if _, err := provider(t).Open("mlx9_9"); !errors.Is(err, transport.ErrUnavailable) {
		t.Error(err)
	} else {
		t.Log(err)
	}
}
