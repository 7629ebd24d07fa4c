package devicetest

import (
	"bytes"
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"scp_rdma/transport/verbs/internal/nic"
)

// refuses says whether devices of the kind have no immediate data: iWARP has none in a
// WRITE (RFC 7306 has them, and no driver asked here).
func refuses(t *testing.T, c *Config, a, b *end) bool {
	t.Helper()
	if c.Kind.ByHand {
		return false
	}
	w := write(b, 8)
	w.MR, w.WithImm = a.mr, true
	if n, err := a.qp.PostSend([]nic.SendWR{w}); n != 0 || !errors.Is(err, unix.EINVAL) {
		t.Errorf("post a WRITE with immediate data: %d, %v", n, err)
	}
	return true
}

func immediate(t *testing.T, c *Config) {
	a, b := c.pair(t, usual())
	if refuses(t, c, a, b) {
		return
	}
	for k, n := range []int{40000, 0, 1, 5000} {
		b.recv(1)
		copy(a.mem[half:], bytes.Repeat([]byte{byte(k + 1)}, n))
		copy(b.mem, "untouched")
		w := write(b, n)
		w.ID, w.WithImm, w.Imm = 5, true, 0x01020304*uint32(k+1)
		a.send(w)
		wc := b.one()
		if b.is(wc, nic.Success); wc.Opcode != nic.OpRecvImm || wc.Imm != w.Imm || int(wc.ByteLen) != n || wc.ID != 0 {
			t.Fatalf("%d bytes: %+v", n, wc)
		}
		if !bytes.Equal(b.mem[half:half+n], a.mem[half:half+n]) || string(b.mem[:9]) != "untouched" {
			t.Fatal("the data were not there, or elsewhere too")
		}
		if wc := a.one(); wc.Status != nic.Success || wc.ID != 5 || wc.Opcode != nic.OpWrite {
			t.Fatalf("the WRITE: %+v", wc)
		}
	}
	// A SEND behind it takes the next receive, as a SEND.
	b.recv(2)
	w := write(b, 100)
	w.WithImm, w.Signalled = true, false
	a.send(w, nic.SendWR{Op: nic.OpSend, Length: 48, Signalled: true})
	if got := b.next(2); got[0].Opcode != nic.OpRecvImm || got[1].Opcode != nic.OpRecv || got[1].ByteLen != 48 || got[1].ID != 1 {
		t.Errorf("%+v", got)
	}
	a.is(a.one(), nic.Success)
}

func immediateBadKey(t *testing.T, c *Config) {
	a, b := c.pair(t, usual())
	if refuses(t, c, a, b) {
		return
	}
	b.recv(1)
	w := write(b, 100)
	w.WithImm, w.RKey = true, b.mr.RKey()^0x5a00
	a.send(w)
	a.is(a.one(), nic.RemoteAccess)
	b.is(b.one(), nic.RemoteAccess) // the receive
}

func immediateRNR(t *testing.T, c *Config) {
	r := usual()
	r.RNRCount = 0
	a, b := c.pair(t, r)
	if refuses(t, c, a, b) {
		return
	}
	w := write(b, 100)
	w.WithImm = true
	a.send(w)
	a.is(a.one(), nic.RNRExceeded)
	a, b = c.pair(t, usual())
	w = write(b, 100)
	w.WithImm, w.Imm = true, 9
	a.send(w)
	b.recv(1)
	if wc := b.one(); wc.Opcode != nic.OpRecvImm || wc.Imm != 9 {
		t.Errorf("%+v", wc)
	}
	a.is(a.one(), nic.Success)
}
