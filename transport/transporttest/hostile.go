package transporttest

import (
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"scp_rdma/transport"
	"scp_rdma/wire"
)

// lie is what a peer says that has proved itself and then breaks the rules.
type lie struct {
	name string
	say  []byte
}

// rawEpoch is the epoch of streams whose peer is the suite itself.
const rawEpoch = 5

func cdc(c wire.CDC) []byte {
	if c.Epoch == 0 {
		c.Epoch = rawEpoch
	}
	return c.Append(nil)
}

// noise is n bytes that mean nothing, the same each time.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b) // never fails
	return b
}

// data is a frame with one byte of head and one of data.
func data(slot uint32, number uint64) []byte {
	c := wire.CDC{Kind: wire.CDCData, Slot: slot, Frame: number, HeadLen: 1, DataLen: 1}
	return append(cdc(c), 1, 2)
}

// senderLies are told to a receiver with 2 slots.
func senderLies() []lie {
	long := func(head, data uint32) []byte {
		return cdc(wire.CDC{Kind: wire.CDCData, HeadLen: head, DataLen: data})
	}
	three := append(append(data(0, 0), data(1, 1)...), data(0, 2)...)
	return []lie{
		{"bytes that are no CDC", noise(4 * wire.CDCSize)},
		{"zeros", make([]byte, wire.CDCSize)},
		{"a frame that skips one", data(1, 1)},
		{"a frame in another slot than its own", data(1, 0)},
		{"a slot out of range", data(1<<31, 0)},
		{"a frame number that wraps to slot 0", data(0, 1<<63)},
		{"a frame of another epoch", cdc(wire.CDC{Kind: wire.CDCData, Epoch: 4, HeadLen: 1, DataLen: 1})},
		{"a head beyond its room", long(transport.HeadRoom+1, 0)},
		{"data beyond the slot", long(0, transport.MinSlotSize+1)},
		{"lengths of 4 GiB", long(1<<32-1, 1<<32-1)},
		{"more frames than slots", three},
		{"the same frame twice", append(data(0, 0), data(0, 0)...)},
		{"a credit, which is the receiver's to give", cdc(wire.CDC{Kind: wire.CDCCredit, Grant: 1})},
		{"done after more frames than came", cdc(wire.CDC{Kind: wire.CDCDone, Frame: 1})},
		{"done in another epoch", cdc(wire.CDC{Kind: wire.CDCDone, Epoch: 4})},
	}
}

// receiverLies are told to a sender with 2 slots that has sent 2 frames.
func receiverLies() []lie {
	return []lie{
		{"bytes that are no CDC", noise(4 * wire.CDCSize)},
		{"a credit for more than there is room for", cdc(wire.CDC{Kind: wire.CDCCredit, Grant: 5})},
		{"a credit of 2^64-1", cdc(wire.CDC{Kind: wire.CDCCredit, Grant: 1<<64 - 1})},
		{"a frame", data(0, 0)},
		{"a request, which is the sender's to make", cdc(wire.CDC{Kind: wire.CDCRequest})},
		{"done, which is the sender's to say", cdc(wire.CDC{Kind: wire.CDCDone})},
	}
}

// openRaw opens the responder's end with 2 slots in a role; the suite is its peer.
func (s *suite) openRaw(t *testing.T, role transport.Role) (io.ReadWriteCloser, transport.Stream) {
	t.Helper()
	mine, theirs := s.ends(t)
	mine.Role, theirs.Role = transport.Sender+transport.Receiver-role, role
	for _, r := range []*transport.OpenRequest{&mine, &theirs} {
		r.Slots, r.SlotSize, r.Epoch = 2, transport.MinSlotSize, rawEpoch
	}
	e := endpoint(t, s.Responder, theirs)
	joined := async(func() (transport.Stream, error) { return e.Connect(within(t), nil) })
	peer := s.raw(t, s.World, mine, e.Offer())
	st, err := await(t, joined)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = peer.Close(), st.Close() })
	return peer, st
}

// rawSender is a receiver whose sender is the suite.
func (s *suite) rawSender(t *testing.T) (io.ReadWriteCloser, transport.RecvStream) {
	t.Helper()
	peer, st := s.openRaw(t, transport.Receiver)
	return peer, st.(transport.RecvStream)
}

// rawReceiver is a sender that has sent two frames, all it has credits for, to the suite.
func (s *suite) rawReceiver(t *testing.T) (io.ReadWriteCloser, transport.SendStream) {
	t.Helper()
	peer, st := s.openRaw(t, transport.Sender)
	a := st.(transport.SendStream)
	for n := range 2 {
		if err := send(within(t), a, n, 1, 1); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.ReadFull(peer, make([]byte, 2*(wire.CDCSize+2))); err != nil {
		t.Fatal(err)
	}
	return peer, a
}

// recvAll receives until it fails, and keeps every slot.
func recvAll(t *testing.T, b transport.RecvStream) error {
	t.Helper()
	for {
		if _, err := b.Recv(within(t)); err != nil {
			return err
		}
	}
}

func testSenderLies(t *testing.T, s *suite) {
	for _, l := range senderLies() {
		peer, b := s.rawSender(t)
		_, _ = peer.Write(l.say)
		for range 2 { // and goes on refusing
			if err := recvAll(t, b); !errors.Is(err, transport.ErrProtocol) {
				t.Errorf("%s: %v", l.name, err)
			}
		}
	}
}

func testReceiverLies(t *testing.T, s *suite) {
	for _, l := range receiverLies() {
		peer, a := s.rawReceiver(t)
		_, _ = peer.Write(l.say)
		if err := a.Flush(within(t)); !errors.Is(err, transport.ErrProtocol) {
			t.Errorf("%s: %v", l.name, err)
		}
	}
}

// testCutShort: an end in the middle is never the end.
func testCutShort(t *testing.T, s *suite) {
	frame := data(0, 0)
	done := cdc(wire.CDC{Kind: wire.CDCDone, Frame: 1})
	for name, say := range map[string][]byte{
		"in a frame":  frame[:len(frame)-1],
		"in a CDC":    append(data(0, 0), done[:len(done)-1]...),
		"before Done": frame,
	} {
		peer, b := s.rawSender(t)
		_, err := peer.Write(say)
		if err := errors.Join(err, peer.Close()); err != nil {
			t.Fatal(err)
		}
		if err := recvAll(t, b); !errors.Is(err, transport.ErrPeerGone) {
			t.Errorf("a sender that stops %s: %v", name, err)
		}
	}
}

// hear reads the CDC that the responder says next.
func hear(t *testing.T, peer io.Reader) wire.CDC {
	t.Helper()
	b := make([]byte, wire.CDCSize)
	if _, err := io.ReadFull(peer, b); err != nil {
		t.Fatal(err)
	}
	c, err := wire.ParseCDC(b)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// testAnswers: every request is answered with the current count, and remembered
// until something is granted, which is then told at once.
func testAnswers(t *testing.T, s *suite) {
	peer, b := s.rawSender(t)
	ctx := within(t)
	receiver := start(func() error {
		for n := range 3 {
			slot, err := b.Recv(ctx)
			if err == nil && n == 0 {
				err = b.Release(slot)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	ask := cdc(wire.CDC{Kind: wire.CDCRequest})
	for i, step := range []struct {
		say   []byte
		kind  wire.CDCKind
		grant uint64
	}{
		{ask, wire.CDCAnswer, 2},
		{ask, wire.CDCAnswer, 2},
		{data(0, 0), wire.CDCCredit, 3},
		{append(data(1, 1), ask...), wire.CDCAnswer, 3},
	} {
		if _, err := peer.Write(step.say); err != nil {
			t.Fatal(err)
		}
		if got, want := hear(t, peer), (wire.CDC{Kind: step.kind, Epoch: rawEpoch, Grant: step.grant}); got != want {
			t.Fatalf("step %d: %+v, want %+v", i, got, want)
		}
	}
	if _, err := peer.Write(data(0, 2)); err != nil {
		t.Fatal(err)
	}
	if err := receiver.wait(t); err != nil {
		t.Error(err)
	}
}

// testStaleCredits: credits that are late, repeated or of another epoch change nothing.
func testStaleCredits(t *testing.T, s *suite) {
	peer, a := s.rawReceiver(t)
	flushed := start(func() error { return a.Flush(within(t)) })
	var say []byte
	for _, c := range []wire.CDC{{Epoch: 4, Grant: 4}, {Epoch: 6, Grant: 1 << 40}, {Grant: 2}, {Grant: 0}, {Grant: 3}, {Grant: 1}} {
		c.Kind = wire.CDCCredit
		say = append(say, cdc(c)...)
	}
	if _, err := peer.Write(append(say, cdc(wire.CDC{Kind: wire.CDCHeartbeat})...)); err != nil {
		t.Fatal(err)
	}
	flushed.blocks(t)
	if _, err := peer.Write(cdc(wire.CDC{Kind: wire.CDCCredit, Grant: 4})); err != nil {
		t.Fatal(err)
	}
	if err := flushed.wait(t); err != nil {
		t.Error(err)
	}
}

// testQuiet: the receiver remembers who is blocked. A sender that asked again at
// each answer without news would keep both ends busy while a disk is slow.
func testQuiet(t *testing.T, s *suite) {
	peer, a := s.rawReceiver(t)
	sent := start(func() error { return send(within(t), a, 2, 1, 1) })
	if got := hear(t, peer); got.Kind != wire.CDCRequest {
		t.Fatalf("a blocked sender said %+v", got)
	}
	stale, news := cdc(wire.CDC{Kind: wire.CDCAnswer, Grant: 2}), cdc(wire.CDC{Kind: wire.CDCCredit, Grant: 3})
	if _, err := peer.Write(append(stale, news...)); err != nil {
		t.Fatal(err)
	}
	if got := hear(t, peer); got.Kind != wire.CDCData || got.Frame != 2 {
		t.Errorf("after an answer without news and a credit: %+v, want frame 2", got)
	}
	if err := sent.wait(t); err != nil {
		t.Error(err)
	}
}

// testDeaf: a peer asks without end and reads no answer, until its own writes
// are stuck: Close gets through all the same.
func testDeaf(t *testing.T, s *suite) {
	peer, b := s.rawSender(t)
	received := start(func() error { return recvAll(t, b) })
	var many []byte
	for range 1000 {
		many = append(many, cdc(wire.CDC{Kind: wire.CDCRequest})...)
	}
	flood := start(func() error {
		for {
			if _, err := peer.Write(many); err != nil {
				return err
			}
		}
	})
	if !s.cuts {
		for _, c := range []*call{flood, received, flood} { // both, at one time
			c.blocks(t)
		}
	}
	began := time.Now()
	_ = start(b.Close).wait(t)
	if d := time.Since(began); d > promptly {
		t.Errorf("close took %v", d)
	}
	if err := received.wait(t); err == nil || !s.cuts && !errors.Is(err, transport.ErrClosed) {
		t.Errorf("recv: %v", err)
	}
	_ = flood.wait(t)
}
