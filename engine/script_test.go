package engine_test

import (
	"strings"

	"scp_rdma/wire"
)

// script is what a fuzzer has come up with, read as choices. At its end all are 0.
type script struct{ b []byte }

func (s *script) over() bool { return len(s.b) == 0 }

// n is a number below limit.
func (s *script) n(limit int) int {
	if len(s.b) == 0 {
		return 0
	}
	v := int(s.b[0])
	s.b = s.b[1:]
	return v % limit
}

// one is one of a list.
func one[T any](s *script, list ...T) T { return list[s.n(len(list))] }

// few is a list of 0 to 3 things.
func few[T any](s *script, make func() T) []T {
	var list []T
	for range s.n(4) {
		list = append(list, make())
	}
	return list
}

func (s *script) id() uint64 { return one(s, uint64(0), 1, 2, 3, 4, 5, 6, 7, 1<<40, ^uint64(0)) }

func (s *script) size() int64 {
	return one(s, int64(0), 1, 4, 4096, 5000, 70_000, 8<<20, 1<<40, 1<<62, -1)
}

func (s *script) text() string {
	return one(s, "", "x", "..", "../x", "/etc/passwd", "a\x1b[2J\n", strings.Repeat("n", 300), "\xff\xfe")
}

func (s *script) name() []byte {
	return []byte(one(s, "f", "d", "e", "", ".", "..", "a/b", "/", "x\x00y", ".scp_rdma.x", strings.Repeat("n", 255), strings.Repeat("n", 256), "-", "\n"))
}

func (s *script) entry() wire.Entry {
	return wire.Entry{
		ID: s.id(), Parent: s.id(), Kind: wire.Kind(s.n(6)), Name: s.name(), Size: s.size(), Mode: one(s, uint32(0o644), 0, 0o7777, 1<<31),
		MtimeSec: s.size(), MtimeNsec: one(s, uint32(0), 5, 1<<30), Link: []byte(s.text()),
		Group: s.id(), GroupPos: uint8(s.n(5)), Replaces: s.id(), Young: s.n(2) == 1, Stream: s.n(8) == 1,
	}
}

// sound is an entry that makes sense more often than not, so that scripts get further.
func (s *script) sound() wire.Entry {
	e := wire.Entry{ID: uint64(1 + s.n(7)), Kind: one(s, wire.KindFile, wire.KindDir, wire.KindSymlink), Name: []byte(one(s, "f", "d", "e", "g")), Mode: 0o700}
	e.Parent = uint64(s.n(int(e.ID)))
	if e.Kind == wire.KindFile {
		e.Size = one(s, int64(0), 4, 5000, 70_000, 9<<20)
		e.Stream = e.Size == 0 && s.n(3) == 1
	}
	if e.Kind == wire.KindSymlink {
		e.Link = []byte(one(s, "x", "..", "/", "d"))
	}
	return e
}

func (s *script) chunk() wire.Chunk {
	return wire.Chunk{
		Entry: s.id(), Offset: one(s, uint64(0), 1, 4, 4096, 1<<20, 1<<63, ^uint64(0)),
		Length: one(s, uint32(0), 1, 4, 4096, 5000, 65536, ^uint32(0)), Flags: uint32(s.n(5)),
	}
}

func (s *script) totals() wire.Totals {
	return wire.Totals{Files: s.id(), Dirs: s.id(), Bytes: s.id(), Failed: s.id(), Skipped: s.id()}
}

func (s *script) ranges() []wire.Range {
	return few(s, func() wire.Range { return wire.Range{From: s.size(), To: s.size()} })
}

// message is any of control.
func (s *script) message() wire.Message {
	switch s.n(20) {
	case 0:
		return &wire.Entries{List: few(s, s.entry)}
	case 1, 2, 3:
		return &wire.Entries{List: few(s, s.sound)}
	case 4:
		return &wire.Entries{List: []wire.Entry{{ID: s.id(), Kind: wire.KindDirEnd}}}
	case 5:
		return &wire.StreamOpen{
			Stream: uint32(s.n(70)), Epoch: uint32(s.id()), Transport: one(s, "mem", "x", ""), Local: "mem", Peer: one(s, "mem", "x"),
			Slots: one(s, uint32(2), 0, 1024, ^uint32(0)), SlotSize: one(s, uint32(4096), 65536, 5000, 0, ^uint32(0)), Offer: []byte(s.text()),
		}
	case 6:
		return &wire.Fence{Stream: uint32(s.n(3)), Epoch: uint32(s.n(3))}
	case 7:
		return &wire.Fenced{Stream: uint32(s.n(3)), Epoch: uint32(s.n(3)), Error: s.text(), Short: s.n(2) == 1, Slots: one(s, uint32(0), 1, 2, ^uint32(0))}
	case 8:
		return &wire.Done{Totals: s.totals()}
	case 9:
		return &wire.Abort{IDs: few(s, s.id)}
	case 10:
		return &wire.Same{IDs: few(s, s.id)}
	case 11, 12:
		return &wire.Answers{List: few(s, func() wire.Answer {
			return wire.Answer{ID: s.id(), Action: wire.Action(s.n(8)), Text: s.text(), Have: s.ranges(), Sum: make([]byte, one(s, 0, 16, 15))}
		})}
	case 13, 14:
		return &wire.Results{Units: few(s, s.id), Corrupt: few(s, s.id), List: few(s, func() wire.Result {
			return wire.Result{ID: s.id(), Status: wire.Status(s.n(6)), Text: s.text()}
		})}
	case 15:
		return &wire.Summary{Totals: s.totals(), Problems: few(s, s.text)}
	case 16:
		return &wire.StreamReady{Stream: uint32(s.n(3)), Epoch: uint32(s.n(3)), Offer: []byte(s.text()), Error: s.text(), Short: s.n(2) == 1, Slots: one(s, uint32(0), 1, 2, ^uint32(0))}
	case 17:
		return &wire.Opened{Target: []byte(s.text()), Window: uint32(s.id()), Free: s.id()}
	case 18:
		return one[wire.Message](s, &wire.Ping{N: 1}, &wire.Pong{N: 1}, &wire.Inspect{}, &wire.Inspected{}, &wire.Open{Contents: true}, &wire.Authed{}, &wire.Auth{}, &wire.Walked{},
			&wire.StreamJoin{Stream: uint32(s.n(3)), Epoch: uint32(s.n(3)), Offer: []byte(s.text()), Error: s.text()},
			&wire.Trouble{Kind: wire.TroubleKind(s.n(4)), Path: []byte(s.text()), Text: s.text()}, s.fetch(), s.rail())
	}
	return one[wire.Message](s, &wire.Bye{}, &wire.Bye{Code: wire.ByeError, Text: s.text()}, &wire.Hello{Version: wire.Version})
}

// rail tells of a rail that may be there.
func (s *script) rail() *wire.RailHealth {
	return &wire.RailHealth{
		Rail: one(s, "a", "b", "", s.text()), Best: one(s, "a", "", s.text()), Event: wire.RailEvent(s.n(4)), State: uint8(s.n(4)),
		Part: one(s, uint32(0), 5, wire.FullPart, ^uint32(0)), Expected: s.n(2) == 1, Rate: s.id(), Latency: int64(s.id()), Slow: int64(s.id()),
	}
}

// fetch asks for something.
func (s *script) fetch() *wire.Fetch {
	return &wire.Fetch{
		Paths: append([][]byte{[]byte(s.path())}, few(s, func() []byte { return []byte(s.path()) })...),
		Ways:  []wire.Way{{Transport: one(s, "mem", "mem", "mem", "x"), Pairs: []wire.RailPair{{Client: one(s, "mem", "mem", "x"), Server: one(s, "mem", "mem", "x")}}}},
		Limits: wire.Limits{
			Streams: one(s, uint32(2), 0, 1<<31), Slots: one(s, uint32(64), 0, 1<<31), SlotSize: one(s, uint32(1<<20), 4096, 0, 1<<31), Window: one(s, uint32(64), 1, 0, 1<<31),
		},
		Streams: one(s, uint32(1), 0, 70, 1<<31), Slots: one(s, uint32(2), 0, 1<<31), SlotSize: one(s, uint32(actorSlot), 0, 5, 1<<31),
		Owner: s.n(2) == 1, Xattr: s.n(2) == 1, SafeLinks: s.n(2) == 1, NoChecksum: s.n(2) == 1, Encrypt: s.n(2) == 1, EveryRail: s.n(2) == 1,
		RetryFor: one(s, int64(-1), 0, 1<<62, -1<<62), Filter: few(s, func() []byte { return []byte(one(s, "- d", "+ *", "- **/***", "- [", "x", "!")) }), OneFS: s.n(2) == 1, Ordered: s.n(4) == 1,
	}
}

func (s *script) path() string {
	return one(s, "", "a", "d", "d/.", "*", "*/*", "out/secret", "out", "../outside/secret", "/", "d/../..", "[", "no", "link/large", "out/*", "\xff", "./d/e/empty")
}

// frame is the head of a frame.
func (s *script) frame() wire.FrameHead {
	h := wire.FrameHead{Unit: s.id(), Protection: wire.Protection(s.n(4)), Stream: uint32(s.n(5) / 4), DataSum: s.id()}
	for range 1 + s.n(3) {
		c := s.chunk()
		if s.n(2) == 0 { // one that fits a sound entry
			c = wire.Chunk{Entry: uint64(1 + s.n(7)), Length: one(s, uint32(4), 5000, 4096), Offset: one(s, uint64(0), 4096), Flags: uint32(s.n(2))}
		}
		h.Chunks = append(h.Chunks, c)
		if c.Flags&wire.ChunkHole == 0 {
			h.DataLen += c.Length
		}
	}
	return h
}
