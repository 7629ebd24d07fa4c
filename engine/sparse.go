package engine

import (
	"math"

	"scp_rdma/wire"
)

// part is a range of a sparse file: data, or a hole.
type part struct {
	off, n int64
	hole   bool
}

// maxParts bounds the parts of one frame, so that a finely holed file spreads
// over the streams too.
const maxParts = 256

// maxHole is the longest hole that one record can tell, bytes.
const maxHole = math.MaxUint32 * wire.HoleUnit

// layout lists what of [off, end) fills one slot of room data bytes, and where
// the next slot goes on. Holes cost a record but no room. A hole that does not
// reach the file's end is cut to whole HoleUnits, for the record counts in those;
// what is cut off goes as data, which reads as zeros.
func layout(nextData func(off int64) (start, stop int64, err error), off, end, size, room int64) ([]part, int64, error) {
	var parts []part
	for off < end && len(parts) < maxParts {
		start, stop, err := nextData(off)
		if err != nil {
			return nil, 0, err
		}
		start, stop = min(max(start, off), end), min(stop, end)
		hole := start - off
		if start < size {
			hole -= hole % wire.HoleUnit
		}
		hole = min(hole, maxHole)
		if hole > 0 {
			parts = append(parts, part{off: off, n: hole, hole: true})
			off += hole
		}
		n := min(stop-off, room)
		if n <= 0 && hole == 0 {
			n = min(end-off, room) // a file that answers nonsense is read as data
		}
		if n > 0 && hole < maxHole {
			parts = append(parts, part{off: off, n: n})
			off += n
			room -= n
		}
		if room == 0 {
			break
		}
	}
	return parts, off, nil
}

// chunk is the part's record.
func (p part) chunk(id uint64) wire.Chunk {
	c := wire.Chunk{Entry: id, Offset: uint64(p.off), Length: uint32(p.n)}
	if p.hole {
		c.Flags = wire.ChunkHole
		c.Length = uint32((p.n + wire.HoleUnit - 1) / wire.HoleUnit)
	}
	return c
}
