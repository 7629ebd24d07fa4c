package devicetest

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"scp_rdma/transport/verbs/internal/nic"
)

// write is a WRITE of n bytes of a's own half to offset 0 of b's.
func write(b *end, n int) nic.SendWR {
	return nic.SendWR{ID: 1, Op: nic.OpWrite, Offset: half, Length: n, RemoteAddr: b.mr.Addr() + half, RKey: b.mr.RKey(), Signalled: true}
}

func writeThenSend(t *testing.T, c *Config) {
	a, b := c.pair(t, usual())
	for k := range byte(10) {
		b.recv(1)
		copy(a.mem[half:], bytes.Repeat([]byte{k + 1}, 40000))
		a.mem[0] = k
		w := write(b, 40000)
		w.Signalled = false
		a.send(w, nic.SendWR{ID: 2, Op: nic.OpSend, Length: 48, Signalled: true, Inline: true})
		wc := b.one()
		if b.is(wc, nic.Success); wc.Opcode != nic.OpRecv || wc.ByteLen != 48 || wc.ID != 0 {
			t.Fatalf("receive: %+v", wc)
		}
		if b.mem[0] != k || !bytes.Equal(b.mem[half:half+40000], a.mem[half:half+40000]) {
			t.Fatal("the SEND was there before the data")
		}
		if wc := a.one(); wc.Status != nic.Success || wc.ID != 2 || wc.Opcode != nic.OpSend {
			t.Fatalf("send: %+v", wc)
		}
	}
	a.nothing()
}

// relaxed memory may take a WRITE in any order, and has all of it when the SEND behind
// it has come.
func relaxed(t *testing.T, c *Config) {
	a, b := c.pair(t, usual())
	m := must[nic.MR](t)(b.pd.RegMR(b.mem, nic.AccessLocalWrite|nic.AccessRemoteWrite|nic.AccessRelaxed))
	for k := range byte(10) {
		b.recv(1)
		copy(a.mem[half:], bytes.Repeat([]byte{k + 1}, 40000))
		w := write(b, 40000)
		w.RemoteAddr, w.RKey, w.Signalled = m.Addr()+half, m.RKey(), false
		second := w
		second.Offset, second.RemoteAddr, second.Length = half+30000, w.RemoteAddr+40000, 10000
		a.send(w, second, nic.SendWR{Op: nic.OpSend, Length: 48, Signalled: true})
		b.is(b.one(), nic.Success)
		if want := bytes.Repeat([]byte{k + 1}, 50000); !bytes.Equal(b.mem[half:half+50000], want) {
			t.Fatal("the SEND was there before the data")
		}
		a.is(a.one(), nic.Success)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

func emptySend(t *testing.T, c *Config) {
	a, b := c.pair(t, usual())
	b.recv(1)
	a.send(nic.SendWR{Op: nic.OpSend, Signalled: true})
	wc := b.one()
	if b.is(wc, nic.Success); wc.ByteLen != 0 {
		t.Errorf("%+v", wc)
	}
	a.is(a.one(), nic.Success)
}

func emptyWrite(t *testing.T, c *Config) {
	a, b := c.pair(t, usual())
	a.send(nic.SendWR{ID: 7, Op: nic.OpWrite, Signalled: true})
	wc := a.one()
	if a.is(wc, nic.Success); wc.ID != 7 {
		t.Errorf("%+v", wc)
	}
	b.nothing()
}

func inlineIsFree(t *testing.T, c *Config) {
	a, b := c.pair(t, usual())
	for k := range byte(10) {
		b.recv(1)
		a.mem[0] = k
		a.send(nic.SendWR{Op: nic.OpSend, Length: 40, Inline: true, Signalled: true})
		a.mem[0] = 0xff
		b.is(b.one(), nic.Success)
		if b.mem[0] != k {
			t.Fatalf("%x arrived", b.mem[0])
		}
		a.is(a.one(), nic.Success)
	}
}

func selective(t *testing.T, c *Config) {
	a, b := c.pair(t, usual())
	b.recv(9)
	for i := range uint64(9) {
		a.send(nic.SendWR{ID: i, Op: nic.OpSend, Length: 8, Signalled: i%4 == 0})
	}
	for i, wc := range b.next(9) {
		if b.is(wc, nic.Success); wc.ID != uint64(i) {
			t.Errorf("receive %d: %+v", i, wc)
		}
	}
	for i, wc := range a.next(3) {
		if a.is(wc, nic.Success); wc.ID != uint64(4*i) {
			t.Errorf("send %d: %+v", i, wc)
		}
	}
	a.nothing()
}

// refused is a WRITE that must not be placed.
func (c *Config) refused(t *testing.T, a, b *end, w nic.SendWR) {
	t.Helper()
	copy(a.mem[half:], bytes.Repeat([]byte{0xee}, 64))
	a.send(w)
	want := nic.RemoteAccess
	if c.Kind.SilentWrites {
		want = nic.Success
	}
	a.is(a.one(), want)
	if bytes.IndexByte(b.mem, 0xee) >= 0 {
		t.Error("the data were placed")
	}
	if s, err := a.qp.State(); err != nil || !c.Kind.SilentWrites && s != nic.Err && s != nic.SQE {
		t.Errorf("state %v, %v", s, err)
	}
}

func badKey(t *testing.T, c *Config) {
	a, b := c.pair(t, usual())
	w := write(b, 64)
	w.RKey += 0x100
	c.refused(t, a, b, w)
}

func pastTheEnd(t *testing.T, c *Config) {
	a, b := c.pair(t, usual())
	w := write(b, 64)
	w.RemoteAddr += half - 32
	c.refused(t, a, b, w)
}

func notRemote(t *testing.T, c *Config) {
	a, b := c.pair(t, usual())
	m := must[nic.MR](t)(b.pd.RegMR(b.mem, nic.AccessLocalWrite))
	defer closes(t, "MR", m)
	w := write(b, 64)
	w.RemoteAddr, w.RKey = m.Addr()+half, m.RKey()
	c.refused(t, a, b, w)
}

func rnr(t *testing.T, c *Config) {
	r := usual()
	r.RNRCount = 0
	a, _ := c.pair(t, r)
	if !c.Kind.ByHand { // iWARP knows no RNR: it breaks the connection
		a.recv(1)
		a.send(nic.SendWR{Op: nic.OpSend, Length: 8})
		a.is(a.one(), nic.Flushed)
		return
	}
	a.send(nic.SendWR{Op: nic.OpSend, Length: 8, Signalled: true})
	a.is(a.one(), nic.RNRExceeded)
}

func rnrWaits(t *testing.T, c *Config) {
	a, b := c.pair(t, usual())
	if c.Kind.ByHand {
		a.send(nic.SendWR{Op: nic.OpSend, Length: 8, Signalled: true})
		a.nothing()
		b.recv(1)
		a.is(a.one(), nic.Success)
		b.is(b.one(), nic.Success)
	}
}

func tooLong(t *testing.T, c *Config) {
	a, b := c.pair(t, usual())
	b.recv(1)
	a.send(nic.SendWR{Op: nic.OpSend, Length: 65, Signalled: true})
	if wc := b.one(); wc.Status == nic.Success {
		t.Errorf("receive: %+v", wc)
	}
	if wc := a.one(); wc.Status == nic.Success && !c.Kind.SilentWrites {
		t.Errorf("send: %+v", wc)
	}
}

func peerInError(t *testing.T, c *Config) {
	a, b := c.pair(t, nic.Retry{Timeout: 10, Count: 2, RNRCount: 7})
	a.recv(1)
	if err := b.qp.ToError(); err != nil {
		t.Fatal(err)
	}
	if !c.Kind.ByHand { // without anything sent
		a.is(a.one(), nic.Flushed)
		return
	}
	a.send(nic.SendWR{Op: nic.OpWrite, Signalled: true})
	a.is(a.one(), nic.RetryExceeded)
}

func peerGone(t *testing.T, c *Config) {
	a, b := c.pair(t, nic.Retry{Timeout: 10, Count: 2, RNRCount: 7})
	if !c.Kind.ByHand {
		a.recv(1)
	}
	if err := b.qp.Close(); err != nil {
		t.Fatal(err)
	}
	if !c.Kind.ByHand {
		a.is(a.one(), nic.Flushed)
		return
	}
	a.send(nic.SendWR{Op: nic.OpSend, Length: 8}) // unsignalled: an error completes all the same
	a.is(a.one(), nic.RetryExceeded)
}

// sevenRetries of a millisecond are over within some: who has none after a
// hundred times that goes on for ever.
func sevenRetries(t *testing.T, c *Config) {
	if !c.Kind.ByHand {
		return // TCP counts for itself
	}
	a, b := c.pair(t, nic.Retry{Timeout: 8, Count: 7, RNRCount: 7})
	if err := b.qp.Close(); err != nil {
		t.Fatal(err)
	}
	a.send(nic.SendWR{Op: nic.OpSend, Length: 8, Signalled: true})
	if !c.Kind.Endless7 {
		a.is(a.one(), nic.RetryExceeded)
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := errors.Join(a.cq.Arm(), a.cq.Wait(ctx)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a completion, or %v", err)
	}
	a.nothing()
}

func flushed(t *testing.T, c *Config) {
	a, _ := c.pair(t, usual())
	a.recv(2)
	if err := a.qp.ToError(); err != nil {
		t.Fatal(err)
	}
	// What comes later: siw takes it, and says no more of it.
	n := 2
	if a.send(nic.SendWR{ID: 77, Op: nic.OpSend, Length: 8}); c.Kind.ByHand {
		n = 3
	}
	seen := map[uint64]bool{}
	for _, wc := range a.next(n) {
		a.is(wc, nic.Flushed)
		seen[wc.ID] = true
	}
	a.nothing()
	if !seen[0] || !seen[1] || seen[77] != c.Kind.ByHand {
		t.Errorf("flushed: %v", seen)
	}
}

func fullSendQueue(t *testing.T, c *Config) {
	a, b := c.pair(t, nic.Retry{Timeout: 20, Count: 7, RNRCount: 7})
	if err := b.qp.ToError(); err != nil { // so that nothing leaves the queue for long
		t.Fatal(err)
	}
	chain := make([]nic.SendWR, a.caps.SendWR+50)
	for i := range chain {
		chain[i] = nic.SendWR{MR: a.mr, Op: nic.OpSend, Length: 8}
	}
	if n, err := a.qp.PostSend(chain); !errors.Is(err, unix.ENOMEM) || n < a.caps.SendWR || n == len(chain) {
		t.Errorf("posted %d of %d to a queue of %d: %v", n, len(chain), a.caps.SendWR, err)
	}
}

func fullRecvQueue(t *testing.T, c *Config) {
	a := c.open(t, c.Device, caps(), cqe)
	chain := make([]nic.RecvWR, a.caps.RecvWR+50)
	for i := range chain {
		chain[i] = nic.RecvWR{MR: a.mr, Length: 8}
	}
	if n, err := a.qp.PostRecv(chain); !errors.Is(err, unix.ENOMEM) || n < a.caps.RecvWR || n == len(chain) {
		t.Errorf("posted %d of %d to a queue of %d: %v", n, len(chain), a.caps.RecvWR, err)
	}
}

func outside(t *testing.T, c *Config) {
	a, _ := c.pair(t, usual())
	for _, w := range []nic.SendWR{{Offset: -1, Length: 2}, {Offset: 2 * half, Length: 1}, {Length: -1}, {Offset: 1, Length: 2 * half}} {
		w.MR, w.Op = a.mr, nic.OpSend
		if n, err := a.qp.PostSend([]nic.SendWR{w}); n != 0 || !errors.Is(err, unix.EFAULT) {
			t.Errorf("%d bytes at %d: %d, %v", w.Length, w.Offset, n, err)
		}
	}
	if n, err := a.qp.PostRecv([]nic.RecvWR{{MR: a.mr, Offset: 2*half - 1, Length: 2}}); n != 0 || !errors.Is(err, unix.EFAULT) {
		t.Errorf("receive: %d, %v", n, err)
	}
}

// A CQ must hold all that its QPs may complete: what doesn't fit is lost.
func cqOverrun(t *testing.T, c *Config) {
	a := c.open(t, c.Device, nic.Caps{SendWR: 4, RecvWR: 64}, 4)
	a.recv(64)
	if err := a.qp.ToError(); err != nil {
		t.Fatal(err)
	}
	a.event(nic.EventCQError)
}
