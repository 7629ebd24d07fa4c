package wire

// StreamOpen asks the responder to open its end of a stream.
type StreamOpen struct {
	Stream    uint32 `cbor:"1,keyasint"`
	Epoch     uint32 `cbor:"2,keyasint"`
	Transport string `cbor:"3,keyasint"`
	Local     string `cbor:"4,keyasint"` // the asking side's rail
	Peer      string `cbor:"5,keyasint"` // the asked side's rail
	Slots     uint32 `cbor:"6,keyasint"`
	SlotSize  uint32 `cbor:"7,keyasint"`
	Offer     []byte `cbor:"8,keyasint,omitempty"`
}

// StreamReady answers StreamOpen: an offer, or why not.
type StreamReady struct {
	Stream uint32 `cbor:"1,keyasint"`
	Epoch  uint32 `cbor:"2,keyasint"`
	Offer  []byte `cbor:"3,keyasint,omitempty"`
	Error  string `cbor:"4,keyasint,omitempty"`
	Short  bool   `cbor:"5,keyasint,omitempty"` // with Error: there is no memory for so many slots, and nothing else is wrong
	Slots  uint32 `cbor:"6,keyasint,omitempty"` // with Short: the stream may come again at once with so many; 0: not yet
}

// Fence has the receiver end a stream that is broken, so that what it carried can be
// sent over others: nothing of it is written any more after the Fenced.
type Fence struct {
	Stream uint32 `cbor:"1,keyasint"`
	Epoch  uint32 `cbor:"2,keyasint"`
}

// Fenced says that the receiver has ended a stream, because it was to or because it
// broke. The results of all that was applied of it were sent before.
type Fenced struct {
	Stream uint32 `cbor:"1,keyasint"`
	Epoch  uint32 `cbor:"2,keyasint"`
	Error  string `cbor:"3,keyasint,omitempty"` // why, if it was not to
	Short  bool   `cbor:"4,keyasint,omitempty"` // with Error: other sessions need its memory, and nothing else is wrong
	Slots  uint32 `cbor:"5,keyasint,omitempty"` // as StreamReady's
}
