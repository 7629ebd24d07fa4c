package wire

import (
	"encoding/binary"
	"fmt"
)

// JournalHead begins the journal of a half file: of which file it tells, and on which
// boot of the host.
//
// Layout, little endian, JournalHeadSize bytes:
//
//	 0 u32 magic "SRJ2"
//	 4 u8  1 if the records have sums, else 0
//	 5 3 bytes, zero
//	 8 u64 size of the file
//	16 i64 mtime of its source, seconds
//	24 u32 nanoseconds
//	28 u32 zero
//	32 u64 device of the half file
//	40 u64 inode
//	48 16 bytes, the boot
//	64 32 bytes, a MAC over what is before and over what the server knows besides
type JournalHead struct {
	Sums      bool
	Size      int64
	MtimeSec  int64
	MtimeNsec uint32
	Dev, Ino  uint64
	Boot      [16]byte
	MAC       [32]byte
}

const (
	magicJournal = 0x324a5253 // "SRJ2"
	// JournalHeadSize is the length of a JournalHead, bytes.
	JournalHeadSize = 96
	// JournalSigned is how much of it the MAC is over.
	JournalSigned = 64
	// JournalRecordSize is the length of a record, bytes.
	JournalRecordSize = 32
)

// Append writes the head.
func (h *JournalHead) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, magicJournal)
	sums := byte(0)
	if h.Sums {
		sums = 1
	}
	b = append(b, sums, 0, 0, 0)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.Size))
	b = binary.LittleEndian.AppendUint64(b, uint64(h.MtimeSec))
	b = binary.LittleEndian.AppendUint32(b, h.MtimeNsec)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint64(b, h.Dev)
	b = binary.LittleEndian.AppendUint64(b, h.Ino)
	b = append(b, h.Boot[:]...)
	return append(b, h.MAC[:]...)
}

// ParseJournalHead reads the head of a journal. Whether its MAC is right is for the
// caller to see: it is over the first JournalSigned bytes.
func ParseJournalHead(b []byte) (h JournalHead, err error) {
	switch {
	case len(b) < JournalHeadSize:
		return h, fmt.Errorf("journal of %d bytes: %w", len(b), ErrMalformed)
	case binary.LittleEndian.Uint32(b) != magicJournal:
		return h, fmt.Errorf("journal: not one of ours: %w", ErrMalformed)
	}
	h = JournalHead{
		Sums: b[4] == 1, Size: int64(binary.LittleEndian.Uint64(b[8:])), MtimeSec: int64(binary.LittleEndian.Uint64(b[16:])),
		MtimeNsec: binary.LittleEndian.Uint32(b[24:]),
		Dev:       binary.LittleEndian.Uint64(b[32:]), Ino: binary.LittleEndian.Uint64(b[40:]),
	}
	copy(h.Boot[:], b[48:])
	copy(h.MAC[:], b[64:])
	if h.Size < 0 || string(h.Append(nil)) != string(b[:JournalHeadSize]) {
		return h, fmt.Errorf("journal: a field does not fit: %w", ErrMalformed)
	}
	return h, nil
}

// JournalRecord says that a range was written.
//
// Layout, little endian, JournalRecordSize bytes: u64 offset, u64 length (bit 63: a
// hole), u64 sum of the data (see Sum), u64 sum of the 24 bytes before, begun with the
// journal's own MAC: a record of another journal does not fit.
type JournalRecord struct {
	Range
	Hole bool
	Sum  uint64 // of the data; 0 for a hole, and where frames have no sums
}

const journalHole = 1 << 63

// Append writes the record, of the journal with that head.
func (r *JournalRecord) Append(b []byte, h *JournalHead) []byte {
	at := len(b)
	n := uint64(r.To - r.From)
	if r.Hole {
		n |= journalHole
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(r.From))
	b = binary.LittleEndian.AppendUint64(b, n)
	b = binary.LittleEndian.AppendUint64(b, r.Sum)
	return binary.LittleEndian.AppendUint64(b, h.sumOf(b[at:]))
}

func (h *JournalHead) sumOf(record []byte) uint64 {
	return Sum(append(h.MAC[:], record...))
}

// ParseJournal gives the records of a journal, from after its head to the first that
// is torn or does not fit: that is how one looks whose writer was killed. rest is how
// many bytes follow there.
func ParseJournal(b []byte, h *JournalHead) (list []JournalRecord, rest int) {
	b = b[min(JournalHeadSize, len(b)):]
	for len(b) >= JournalRecordSize {
		r := JournalRecord{Sum: binary.LittleEndian.Uint64(b[16:])}
		n := binary.LittleEndian.Uint64(b[8:])
		from, length := binary.LittleEndian.Uint64(b), n&^uint64(journalHole)
		if binary.LittleEndian.Uint64(b[24:]) != h.sumOf(b[:24]) || from > uint64(h.Size) || length == 0 || length > uint64(h.Size)-from {
			break
		}
		r.From, r.To, r.Hole = int64(from), int64(from+length), n&journalHole != 0
		list = append(list, r)
		b = b[JournalRecordSize:]
	}
	return list, len(b)
}
