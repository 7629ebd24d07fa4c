package verbs

import (
	"errors"
	"io"
	"sync"
	"testing"

	"scp_rdma/transport"
	"scp_rdma/transport/transporttest"
	"scp_rdma/wire"
)

// unreadMax is how many CDCs a raw peer takes that nobody reads.
const unreadMax = 4

// rawConn is an honest QP in the hands of the suite: what it writes are CDCs, each
// data CDC with its bytes, and that is what it reads.
type rawConn struct {
	l *link

	cond    *sync.Cond // of l.mu
	unread  []byte
	frames  uint64 // taken
	pending int    // CDCs in unread
	partial []byte // written, not a whole CDC yet
	watch   sync.WaitGroup
}

// raw joins as an initiator does, and gives the stream to the suite.
func raw(t *testing.T, w transporttest.World, req transport.OpenRequest, offer []byte) io.ReadWriteCloser {
	t.Helper()
	tr := w.Initiator.(*controlled)
	opened, err := tr.Transport.Open(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	e := opened.(*endpoint)
	c := &rawConn{l: e.l, cond: sync.NewCond(&e.l.mu)}
	e.l.role = c
	tr.c.bring(req, e.Offer())
	if err := e.connect(t.Context(), offer); err != nil {
		t.Fatal(errors.Join(err, e.Close()))
	}
	e.finish()
	c.watch.Go(func() {
		<-c.l.failed
		c.l.mu.Lock()
		defer c.l.mu.Unlock()
		c.cond.Broadcast()
	})
	return c
}

func (c *rawConn) take(d wire.CDC) error {
	c.unread = d.Append(c.unread)
	c.pending++
	if d.Kind == wire.CDCData {
		c.frames++
		slot := c.l.slots[d.Slot]
		slot.Reset(d.Frame)
		if err := slot.SetLen(int(d.HeadLen), int(d.DataLen)); err != nil {
			return err
		}
		c.unread = append(c.unread, slot.Bytes()...)
	}
	c.cond.Broadcast()
	return nil
}

func (c *rawConn) due() uint64        { return c.frames }
func (c *rawConn) ping() error        { return nil }
func (c *rawConn) idle(uint64) error  { return nil }
func (c *rawConn) full(wire.CDC) bool { return c.pending >= unreadMax }
func (c *rawConn) settle() error      { c.cond.Broadcast(); return nil }

// Read gives what has come. Nothing is posted again for CDCs beyond unreadMax.
func (c *rawConn) Read(p []byte) (int, error) {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	for len(c.unread) == 0 && c.l.err == nil {
		c.cond.Wait()
	}
	n := copy(p, c.unread)
	c.unread = c.unread[n:]
	if len(c.unread) == 0 {
		c.pending = 0
		if n == 0 {
			return 0, c.l.err
		}
	}
	return n, nil
}

// Write says all that is whole. A data CDC without any of its bytes is said too.
func (c *rawConn) Write(p []byte) (int, error) {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	c.partial = append(c.partial, p...)
	for len(c.partial) >= wire.CDCSize {
		b, body, ok := c.next()
		if !ok {
			break
		}
		if err := c.say(b, body); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// body is a range of the slab that goes before a CDC.
type body struct{ offset, length int }

// next takes a CDC off what was written, and puts its bytes into the slab if they fit.
func (c *rawConn) next() ([]byte, body, bool) {
	b, rest := c.partial[:wire.CDCSize], c.partial[wire.CDCSize:]
	d, err := wire.ParseCDC(b)
	n := int(d.HeadLen) + int(d.DataLen)
	if err != nil || d.Kind != wire.CDCData || len(rest) == 0 {
		c.partial = rest
		return b, body{}, true
	}
	if len(rest) < n {
		return nil, body{}, false
	}
	c.partial = rest[n:]
	if int64(d.Slot) >= int64(len(c.l.slots)) || c.l.req.Role != transport.Sender {
		return b, body{}, true
	}
	slot := c.l.slots[d.Slot]
	if slot.SetLen(int(d.HeadLen), int(d.DataLen)) != nil {
		return b, body{}, true
	}
	copy(slot.Bytes(), rest[:n])
	return b, body{int(d.Slot)*(transport.HeadRoom+c.l.req.SlotSize) + transport.HeadRoom - int(d.HeadLen), n}, true
}

// say waits for room.
func (c *rawConn) say(b []byte, at body) error {
	for {
		if c.l.state == dead || c.l.state == freed {
			return c.l.err
		}
		err := c.l.say(b, true, at.offset, at.length)
		if !errors.Is(err, errNoRoom) {
			return err
		}
		c.cond.Wait()
	}
}

// Close is the end of a process: nothing is said.
func (c *rawConn) Close() error {
	c.l.fail(errors.New("closed by the test"))
	err := c.l.close(false, wire.CDC{})
	c.watch.Wait()
	return err
}
