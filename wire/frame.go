package wire

// FrameHead is the head of a frame: what a slot carries, directly before its data.
//
// Layout, little endian, 64 bytes, then Chunks records of 24 bytes:
//
//	 0 u32 magic "SRF1"
//	 4 u8  protection (ProtectNone, ProtectXXH3, ProtectAEAD)
//	 5 u8  flags, zero
//	 6 u16 number of chunks, 1..MaxChunks
//	 8 u32 stream
//	12 u32 epoch
//	16 u64 unit
//	24 u32 data length, bytes
//	28 u32 trailer length, bytes after the data: TagSize with ProtectAEAD, else zero
//	32 u64 head sum: xxh3 of the whole head (records included) with this field zero
//	40 u64 data sum: xxh3 of the data
//	48 16 bytes, zero for now
//
// With ProtectAEAD both sums are zero, data and trailer are what AES-GCM made of the data
// with the whole head, records included, as additional data.
type FrameHead struct {
	Protection Protection
	Stream     uint32
	Epoch      uint32
	Unit       uint64 // sender's number of the work unit, acknowledged by Results
	DataLen    uint32
	DataSum    uint64
	Chunks     []Chunk
}

// Protection says how a frame's bytes are guarded.
type Protection uint8

// The protections. With ProtectNone both sums are zero and unchecked.
const (
	ProtectNone Protection = iota
	ProtectXXH3
	ProtectAEAD
)

// Sizes of AES-GCM, bytes: TagSize is the trailer of a sealed frame.
const (
	TagSize   = 16
	NonceSize = 12
)

// Trailer is how many bytes follow the data.
func (p Protection) Trailer() int {
	if p == ProtectAEAD {
		return TagSize
	}
	return 0
}

// Chunk is one contiguous range of one file. The data of the chunks lie one
// after the other in the frame; a hole has none.
//
// Record, little endian, 24 bytes: u64 entry, u64 offset, u32 length, u32 flags.
// A hole's length is in units of HoleUnit bytes, so that one record can span a
// large one; its end is cut at the file's size.
type Chunk struct {
	Entry  uint64
	Offset uint64
	Length uint32
	Flags  uint32
}

// Flags of a chunk. ChunkSeal: with this chunk the sender has read every range
// of the file and found the file unchanged; only then may it get its name.
const (
	ChunkSeal uint32 = 1 << 0
	ChunkHole uint32 = 1 << 1
)

// Sizes of the frame head.
const (
	FrameHeadSize = 64
	ChunkSize     = 24
	MaxChunks     = 640 // 64 + 640*24 bytes stay under transport.HeadRoom
	HoleUnit      = 4096
)
