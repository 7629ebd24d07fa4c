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
	"scp_rdma/transport/verbs/internal/nic"
)

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
		if err != nil || port.State != nic.PortActive || !port.Ethernet || port.ActiveMTU < 1024 || len(port.GIDs) < 2 || port.Speed == 0 {
			t.Fatalf("%s: %+v, %v", l.Name, port, err)
		}
		if g := port.GIDs[1]; g.Index != 1 || g.Type != nic.GIDRoCEv2 || g.Netdev == "" || !bytes.HasPrefix(g.GID[10:], []byte{0xff, 0xff, 10, 77}) {
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
		copy(a.mem[4096:], bytes.Repeat([]byte{k + 1}, 8192))
		a.mem[0] = k
		a.send(nic.SendWR{ID: 1, Op: nic.OpWrite, Offset: 4096, Length: 8192, RemoteAddr: b.mr.Addr() + 8192, RKey: b.mr.RKey()},
			nic.SendWR{ID: 2, Op: nic.OpSend, Length: 48, Signalled: true, Inline: true})
		if wc := b.next(1)[0]; wc.Status != nic.Success || wc.Opcode != nic.OpRecv || wc.ByteLen != 48 || wc.ID != uint64(k) || wc.QPN != b.qp.QPN() {
			t.Fatalf("receive: %+v", wc)
		}
		if b.mem[0] != k || !bytes.Equal(b.mem[8192:16384], a.mem[4096:12288]) {
			t.Fatal("the data differ")
		}
		if wc := a.next(1)[0]; wc.Status != nic.Success || wc.ID != 2 || wc.Opcode != nic.OpSend {
			t.Fatalf("send: %+v", wc)
		}
	}
}

func TestAChainLongerThanOneCallIsPostedWhole(t *testing.T) {
	d := first(t)
	a, b := newEnd(t, d), newEnd(t, d)
	a.connect(b, usual())
	b.connect(a, usual())
	chain := make([]nic.SendWR, 30)
	for i := range chain {
		b.recv(uint64(i), 0)
		chain[i] = nic.SendWR{ID: uint64(i), Op: nic.OpSend, Length: 8, Signalled: true}
	}
	a.send(chain...)
	for i, wc := range b.next(len(chain)) {
		if wc.ID != uint64(i) || wc.Status != nic.Success {
			t.Fatalf("%d: %+v", i, wc)
		}
	}
}

// A full queue takes what fits and says how much that was.
func TestAFullSendQueueTakesWhatFits(t *testing.T) {
	d := first(t)
	e := newEnd(t, d)
	q, caps, err := e.pd.CreateQP(e.cq, nic.Caps{SendWR: 100, RecvWR: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer closes(t, q)
	if err := errors.Join(q.ToInit(1, 0), q.ToRTR(nic.Peer{Port: 1, GIDIndex: 1, GID: e.p.GIDs[1].GID, Global: true, QPN: 0xfffff0, PathMTU: 1024, HopLimit: 64}),
		q.ToRTS(nic.Retry{Timeout: 20, Count: 7})); err != nil {
		t.Fatal(err)
	}
	chain := make([]nic.SendWR, caps.SendWR+50)
	for i := range chain {
		chain[i] = nic.SendWR{MR: e.mr, Op: nic.OpSend, Length: 8}
	}
	n, err := q.PostSend(chain)
	if !errors.Is(err, unix.ENOMEM) || n < caps.SendWR || n >= len(chain) {
		t.Errorf("posted %d of %d to a queue of %d: %v", n, len(chain), caps.SendWR, err)
	}
}

func TestAWrongKeyIsARemoteAccessError(t *testing.T) {
	a, b := pair(t, first(t), usual())
	a.send(nic.SendWR{ID: 5, Op: nic.OpWrite, Length: 64, RemoteAddr: b.mr.Addr(), RKey: b.mr.RKey() + 0x100, Signalled: true})
	if wc := a.next(1)[0]; wc.Status != nic.RemoteAccess || wc.ID != 5 {
		t.Errorf("%+v", wc)
	}
	if s, err := a.qp.State(); s != nic.Err && s != nic.SQE || err != nil {
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
	a.send(nic.SendWR{ID: 3, Op: nic.OpSend, Length: 8})
	seen := map[uint64]nic.Status{}
	for _, wc := range a.next(3) {
		seen[wc.ID] = wc.Status
	}
	if seen[1] != nic.Flushed || seen[2] != nic.Flushed || seen[3] != nic.Flushed {
		t.Errorf("%v", seen)
	}
}

func TestNoReceiveIsRNR(t *testing.T) {
	a, _ := pair(t, first(t), nic.Retry{Timeout: 14, Count: 7})
	a.send(nic.SendWR{Op: nic.OpSend, Length: 8, Signalled: true})
	if wc := a.next(1)[0]; wc.Status != nic.RNRExceeded {
		t.Errorf("%+v", wc)
	}
}

func TestNoPeerIsRetryExceeded(t *testing.T) {
	a, b := pair(t, first(t), nic.Retry{Timeout: 12, Count: 1})
	closes(t, b.qp)
	a.send(nic.SendWR{Op: nic.OpSend, Length: 8, Signalled: true})
	if wc := a.next(1)[0]; wc.Status != nic.RetryExceeded {
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
	await := func(change string, want nic.EventType) {
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
	await("down", nic.EventPortError)
	await("up", nic.EventPortActive)
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
	closes(t, e.qp)
	select {
	case err := <-ended:
		t.Errorf("a close that was refused ended the wait: %v", err)
	default:
	}
	closes(t, e.cq)
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
	if _, err := e.qp.PostSend([]nic.SendWR{{MR: e.mr, Op: nic.OpSend}}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("post: %v", err)
	}
	if _, err := e.cq.Poll(make([]nic.WC, 1)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("poll: %v", err)
	}
	if _, _, err := e.pd.CreateQP(e.cq, nic.Caps{SendWR: 1, RecvWR: 1}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("create: %v", err)
	}
}

func TestRangesOutsideOfTheSlabAreRefused(t *testing.T) {
	e := newEnd(t, first(t))
	for _, w := range []nic.SendWR{{Offset: -1, Length: 2}, {Offset: slab, Length: 1}, {Length: -1}, {Length: slab + 1}, {Offset: 1, Length: slab}} {
		w.MR = e.mr
		if n, err := e.qp.PostSend([]nic.SendWR{w}); n != 0 || !errors.Is(err, unix.EFAULT) {
			t.Errorf("%d bytes at %d: %d, %v", w.Length, w.Offset, n, err)
		}
	}
}

func TestAnMRThatIsClosedOrOfAnotherIsRefused(t *testing.T) {
	e := newEnd(t, first(t))
	closes(t, e.mr)
	for want, mr := range map[unix.Errno]nic.MR{unix.EFAULT: e.mr, unix.EINVAL: nil} {
		if _, err := e.qp.PostSend([]nic.SendWR{{MR: mr, Inline: true, Length: 8}}); !errors.Is(err, want) {
			t.Errorf("send: %v, want %v", err, want)
		}
		if _, err := e.qp.PostRecv([]nic.RecvWR{{MR: mr, Length: 8}}); !errors.Is(err, want) {
			t.Errorf("receive: %v, want %v", err, want)
		}
	}
	if _, _, err := e.pd.CreateQP(nil, nic.Caps{SendWR: 1, RecvWR: 1}); !errors.Is(err, unix.EINVAL) {
		t.Errorf("a QP on no CQ: %v", err)
	}
	if _, _, err := e.pd.CreateQP(e.cq, nic.Caps{SendWR: 1, RecvWR: 1, Inline: 1 << 20}); !errors.Is(err, unix.EINVAL) {
		t.Errorf("a QP with more inline than there is: %v", err)
	}
}

func TestADeviceThatIsNotThereIsNamed(t *testing.T) {
	if _, err := provider(t).Open("mlx9_9"); !errors.Is(err, transport.ErrUnavailable) {
		t.Error(err)
	} else {
		t.Log(err)
	}
}
