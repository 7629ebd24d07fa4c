package engine_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"scp_rdma/control"
	"scp_rdma/engine"
	"scp_rdma/transport"
	"scp_rdma/transport/mem"
	"scp_rdma/wire"
)

// rogue is a client that says what it likes, after an honest greeting.
type rogue struct {
	t      *testing.T
	k      *kit
	conn   *control.Conn
	hello  *wire.Hello
	key    []byte // of the streams
	stream transport.SendStream
}

func newRogue(t *testing.T, k *kit) *rogue {
	t.Helper()
	return newRogueFor(t, k, &wire.Open{Contents: true})
}

// newRogueFor is newRogue with an Open of its own, and abilities.
func newRogueFor(t *testing.T, k *kit, open *wire.Open, features ...string) *rogue {
	t.Helper()
	conn, err := control.Dial(t.Context(), k.dial())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Abort)
	r := &rogue{t: t, k: k, conn: conn}
	if r.key, err = conn.Derive("scp_rdma join v1"); err != nil {
		t.Fatal(err)
	}
	r.say(&wire.Hello{Version: wire.Version, Features: features, Rails: []wire.RailSet{{Transport: "mem", Rails: []wire.Rail{{Name: "mem"}}}}})
	hello, ok := r.hear().(*wire.Hello)
	if !ok {
		t.Fatal("no hello")
	}
	r.hello = hello
	r.say(open)
	if _, ok := r.hear().(*wire.Opened); !ok {
		t.Fatal("not opened")
	}
	return r
}

func (r *rogue) say(m wire.Message) {
	r.t.Helper()
	if err := r.conn.Send(m); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rogue) hear() wire.Message {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	m, err := r.conn.Recv(ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	return m
}

// open opens stream 0 with slots of 64 KiB.
func (r *rogue) open() {
	r.t.Helper()
	req := transport.OpenRequest{
		Role: transport.Sender, Initiator: true, Session: transport.ID(r.hello.Session), Key: r.key,
		Slots: 2, SlotSize: 64 << 10,
	}
	ep, err := r.k.client.Open(r.t.Context(), req)
	if err != nil {
		r.t.Fatal(err)
	}
	r.say(&wire.StreamOpen{Transport: "mem", Local: "mem", Peer: "mem", Slots: 2, SlotSize: 64 << 10})
	ready, ok := r.hear().(*wire.StreamReady)
	if !ok || ready.Error != "" {
		r.t.Fatalf("not ready: %+v", ready)
	}
	st, err := ep.Connect(r.t.Context(), ready.Offer)
	if err != nil {
		r.t.Fatal(err)
	}
	r.stream = st.(transport.SendStream)
	r.t.Cleanup(func() { _ = st.Close() })
}

// frame sends a frame with the given head and as much data as it says.
func (r *rogue) frame(h wire.FrameHead) {
	r.t.Helper()
	slot, err := r.stream.Acquire(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	if err := slot.SetLen(wire.HeadSize(len(h.Chunks)), int(h.DataLen)); err != nil {
		r.t.Fatal(err)
	}
	h.Append(slot.Head()[:0])
	if err := r.stream.Send(r.t.Context(), slot); err != nil {
		r.t.Fatal(err)
	}
}

// refused waits for the server's Bye and checks that it ended the session for it.
func (r *rogue) refused(code uint16) {
	r.t.Helper()
	for {
		if bye, ok := r.hear().(*wire.Bye); ok {
			if bye.Code != code {
				r.t.Errorf("bye %d (%s), want %d", bye.Code, bye.Text, code)
			}
			break
		}
	}
	r.conn.Abort() // the server lingers for its last words to be read
	if s := waitOn(r.t, r.k.sessions); s.err == nil {
		r.t.Error("the server saw nothing wrong")
	}
}

func memory(k *kit) { tr := mem.New(); k.client, k.server = tr, tr }

func file(id uint64, name string, size int64) wire.Entry {
	return wire.Entry{ID: id, Kind: wire.KindFile, Name: []byte(name), Size: size, Mode: 0o644}
}

func dir(id, parent uint64, name string) wire.Entry {
	return wire.Entry{ID: id, Parent: parent, Kind: wire.KindDir, Name: []byte(name), Mode: 0o755}
}

func TestEntriesThatBreakTheProtocolEndTheSession(t *testing.T) {
	list := func(e ...wire.Entry) wire.Message { return &wire.Entries{List: e} }
	tests := map[string][]wire.Message{
		"an unknown parent":                 {list(wire.Entry{ID: 1, Parent: 9, Kind: wire.KindFile, Name: []byte("f")})},
		"one id twice":                      {list(file(1, "f", 1), file(1, "g", 1))},
		"a directory's id again":            {list(dir(1, 0, "d"), file(1, "g", 1))},
		"the end of no directory":           {list(wire.Entry{ID: 7, Kind: wire.KindDirEnd})},
		"the end of a file":                 {list(file(7, "f", 1), wire.Entry{ID: 7, Kind: wire.KindDirEnd})},
		"a directory's end twice":           {list(dir(1, 0, "d"), file(2, "f", 1), wire.Entry{ID: 1, Kind: wire.KindDirEnd}, wire.Entry{ID: 1, Kind: wire.KindDirEnd})},
		"a child after its finished parent": {list(dir(1, 0, "d"), wire.Entry{ID: 1, Kind: wire.KindDirEnd}, wire.Entry{ID: 2, Parent: 1, Kind: wire.KindFile, Name: []byte("f")})},
		"done with a file open":             {list(file(1, "f", 1)), &wire.Done{}},
		"done with a directory open":        {list(dir(1, 0, "d")), &wire.Done{}},
		"a message of the other side":       {&wire.Answers{}},
		"a second open":                     {&wire.Open{}},
	}
	for name, messages := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRogue(t, start(t, memory))
			for _, m := range messages {
				r.say(m)
			}
			r.refused(wire.ByeProtocol)
		})
	}
}

func TestMoreEntriesThanTheWindowEndTheSession(t *testing.T) {
	r := newRogue(t, start(t, memory, func(k *kit) { k.limits.Window = 16 }))
	for i := range uint64(20) {
		m := &wire.Entries{}
		for j := range uint64(100) {
			m.List = append(m.List, file(1+i*100+j, "f", 1))
		}
		if r.conn.Send(m) != nil {
			break // the server has ended it
		}
	}
	r.refused(wire.ByeProtocol)
}

func TestFramesThatBreakTheProtocolEndTheSession(t *testing.T) {
	head := func(c ...wire.Chunk) wire.FrameHead {
		h := wire.FrameHead{Unit: 1, Chunks: c}
		for _, c := range c {
			if c.Flags&wire.ChunkHole == 0 {
				h.DataLen += c.Length
			}
		}
		return h
	}
	tests := map[string]wire.FrameHead{
		"a chunk past its file":       head(wire.Chunk{Entry: 1, Length: 11}),
		"an offset past its file":     head(wire.Chunk{Entry: 1, Offset: 11, Length: 1}),
		"an offset that overflows":    head(wire.Chunk{Entry: 1, Offset: 1<<64 - 1, Length: 2}),
		"a chunk of no length":        head(wire.Chunk{Entry: 1, Offset: 1}),
		"a hole past its file":        head(wire.Chunk{Entry: 1, Length: 2, Flags: wire.ChunkHole}),
		"a hole that begins past it":  head(wire.Chunk{Entry: 1, Offset: 10, Length: 1, Flags: wire.ChunkHole}),
		"another stream's number":     {Stream: 5, Chunks: []wire.Chunk{{Entry: 1, Length: 1}}, DataLen: 1},
		"another epoch":               {Epoch: 5, Chunks: []wire.Chunk{{Entry: 1, Length: 1}}, DataLen: 1},
		"a wrong sum of its own head": {Protection: 77, Chunks: []wire.Chunk{{Entry: 1, Length: 1}}, DataLen: 1},
	}
	for name, h := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := start(t, memory)
			r := newRogue(t, k)
			r.open()
			r.say(&wire.Entries{List: []wire.Entry{file(1, "f", 10)}})
			if _, ok := r.hear().(*wire.Answers); !ok {
				t.Fatal("no answer")
			}
			r.frame(h)
			r.refused(wire.ByeProtocol)
			if got := read(t, k.dst); len(got) != 0 {
				t.Errorf("made: %v", got)
			}
		})
	}
}

func TestNoNameBeforeSealAndEveryByte(t *testing.T) {
	k := start(t, memory)
	r := newRogue(t, k)
	r.open()
	r.say(&wire.Entries{List: []wire.Entry{file(1, "unsealed", 4), file(2, "short", 4), file(3, "whole", 4)}})
	r.hear()
	r.frame(wire.FrameHead{Unit: 1, DataLen: 4, Chunks: []wire.Chunk{{Entry: 1, Length: 4}}})
	r.frame(wire.FrameHead{Unit: 2, DataLen: 3, Chunks: []wire.Chunk{{Entry: 2, Length: 3, Flags: wire.ChunkSeal}}})
	r.frame(wire.FrameHead{Unit: 3, DataLen: 4, Chunks: []wire.Chunk{{Entry: 3, Length: 4, Flags: wire.ChunkSeal}}})
	// A chunk of an entry that has ended, and of one that never was, change nothing.
	r.frame(wire.FrameHead{Unit: 4, DataLen: 2, Chunks: []wire.Chunk{{Entry: 3, Length: 1}, {Entry: 99, Length: 1}}})
	for units := 0; units < 4; {
		if m, ok := r.hear().(*wire.Results); ok {
			units += len(m.Units)
		}
	}
	if got := read(t, k.dst); len(got) != 1 || len(got["whole"]) != 4 {
		t.Errorf("named: %v", got)
	}
	r.conn.Abort()
	if s := waitOn(t, k.sessions); !errors.Is(s.err, engine.ErrPeerLost) {
		t.Errorf("server: %v", s.err)
	}
}

func TestStreamsBeyondTheLimitsAreRefused(t *testing.T) {
	tests := map[string]wire.StreamOpen{
		"an unknown transport": {Transport: "x", Local: "mem", Peer: "mem", Slots: 1, SlotSize: 4096},
		"an unknown rail":      {Transport: "mem", Local: "mem", Peer: "x", Slots: 1, SlotSize: 4096},
		"a rail not announced": {Transport: "mem", Local: "x", Peer: "mem", Slots: 1, SlotSize: 4096},
		"a stream too many":    {Stream: 64, Transport: "mem", Local: "mem", Peer: "mem", Slots: 1, SlotSize: 4096},
		"too much memory":      {Transport: "mem", Local: "mem", Peer: "mem", Slots: 1024, SlotSize: 16 << 20},
		"an odd slot size":     {Transport: "mem", Local: "mem", Peer: "mem", Slots: 1, SlotSize: 5000},
		"no slots":             {Transport: "mem", Local: "mem", Peer: "mem", SlotSize: 4096},
	}
	r := newRogue(t, start(t, memory))
	for name, m := range tests {
		r.say(&m)
		if ready, ok := r.hear().(*wire.StreamReady); !ok || ready.Error == "" {
			t.Errorf("%s: %+v", name, ready)
		}
	}
}

func TestAPathThatClimbsIsAUsageError(t *testing.T) {
	k := start(t)
	_, _, err := k.push(contents(t, sample(t)), func(c *engine.SendConfig) { c.Target.Path = "a/../../b" })
	var remote *engine.RemoteError
	if !errors.As(err, &remote) || remote.Code != wire.ByeUsage || !strings.Contains(err.Error(), "..") {
		t.Errorf("send: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(filepath.Dir(k.dst), "b")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("made outside: %v", err)
	}
}

// Entries that come again under a new number replace the first try.
func TestReplacedEntryGetsNoResultAndItsPiecesAreDropped(t *testing.T) {
	k := start(t, memory)
	r := newRogue(t, k)
	r.open()
	r.say(&wire.Entries{List: []wire.Entry{file(1, "f", 4)}})
	r.hear()
	again := file(2, "f", 2)
	again.Replaces = 1
	r.say(&wire.Entries{List: []wire.Entry{again}})
	r.hear()
	r.frame(wire.FrameHead{Unit: 1, DataLen: 4, Chunks: []wire.Chunk{{Entry: 1, Length: 4, Flags: wire.ChunkSeal}}})
	r.frame(wire.FrameHead{Unit: 2, DataLen: 2, Chunks: []wire.Chunk{{Entry: 2, Length: 2, Flags: wire.ChunkSeal}}})
	var ended []wire.Result
	for units := 0; units < 2; {
		if m, ok := r.hear().(*wire.Results); ok {
			units += len(m.Units)
			ended = append(ended, m.List...)
		}
	}
	if len(ended) != 1 || ended[0].ID != 2 || len(read(t, k.dst)["f"]) != 2 {
		t.Errorf("results %+v, made %v", ended, read(t, k.dst))
	}
}

// A client that has streams ended without end, and takes no word of it, is stopped
// before what waits for it takes much memory.
func TestAFloodOfFencesEndsTheSession(t *testing.T) {
	k := start(t, kinds()["mem"])
	r := newRogue(t, k)
	var err error
	for i := uint32(0); i < 10_000_000 && err == nil; i++ {
		err = r.conn.Send(&wire.Fence{Stream: i, Epoch: i})
	}
	if err == nil {
		t.Fatal("it goes on for ever")
	}
	if end := waitOn(t, k.sessions); !errors.Is(end.err, engine.ErrProtocol) {
		t.Errorf("server: %v", end.err)
	}
}
