package transport

import "fmt"

// HeadRoom is the size of the head area of a slot, in bytes. The head of a
// frame lies at its end, directly before the data, so that head and data are
// one contiguous range (one SGE, one write) while the data stays page-aligned.
// 16 KiB holds the records of about 600 chunks.
const HeadRoom = 16 << 10

// UsualMemory is what all slots of a session take together where nothing else is said, bytes.
const UsualMemory = 64 << 20

// Slot is one fixed piece of a slab: a head area and page-aligned data. Both
// ends of a stream pair slot k with slot k.
type Slot struct {
	Index uint32 // position in the ring
	Frame uint64 // number of the frame in its stream, from 0; set by the transport

	mem     []byte // HeadRoom + slot size
	headLen int
	dataLen int
}

// MakeSlots cuts mem (page-aligned, n*(HeadRoom+size) bytes) into n slots.
func MakeSlots(mem []byte, n, size int) []*Slot {
	step := HeadRoom + size
	slots := make([]*Slot, n)
	for i := range slots {
		slots[i] = &Slot{Index: uint32(i), mem: mem[i*step : (i+1)*step : (i+1)*step]}
	}
	return slots
}

// Reset prepares the slot for a new frame number.
func (s *Slot) Reset(frame uint64) { s.Frame, s.headLen, s.dataLen = frame, 0, 0 }

// Cap is the number of data bytes that fit.
func (s *Slot) Cap() int { return len(s.mem) - HeadRoom }

// SetLen fixes the frame's length: head bytes directly before the data, data
// bytes after. Lengths beyond the slot are an error that Is ErrProtocol, so a
// transport may pass what a peer announced.
func (s *Slot) SetLen(head, data int) error {
	if head < 0 || head > HeadRoom || data < 0 || data > s.Cap() {
		return fmt.Errorf("slot %d: head of %d and data of %d bytes do not fit %d and %d: %w",
			s.Index, head, data, HeadRoom, s.Cap(), ErrProtocol)
	}
	s.headLen, s.dataLen = head, data
	return nil
}

// Head is the frame's head, as long as SetLen said.
func (s *Slot) Head() []byte { return s.mem[HeadRoom-s.headLen : HeadRoom : HeadRoom] }

// Data is the frame's data, as long as SetLen said.
func (s *Slot) Data() []byte { return s.mem[HeadRoom : HeadRoom+s.dataLen] }

// Space is the whole data area, for filling before SetLen.
func (s *Slot) Space() []byte { return s.mem[HeadRoom:] }

// Bytes is head and data as one contiguous range.
func (s *Slot) Bytes() []byte { return s.mem[HeadRoom-s.headLen : HeadRoom+s.dataLen] }
