package wire

import (
	"encoding/binary"
	"fmt"
)

// Append appends the CDC's CDCSize bytes.
func (c CDC) Append(b []byte) []byte {
	b = append(b, byte(c.Kind), 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, c.Epoch)
	b = binary.LittleEndian.AppendUint64(b, c.Frame)
	b = binary.LittleEndian.AppendUint64(b, c.Grant)
	b = binary.LittleEndian.AppendUint32(b, c.Slot)
	b = binary.LittleEndian.AppendUint32(b, c.HeadLen)
	b = binary.LittleEndian.AppendUint32(b, c.DataLen)
	return append(b, 0, 0, 0, 0)
}

// ParseCDC reads a CDC. Fields that its kind has no use for must be zero.
func ParseCDC(b []byte) (CDC, error) {
	if len(b) != CDCSize {
		return CDC{}, fmt.Errorf("cdc of %d bytes: %w", len(b), ErrMalformed)
	}
	le := binary.LittleEndian
	c := CDC{
		Kind: CDCKind(b[0]), Epoch: le.Uint32(b[4:]), Frame: le.Uint64(b[8:]), Grant: le.Uint64(b[16:]),
		Slot: le.Uint32(b[24:]), HeadLen: le.Uint32(b[28:]), DataLen: le.Uint32(b[32:]),
	}
	if b[1] != 0 || b[2] != 0 || b[3] != 0 || le.Uint32(b[36:]) != 0 || !c.plain() {
		return CDC{}, fmt.Errorf("cdc %x: %w", b, ErrMalformed)
	}
	return c, nil
}

// plain says whether only the fields of the CDC's kind are set.
func (c CDC) plain() bool {
	rest := c
	rest.Kind, rest.Epoch = 0, 0
	switch c.Kind {
	case CDCData:
		rest.Frame, rest.Slot, rest.HeadLen, rest.DataLen = 0, 0, 0, 0
	case CDCCredit, CDCAnswer:
		rest.Grant = 0
	case CDCDone:
		rest.Frame = 0
	case CDCRequest, CDCClosed, CDCHeartbeat:
	default:
		return false
	}
	return rest == CDC{}
}
