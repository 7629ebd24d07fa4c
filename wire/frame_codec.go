package wire

import (
	"encoding/binary"
	"fmt"

	"github.com/zeebo/xxh3"
)

const (
	frameMagic   = 0x31465253 // "SRF1"
	headSumAt    = 32
	dataSumAt    = 40
	restAt       = 48
	frameFlagsAt = 5
)

// HeadSize is the size of the head of a frame with that many chunks, bytes.
func HeadSize(chunks int) int { return FrameHeadSize + chunks*ChunkSize }

// Sum is the checksum of data: xxh3, 64 bits.
func Sum(p []byte) uint64 { return xxh3.Hash(p) }

// Append appends the head, its own sum included when the frame is protected.
func (h *FrameHead) Append(b []byte) []byte {
	le := binary.LittleEndian
	start := len(b)
	b = le.AppendUint32(b, frameMagic)
	b = append(b, byte(h.Protection), 0)
	b = le.AppendUint16(b, uint16(len(h.Chunks)))
	b = le.AppendUint32(b, h.Stream)
	b = le.AppendUint32(b, h.Epoch)
	b = le.AppendUint64(b, h.Unit)
	b = le.AppendUint32(b, h.DataLen)
	b = le.AppendUint32(b, uint32(h.Protection.Trailer()))
	b = le.AppendUint64(b, 0)
	b = le.AppendUint64(b, h.DataSum)
	b = append(b, make([]byte, FrameHeadSize-restAt)...)
	for _, c := range h.Chunks {
		b = le.AppendUint64(b, c.Entry)
		b = le.AppendUint64(b, c.Offset)
		b = le.AppendUint32(b, c.Length)
		b = le.AppendUint32(b, c.Flags)
	}
	if h.Protection == ProtectXXH3 {
		le.PutUint64(b[start+headSumAt:], xxh3.Hash(b[start:]))
	}
	return b
}

// ParseFrameHead reads a head into h, whose Chunks are reused. b must be memory
// that no peer can rewrite, a copy if it comes from a slot: it is read more than
// once, and its sum field is zeroed.
func ParseFrameHead(b []byte, h *FrameHead) error {
	if len(b) < FrameHeadSize {
		return fmt.Errorf("frame head of %d bytes: %w", len(b), ErrMalformed)
	}
	le := binary.LittleEndian
	n := int(le.Uint16(b[6:]))
	switch {
	case le.Uint32(b) != frameMagic:
		return fmt.Errorf("frame head begins with %x: %w", b[:4], ErrMalformed)
	case n < 1 || n > MaxChunks || len(b) != HeadSize(n):
		return fmt.Errorf("frame head of %d bytes with %d chunks: %w", len(b), n, ErrMalformed)
	case b[frameFlagsAt] != 0 || le.Uint64(b[restAt:]) != 0 || le.Uint64(b[restAt+8:]) != 0:
		return fmt.Errorf("frame head with reserved bits: %w", ErrMalformed)
	case le.Uint32(b[28:]) != uint32(Protection(b[4]).Trailer()):
		return fmt.Errorf("frame head with a trailer of %d bytes: %w", le.Uint32(b[28:]), ErrMalformed)
	}
	*h = FrameHead{
		Protection: Protection(b[4]), Stream: le.Uint32(b[8:]), Epoch: le.Uint32(b[12:]), Unit: le.Uint64(b[16:]),
		DataLen: le.Uint32(b[24:]), DataSum: le.Uint64(b[dataSumAt:]), Chunks: h.Chunks[:0],
	}
	if err := h.checkSum(b); err != nil {
		return err
	}
	return h.parseChunks(b[FrameHeadSize:])
}

func (h *FrameHead) checkSum(b []byte) error {
	sum := binary.LittleEndian.Uint64(b[headSumAt:])
	switch h.Protection {
	case ProtectNone, ProtectAEAD:
		if sum != 0 || h.DataSum != 0 {
			return fmt.Errorf("sums in a frame that has none: %w", ErrMalformed)
		}
		return nil
	case ProtectXXH3:
		clear(b[headSumAt : headSumAt+8])
		if got := xxh3.Hash(b); got != sum {
			return fmt.Errorf("frame head: sum is %016x, says %016x: %w", got, sum, ErrMalformed)
		}
		return nil
	}
	return fmt.Errorf("frame protection %d: %w", h.Protection, ErrMalformed)
}

// maxOffset is where the range of a chunk may end: no file is longer, and a hole
// at the end of the longest may reach one byte beyond it.
const maxOffset = 1 << 63

// span is the length of the chunk's range, bytes.
func (c *Chunk) span() uint64 {
	if c.Flags&ChunkHole != 0 {
		return uint64(c.Length) * HoleUnit
	}
	return uint64(c.Length)
}

func (h *FrameHead) parseChunks(b []byte) error {
	le := binary.LittleEndian
	var total uint64
	for ; len(b) > 0; b = b[ChunkSize:] {
		c := Chunk{Entry: le.Uint64(b), Offset: le.Uint64(b[8:]), Length: le.Uint32(b[16:]), Flags: le.Uint32(b[20:])}
		switch {
		case c.Flags&^(ChunkSeal|ChunkHole) != 0:
			return fmt.Errorf("chunk flags %x: %w", c.Flags, ErrMalformed)
		case c.Flags&ChunkHole == 0:
			total += uint64(c.Length)
		case c.Length == 0:
			return fmt.Errorf("hole of no length: %w", ErrMalformed)
		}
		if c.Offset > maxOffset || c.span() > maxOffset-c.Offset {
			return fmt.Errorf("chunk of %d bytes at %d: %w", c.span(), c.Offset, ErrMalformed)
		}
		h.Chunks = append(h.Chunks, c)
	}
	if total != uint64(h.DataLen) {
		return fmt.Errorf("chunks of %d bytes in a frame of %d: %w", total, h.DataLen, ErrMalformed)
	}
	return nil
}

// FrameNonce is the nonce under which the frame of that number is sealed: big endian, after
// four zeros.
func FrameNonce(frame uint64) (n [NonceSize]byte) {
	binary.BigEndian.PutUint64(n[NonceSize-8:], frame)
	return n
}
