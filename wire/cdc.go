package wire

// CDC (Connection Data Control, after RFC 7609) is the message beside the data
// of one stream. CDCSize bytes, little endian:
//
//	 0 u8  kind
//	 1 u8  flags, zero
//	 2 u16 zero
//	 4 u32 epoch
//	 8 u64 frame: number of the frame (data), frames sent in all (done)
//	16 u64 grant: frames the receiver has granted in all, cumulative (credit, answer)
//	24 u32 slot
//	28 u32 head length, bytes
//	32 u32 data length, bytes
//	36 u32 zero
type CDC struct {
	Kind    CDCKind
	Epoch   uint32
	Frame   uint64
	Grant   uint64
	Slot    uint32
	HeadLen uint32
	DataLen uint32
}

// CDCKind says what a CDC means.
type CDCKind uint8

// The kinds of CDC. Data: slot k of epoch e holds a frame. Credit: granted up
// to c. Request: the writer is blocked. Done: no more frames. Closed: the
// receiver has released all. Heartbeat: this side lives. Answer: a credit that
// answers a request, even if the count is the one granted before.
const (
	CDCData CDCKind = iota + 1
	CDCCredit
	CDCRequest
	CDCDone
	CDCClosed
	CDCHeartbeat
	CDCAnswer
)

// CDCSize is the size of a CDC in bytes.
const CDCSize = 40
