package hostile

import (
	"math"

	"scp_rdma/wire"
)

// badStreams are chunks of an entry without a size that break its rules.
func badStreams() map[string]wire.Chunk {
	return map[string]wire.Chunk{
		"a byte beyond its window": {Entry: 1, Offset: wire.StreamWindow, Length: 1},
		"a byte beyond any file":   {Entry: 1, Offset: math.MaxInt64, Length: 1},
		"an end beyond any file":   {Entry: 1, Offset: 1 << 63, Flags: wire.ChunkSeal},
		"a hole of 16 TiB":         {Entry: 1, Length: math.MaxUint32, Flags: wire.ChunkHole},
		"no bytes":                 {Entry: 1, Offset: 5},
	}
}

func badStream(s *session, c wire.Chunk) error {
	e := file(1, 0, "stream", 0)
	e.Stream = true
	if err := s.say(entries(e)); err != nil {
		return err
	}
	if err := s.answered(1); err != nil {
		return err
	}
	if err := s.open(); err != nil {
		return err
	}
	h := wire.FrameHead{Unit: 1, Chunks: []wire.Chunk{c}}
	if c.Flags&wire.ChunkHole == 0 {
		h.DataLen = c.Length
	}
	if err := s.frame(h, nil); err != nil {
		return err
	}
	return s.refused()
}
