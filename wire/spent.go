package wire

// Spent is for how long the workers of a side did what, ns of all of them together. It is
// for people to see: nothing depends on it.
type Spent struct {
	Join    uint64 `cbor:"1,keyasint,omitempty"`  // opened streams, or tried again
	Credits uint64 `cbor:"2,keyasint,omitempty"`  // sender: waited for slots
	Walk    uint64 `cbor:"3,keyasint,omitempty"`  // sender: waited for something to be found
	Answers uint64 `cbor:"4,keyasint,omitempty"`  // sender: waited for answers, or results
	Read    uint64 `cbor:"5,keyasint,omitempty"`  // sender: read the source
	Sum     uint64 `cbor:"6,keyasint,omitempty"`  // summed, sealed, opened, checked
	Limit   uint64 `cbor:"7,keyasint,omitempty"`  // waited as a limit of the rate has it
	Send    uint64 `cbor:"8,keyasint,omitempty"`  // sender: handed frames to the transport
	Frames  uint64 `cbor:"9,keyasint,omitempty"`  // receiver: waited for frames
	Write   uint64 `cbor:"10,keyasint,omitempty"` // receiver: wrote ranges of files
	Files   uint64 `cbor:"11,keyasint,omitempty"` // receiver: made files, and gave them their names
	Admit   uint64 `cbor:"12,keyasint,omitempty"` // receiver: answered for entries; one thing after the other
}

// MaxSpent bounds each of them: 64 workers for half a year.
const MaxSpent = 1 << 60

// tooLong says whether one of them is.
func (s *Spent) tooLong() bool {
	return max(s.Join, s.Credits, s.Walk, s.Answers, s.Read, s.Sum, s.Limit, s.Send, s.Frames, s.Write, s.Files, s.Admit) > MaxSpent
}
