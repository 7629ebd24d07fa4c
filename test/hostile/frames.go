package hostile

import (
	"errors"
	"fmt"
	"math"

	"scp_rdma/wire"
)

// counts: a head that says it has one chunk more than it has, and one with one more than
// there may be.
func counts(s *session) error {
	if err := s.open(); err != nil {
		return err
	}
	full := wire.FrameHead{Unit: 1}
	for range wire.MaxChunks {
		full.Chunks = append(full.Chunks, wire.Chunk{Entry: 99, Length: 1})
		full.DataLen++
	}
	if err := s.frame(full, nil); err != nil {
		return fmt.Errorf("as many chunks as there may be: %w", err)
	}
	if err := s.stream.Flush(s.ctx); err != nil {
		return fmt.Errorf("as many chunks as there may be: %w", err)
	}
	full.Chunks = append(full.Chunks, wire.Chunk{Entry: 99, Length: 1})
	full.DataLen++
	if err := s.frame(full, nil); err != nil {
		return err
	}
	return s.refused()
}

// endless: far more than the window, and never a byte of any.
func endless(s *session) error {
	id := uint64(0)
	for range 2000 {
		m := &wire.Entries{}
		for range 100 {
			id++
			m.List = append(m.List, file(id, 0, fmt.Sprintf("%0250d", id), 1<<40))
		}
		if err := s.say(m); err != nil {
			return err
		}
	}
	return s.refused()
}

// deep: a path longer than any, each directory in the last.
func deep(s *session) error {
	for id := uint64(1); id < 20_000; id++ {
		if err := s.say(entries(dir(id, id-1, fmt.Sprintf("%0250d", id)))); err != nil {
			return err
		}
		action, err := s.answer(id)
		if err != nil || action != wire.ActionDone {
			return err
		}
		if id*251 > 1<<20 {
			return errors.New("a path of more than 1 MiB was made")
		}
	}
	return nil
}

func badHeads() map[string]wire.FrameHead {
	one := func(c wire.Chunk) wire.FrameHead {
		return wire.FrameHead{Unit: 1, DataLen: c.Length, Chunks: []wire.Chunk{c}}
	}
	return map[string]wire.FrameHead{
		"an offset past the file":           one(wire.Chunk{Entry: 1, Offset: 11, Length: 1}),
		"an offset that overflows":          one(wire.Chunk{Entry: 1, Offset: math.MaxUint64, Length: 2}),
		"a length past the file":            one(wire.Chunk{Entry: 1, Length: 11}),
		"4 GiB":                             one(wire.Chunk{Entry: 1, Length: math.MaxUint32}),
		"a hole past the file":              {Unit: 1, Chunks: []wire.Chunk{{Entry: 1, Length: math.MaxUint32, Flags: wire.ChunkHole}}},
		"an unknown flag":                   one(wire.Chunk{Entry: 1, Length: 1, Flags: 1 << 31}),
		"another stream's number":           {Stream: 5, Unit: 1, DataLen: 1, Chunks: []wire.Chunk{{Entry: 1, Length: 1}}},
		"another epoch":                     {Epoch: 5, Unit: 1, DataLen: 1, Chunks: []wire.Chunk{{Entry: 1, Length: 1}}},
		"an unknown protection":             {Protection: 77, Unit: 1, DataLen: 1, Chunks: []wire.Chunk{{Entry: 1, Length: 1}}},
		"a seal in a session that has none": {Protection: wire.ProtectAEAD, Unit: 1, DataLen: 1, Chunks: []wire.Chunk{{Entry: 1, Length: 1}}},
	}
}

func badHead(s *session, h wire.FrameHead) error {
	if err := s.say(entries(file(1, 0, "f", 10))); err != nil {
		return err
	}
	if err := s.answered(1); err != nil {
		return err
	}
	if err := s.open(); err != nil {
		return err
	}
	if err := s.frame(h, nil); err != nil {
		return err
	}
	return s.refused()
}
