package engine_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"scp_rdma/control"
	"scp_rdma/engine"
	"scp_rdma/keys"
	"scp_rdma/localfs"
	"scp_rdma/transport"
	"scp_rdma/transport/mem"
	"scp_rdma/wire"
)

const (
	// scriptTime is what one conversation may take, whatever is said in it: go test takes
	// an input of 10 s for one that hangs.
	scriptTime = 6 * time.Second
	// actWait is for a stream or a credit that may well never come.
	actWait = 100 * time.Millisecond
	// maxScript bounds a conversation, bytes of choices: some hundred words.
	maxScript = 512
	// maxWaits: so many may come to nothing.
	maxWaits = 5
)

// FuzzReceiver: a client that holds a key says anything in any order, on control and in
// frames. The session ends, the server goes on, and nothing outside of its directory
// has changed.
func FuzzReceiver(f *testing.F) {
	f.Add([]byte{})
	// Two files announced, a stream, a frame for each, done.
	f.Add([]byte{0, 1, 2, 0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 2, 1, 1, 1, 0, 1, 8})
	f.Add([]byte("\x00\x04\x03\x02\x01\x00\x05\x06\x07\x02\x02\x02\x03\x01\x00\x00\x02\x09\x08\x07"))
	for _, encrypt := range []byte{0, 1} {
		b := []byte{encrypt}
		for i := range byte(120) {
			b = append(b, i*37, i*11, 255-i)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s := &script{b[:min(len(b), maxScript)]}
		parent := t.TempDir()
		sentinel := filepath.Join(parent, "outside")
		if err := os.WriteFile(sentinel, []byte("untouched"), 0o600); err != nil {
			t.Fatal(err)
		}
		before, err := os.Lstat(sentinel)
		if err != nil {
			t.Fatal(err)
		}
		in := filepath.Join(parent, "in")
		if err := os.Mkdir(in, 0o755); err != nil {
			t.Fatal(err)
		}
		k := start(t, memory, func(k *kit) { k.dst, k.left = in, true })
		talk(t, k, s)
		after, err := os.Lstat(sentinel)
		if err != nil || !os.SameFile(before, after) || !after.ModTime().Equal(before.ModTime()) || after.Mode() != before.Mode() {
			t.Errorf("outside: %v, %v", after, err)
		}
		if list, err := os.ReadDir(parent); err != nil || len(list) != 2 {
			t.Errorf("made outside: %v, %v", list, err)
		}
		// Whoever comes next is served.
		src := t.TempDir()
		write(t, src, map[string]string{"honest": "contents"})
		if r, _, err := k.push(contents(t, src), func(c *engine.SendConfig) { c.Target.Path = "honest-target" }); err != nil || r.Files != 1 {
			t.Errorf("the next client: %v, %+v", err, r)
		}
	})
}

// talk is a client's part, by script.
func talk(t *testing.T, k *kit, s *script) {
	ctx, cancel := context.WithTimeout(t.Context(), scriptTime)
	defer cancel()
	conn, err := control.Dial(ctx, k.dial())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Abort()
	key, err := conn.Derive("scp_rdma join v1")
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Send(&wire.Hello{Version: wire.Version, Rails: []wire.RailSet{{Transport: "mem", Rails: []wire.Rail{{Name: "mem"}}}}})
	m, err := conn.Recv(ctx)
	hello, ok := m.(*wire.Hello)
	if err != nil || !ok {
		t.Fatal("no hello")
	}
	_ = conn.Send(&wire.Open{
		Contents: true, Encrypt: s.n(2) == 1, Path: []byte(one(s, "", "", "", "sub/", "../x", "/")), Exact: s.n(8) == 1, Tops: uint32(s.n(3)),
		Compare: wire.Compare(s.n(3)), Verify: s.n(2) == 1, Fsync: s.n(4) == 1,
	})
	go func() { // reads whatever is said, until the session ends
		for {
			if _, err := conn.Recv(ctx); err != nil {
				cancel()
				return
			}
		}
	}()
	a := &actor{ctx: ctx, k: k, conn: conn, session: transport.ID(hello.Session), key: key}
	defer a.close()
	for !s.over() && ctx.Err() == nil {
		if s.n(3) == 0 {
			a.frame(s)
		} else if conn.Send(s.message()) != nil {
			break // what can't be put into bytes, or the end
		}
	}
}

// actor sends frames on one stream, which it opens when it is needed first.
type actor struct {
	ctx     context.Context
	k       *kit
	conn    *control.Conn
	session transport.ID
	key     []byte
	epoch   uint32
	stream  transport.SendStream
	waits   int // that came to nothing
}

func (a *actor) close() {
	if a.stream != nil {
		_ = a.stream.Close()
		a.stream = nil
	}
}

const actorSlot = 64 << 10

func (a *actor) open() {
	req := transport.OpenRequest{
		Role: transport.Sender, Initiator: true, Session: a.session, Key: a.key, Epoch: a.epoch, Slots: 2, SlotSize: actorSlot,
	}
	ep, err := a.k.client.Open(a.ctx, req)
	if err != nil {
		return
	}
	_ = a.conn.Send(&wire.StreamOpen{Epoch: a.epoch, Transport: "mem", Local: "mem", Peer: "mem", Slots: 2, SlotSize: actorSlot})
	a.epoch++
	ctx, cancel := context.WithTimeout(a.ctx, actWait)
	defer cancel()
	st, err := ep.Connect(ctx, nil)
	if err != nil {
		a.waits++
		return
	}
	a.stream = st.(transport.SendStream)
}

// frame sends one, and now and then a head that is none.
func (a *actor) frame(s *script) {
	if a.waits == maxWaits {
		return
	}
	if a.stream == nil || s.n(16) == 1 {
		a.close()
		a.open()
	}
	if a.stream == nil {
		return
	}
	ctx, cancel := context.WithTimeout(a.ctx, actWait)
	defer cancel()
	slot, err := a.stream.Acquire(ctx)
	if err != nil {
		a.waits++
		a.close()
		return
	}
	h := s.frame()
	data := int(min(h.DataLen, actorSlot))
	if err := slot.SetLen(wire.HeadSize(len(h.Chunks)), data); err != nil {
		a.stream.Discard(slot)
		return
	}
	if h.Protection == wire.ProtectXXH3 && s.n(4) != 0 {
		h.DataSum = wire.Sum(slot.Data())
	}
	h.Append(slot.Head()[:0])
	for range s.n(4) / 2 {
		slot.Head()[s.n(len(slot.Head()))] ^= byte(1 + s.n(255))
	}
	if a.stream.Send(ctx, slot) != nil {
		a.close()
	}
}

// FuzzSender: a server that holds a key says anything in any order, and takes frames or
// does not. The transfer ends, and the source is as it was.
func FuzzSender(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{17, 0, 1, 0, 11, 1, 1, 0, 0, 0, 0, 13, 1, 1, 0, 0})
	b := []byte{}
	for i := range byte(120) {
		b = append(b, i*37, i*11, 255-i)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		s := &script{b[:min(len(b), maxScript)]}
		encrypt := s.n(2) == 1
		src := t.TempDir()
		write(t, src, map[string]string{"a": "contents", "d/large": noise(200_000), "d/e/empty": ""})
		before := read(t, src)
		key := keys.New()
		ln, err := control.Listen(t.Context(), control.ListenConfig{Addr: "127.0.0.1:0", Keys: keys.Single("", key)})
		if err != nil {
			t.Fatal(err)
		}
		tr := mem.New()
		ctx, cancel := context.WithTimeout(t.Context(), scriptTime)
		defer cancel()
		served := make(chan struct{})
		go func() {
			defer close(served)
			answer(ctx, ln, tr, s)
		}()
		_, err = engine.Send(ctx, engine.SendConfig{
			Server: control.DialConfig{Addr: ln.Addr().String(), Key: &key}, Transports: transport.NewRegistry(tr), Streams: 1, RetryFor: -1,
			Source: contents(t, src), Target: localfs.Target{Contents: true}, SlotSize: actorSlot, Encrypt: encrypt,
		})
		if errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the transfer does not end: %v", err)
		}
		cancel()
		if err := ln.Close(); err != nil {
			t.Error(err)
		}
		<-served
		after := read(t, src)
		for name, text := range before {
			if after[name] != text {
				t.Errorf("%s has changed", name)
			}
		}
	})
}

// answer is a server's part in one session, by script.
func answer(ctx context.Context, ln *control.Listener, tr transport.Transport, s *script) {
	conn, err := ln.Accept(ctx)
	if err != nil {
		return
	}
	defer conn.Abort()
	if _, err := conn.Recv(ctx); err != nil {
		return
	}
	key, err := conn.Derive("scp_rdma join v1")
	if err != nil {
		return
	}
	id := make([]byte, 16)
	rand.Read(id)
	_ = conn.Send(&wire.Hello{
		Version: wire.Version, Session: id, Features: []string{wire.FeatureEncrypt},
		Rails:  []wire.RailSet{{Transport: "mem", Rails: []wire.Rail{{Name: "mem"}}}},
		Limits: wire.Limits{Streams: uint32(1 + s.n(4)), Slots: one(s, uint32(64), 1, 0), SlotSize: one(s, uint32(1<<20), 8192, 4096, 0), Window: one(s, uint32(64), 1, 0)},
	})
	opens := make(chan *wire.StreamOpen, 64)
	go func() { // hears the client until it ends
		defer close(opens)
		for {
			m, err := conn.Recv(ctx)
			if err != nil {
				return
			}
			if o, ok := m.(*wire.StreamOpen); ok {
				select {
				case opens <- o:
				default:
				}
			}
		}
	}()
	if s.n(8) != 1 {
		_ = conn.Send(&wire.Opened{Window: 64})
	}
	for {
		select {
		case o, ok := <-opens:
			if !ok {
				return
			}
			go take(ctx, conn, tr, transport.ID(id), key, o)
			continue
		default:
		}
		if s.over() {
			return
		}
		if conn.Send(s.message()) != nil {
			return
		}
	}
}

// take receives frames of a stream, and says of each unit that it was applied.
func take(ctx context.Context, conn *control.Conn, tr transport.Transport, id transport.ID, key []byte, o *wire.StreamOpen) {
	ep, err := tr.Open(ctx, transport.OpenRequest{
		Role: transport.Receiver, Session: id, Key: key, Stream: o.Stream, Epoch: o.Epoch, Slots: int(o.Slots), SlotSize: int(o.SlotSize),
		Control: transport.Path{Local: netip.AddrPort{}, Remote: netip.AddrPort{}},
	})
	if err != nil {
		return
	}
	defer ep.Close()
	_ = conn.Send(&wire.StreamReady{Stream: o.Stream, Epoch: o.Epoch, Offer: ep.Offer()})
	st, err := ep.Connect(ctx, o.Offer)
	if err != nil {
		return
	}
	defer st.Close()
	r := st.(transport.RecvStream)
	var h wire.FrameHead
	for {
		slot, err := r.Recv(ctx)
		if err != nil {
			return
		}
		if wire.ParseFrameHead(append([]byte(nil), slot.Head()...), &h) == nil {
			_ = conn.Send(&wire.Results{Units: []uint64{h.Unit}})
		}
		if r.Release(slot) != nil {
			return
		}
	}
}
