package planner

// File is a file whose bytes are wanted.
type File struct {
	ID     uint64
	Size   int64 // bytes, 0 or more
	Sparse bool  // has holes: handed out as one range; the taker keeps what fills a slot and gives the rest back

	// Missing is what of the file is wanted, in order and disjoint; nil: all of it.
	Missing []Range
}

// Range is the bytes [Off, Off+Len) of a file.
type Range struct{ Off, Len int64 }

// Chunk is one contiguous range of one file. An empty file has one chunk of length 0.
type Chunk struct {
	ID       uint64
	Off, Len int64
	Size     int64 // of the whole file
	Sparse   bool
}

// Whole says whether the chunk is all of its file.
func (c Chunk) Whole() bool { return c.Off == 0 && c.Len == c.Size }

// Unit is what a stream carries at once: chunks that fit one slot together, or
// one range of a sparse file, of any length, for the taker to trim.
type Unit struct {
	Chunks []Chunk
	Room   int // no more data bytes than these are wanted at once; 0: as many as the slot takes
}

// Config says what a slot holds.
type Config struct {
	SlotSize  int // data bytes, > 0
	MaxChunks int // chunks in a bundle, > 0
	Files     int // large files that are handed out at once, in turns; 0: one
}
