package engine_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"scp_rdma/control"
	"scp_rdma/engine"
	"scp_rdma/keys"
	"scp_rdma/localfs"
	"scp_rdma/transport"
	"scp_rdma/transport/mem"
	"scp_rdma/wire"
)

// FuzzGiver: a client that holds a key asks for anything, and says anything then. The session
// ends, the server goes on, and of what lies outside of its directory not a byte is sent.
func FuzzGiver(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	for i := range byte(17) {
		f.Add([]byte{i, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 17, 0, 1, 0, 11, 1, 1, 0, 0})
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s := &script{b[:min(len(b), maxScript)]}
		parent := t.TempDir()
		const secret = "a secret that is nobody's business"
		write(t, parent, map[string]string{"outside/secret": secret, "in/a": "contents", "in/d/large": noise(100_000), "in/d/e/empty": ""})
		in := filepath.Join(parent, "in")
		must(t, os.Symlink("../outside", filepath.Join(in, "out")))
		must(t, os.Symlink("d", filepath.Join(in, "link")))
		before := read(t, parent)
		k := start(t, memory, func(k *kit) { k.dst, k.left = in, true })
		var leaked atomic.Bool
		takeAll(t, k, s, func(data []byte) {
			if bytes.Contains(data, []byte(secret)) {
				leaked.Store(true)
			}
		})
		if leaked.Load() {
			t.Error("what lies outside was sent")
		}
		if after := read(t, parent); len(after) != len(before) {
			t.Errorf("files have come or gone: %d, there were %d", len(after), len(before))
		}
		if dst, _, _, err := k.fetch([]string{"a"}); err != nil || read(t, dst)["a"] != "contents" {
			t.Errorf("the next client: %v", err)
		}
	})
}

// takeAll is a client that fetches, by script. Streams that the server wants are dialled
// and emptied.
func takeAll(t *testing.T, k *kit, s *script, got func([]byte)) {
	ctx, cancel := context.WithTimeout(t.Context(), scriptTime)
	defer cancel()
	conn, err := control.Dial(ctx, k.dial())
	must(t, err)
	defer conn.Abort()
	key, err := conn.Derive("scp_rdma join v1")
	must(t, err)
	_ = conn.Send(&wire.Hello{Version: wire.Version, Rails: []wire.RailSet{{Transport: "mem", Rails: []wire.Rail{{Name: "mem"}}}}})
	m, err := conn.Recv(ctx)
	hello, ok := m.(*wire.Hello)
	if err != nil || !ok {
		t.Fatal("no hello")
	}
	if conn.Send(s.fetch()) != nil {
		return
	}
	joins := make(chan *wire.StreamJoin, 64)
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		for {
			m, err := conn.Recv(ctx)
			if err != nil {
				cancel()
				return
			}
			switch m := m.(type) {
			case *wire.StreamOpen:
				go dialBack(ctx, k.client, conn, transport.ID(hello.Session), key, m, joins, got)
			case *wire.StreamJoin:
				select {
				case joins <- m:
				default:
				}
			}
		}
	}()
	if s.n(8) != 1 {
		_ = conn.Send(&wire.Opened{Window: 64})
	}
	// What an honest client would say of the entries, before it begins to lie.
	_ = conn.Send(&wire.Answers{List: []wire.Answer{{ID: 1, Action: wire.ActionNeed}, {ID: 2, Action: wire.ActionNeed}, {ID: 3, Action: wire.ActionNeed}}})
	for !s.over() && ctx.Err() == nil && conn.Send(s.message()) == nil {
	}
	_ = conn.Send(&wire.Bye{})
	conn.Abort()
	<-heard
}

// dialBack joins a stream as the server wants, and takes its frames.
func dialBack(ctx context.Context, tr transport.Transport, conn *control.Conn, id transport.ID, key []byte, o *wire.StreamOpen, joins <-chan *wire.StreamJoin, got func([]byte)) {
	ep, err := tr.Open(ctx, transport.OpenRequest{
		Role: transport.Receiver, Initiator: true, Session: id, Key: key, Stream: o.Stream, Epoch: o.Epoch, Slots: int(o.Slots), SlotSize: int(o.SlotSize),
	})
	if err != nil {
		return
	}
	defer ep.Close()
	_ = conn.Send(&wire.StreamReady{Stream: o.Stream, Epoch: o.Epoch, Offer: ep.Offer()})
	var offer []byte
	select {
	case j := <-joins:
		offer = j.Offer
	case <-ctx.Done():
		return
	}
	st, err := ep.Connect(ctx, offer)
	if err != nil {
		return
	}
	defer st.Close()
	for {
		slot, err := st.(transport.RecvStream).Recv(ctx)
		if err != nil {
			return
		}
		got(slot.Data())
		if st.(transport.RecvStream).Release(slot) != nil {
			return
		}
	}
}

// FuzzFetcher: a server that holds a key sends anything to a client that has asked for one
// name. The transfer ends, and nothing has come but under that name.
func FuzzFetcher(f *testing.F) {
	f.Add([]byte{})
	b := []byte{}
	for i := range byte(120) {
		b = append(b, i*37, i*11, 255-i)
	}
	f.Add(b)
	f.Add([]byte{0, 0, 1, 1, 2, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 2, 1, 1, 1, 0, 1, 8})
	f.Add([]byte{1, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 1, 1, 1, 0, 0, 1, 2, 1, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		s := &script{b[:min(len(b), maxScript)]}
		parent := t.TempDir()
		write(t, parent, map[string]string{"outside": "untouched", "in/mine": "mine"})
		key := keys.New()
		ln, err := control.Listen(t.Context(), control.ListenConfig{Addr: "127.0.0.1:0", Keys: keys.Single("", key)})
		must(t, err)
		tr := mem.New()
		ctx, cancel := context.WithTimeout(t.Context(), scriptTime)
		defer cancel()
		served := make(chan struct{})
		go func() {
			defer close(served)
			giveAnything(ctx, ln, tr, s)
		}()
		root, err := localfs.OpenRoot(filepath.Join(parent, "in"), false)
		must(t, err)
		defer root.Close()
		cfg := engine.FetchConfig{
			Server: control.DialConfig{Addr: ln.Addr().String(), Key: &key}, Transports: transport.NewRegistry(tr), Streams: 1, RetryFor: -1,
			Paths: []string{"f"}, NewSink: func(o localfs.SinkOptions) (engine.Sink, error) { return root.SinkAt("", o) },
		}
		if len(b) > 0 && b[len(b)-1]%4 == 1 { // to stdout
			cfg.Out = &sink{}
		}
		_, err = engine.Fetch(ctx, cfg)
		if errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the transfer does not end: %v", err)
		}
		cancel()
		must(t, ln.Close())
		<-served
		files := read(t, parent)
		if files["outside"] != "untouched" || files["in/mine"] != "mine" {
			t.Error("what was there has changed")
		}
		list, err := os.ReadDir(root.Path())
		must(t, err)
		for _, e := range list {
			if !slices.Contains([]string{"mine", "f"}, e.Name()) && !strings.HasPrefix(e.Name(), ".scp_rdma.") {
				t.Errorf("%s has come", e.Name())
			}
		}
	})
}

// giveAnything is a server's part in one session, by script.
func giveAnything(ctx context.Context, ln *control.Listener, tr transport.Transport, s *script) {
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
		Version: wire.Version, Session: id, Features: []string{wire.FeatureFetch, wire.FeatureStream}, Rails: []wire.RailSet{{Transport: "mem", Rails: []wire.Rail{{Name: "mem"}}}},
		Limits: wire.Limits{Streams: 4, Slots: 64, SlotSize: 1 << 20, Window: 64},
	})
	if _, err := conn.Recv(ctx); err != nil {
		return
	}
	if conn.Send(&wire.Open{Tops: uint32(s.n(3)), Contents: s.n(2) == 1, Path: []byte(s.text()), Source: make([]byte, 32)}) != nil {
		return
	}
	ready := make(chan *wire.StreamReady, 64)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			m, err := conn.Recv(ctx)
			if err != nil {
				return
			}
			if r, ok := m.(*wire.StreamReady); ok {
				select {
				case ready <- r:
				default:
				}
			}
		}
	}()
	g := &giverActor{ctx: ctx, tr: tr, conn: conn, id: transport.ID(id), key: key, ready: ready}
	defer g.close()
	for !s.over() && ctx.Err() == nil {
		if s.n(3) == 0 {
			g.frame(s)
		} else if conn.Send(s.message()) != nil {
			break
		}
	}
	conn.Abort()
	<-ended
}

// giverActor sends frames on one stream, which it has the client dial.
type giverActor struct {
	ctx   context.Context
	tr    transport.Transport
	conn  *control.Conn
	id    transport.ID
	key   []byte
	ready <-chan *wire.StreamReady
	epoch uint32
	st    transport.SendStream
	waits int
}

func (g *giverActor) close() {
	if g.st != nil {
		_ = g.st.Close()
		g.st = nil
	}
}

func (g *giverActor) open() {
	ctx, cancel := context.WithTimeout(g.ctx, actWait)
	defer cancel()
	_ = g.conn.Send(&wire.StreamOpen{Epoch: g.epoch, Transport: "mem", Local: "mem", Peer: "mem", Slots: 2, SlotSize: actorSlot})
	g.waits++
	select {
	case r := <-g.ready:
		ep, err := g.tr.Open(ctx, transport.OpenRequest{
			Role: transport.Sender, Session: g.id, Key: g.key, Epoch: g.epoch, Slots: 2, SlotSize: actorSlot, Offer: r.Offer,
		})
		if err != nil {
			return
		}
		_ = g.conn.Send(&wire.StreamJoin{Epoch: g.epoch, Offer: ep.Offer()})
		st, err := ep.Connect(ctx, r.Offer)
		if err != nil {
			return
		}
		g.st = st.(transport.SendStream)
		g.waits--
	case <-ctx.Done():
	}
	g.epoch++
}

// frame sends one.
func (g *giverActor) frame(s *script) {
	if g.waits == maxWaits {
		return
	}
	if g.st == nil {
		g.open()
	}
	if g.st == nil {
		return
	}
	ctx, cancel := context.WithTimeout(g.ctx, actWait)
	defer cancel()
	slot, err := g.st.Acquire(ctx)
	if err != nil {
		g.waits++
		g.close()
		return
	}
	h := s.frame()
	if err := slot.SetLen(wire.HeadSize(len(h.Chunks)), int(min(h.DataLen, actorSlot))); err != nil {
		g.st.Discard(slot)
		return
	}
	if h.Protection == wire.ProtectXXH3 && s.n(4) != 0 {
		h.DataSum = wire.Sum(slot.Data())
	}
	h.Append(slot.Head()[:0])
	if g.st.Send(ctx, slot) != nil {
		g.close()
	}
}
