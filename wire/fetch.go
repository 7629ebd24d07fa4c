package wire

// Fetch is said in place of Open and turns the session round: the server sends what it is
// asked for, beginning with an Open of its own, and the client receives. Who has dialled
// still dials.
type Fetch struct {
	Paths      [][]byte `cbor:"1,keyasint"`           // as typed after HOST:, patterns included
	Ways       []Way    `cbor:"2,keyasint"`           // over which the client can dial, most preferred first
	Limits     Limits   `cbor:"3,keyasint"`           // of the client
	Streams    uint32   `cbor:"4,keyasint,omitempty"` // to be opened; 0: the server chooses. So with
	Slots      uint32   `cbor:"5,keyasint,omitempty"` // those of each, and
	SlotSize   uint32   `cbor:"6,keyasint,omitempty"` // theirs, bytes
	Owner      bool     `cbor:"7,keyasint,omitempty"` // what is to be told of entries
	Xattr      bool     `cbor:"8,keyasint,omitempty"`
	SafeLinks  bool     `cbor:"9,keyasint,omitempty"` // leave out symlinks that lead out of what was asked for
	NoChecksum bool     `cbor:"10,keyasint,omitempty"`
	Encrypt    bool     `cbor:"11,keyasint,omitempty"` // as Open's
	EveryRail  bool     `cbor:"12,keyasint,omitempty"` // a rail that carries nothing is an error
	RetryFor   int64    `cbor:"13,keyasint,omitempty"` // how long to try again once every stream is gone, ns; < 0: not at all
	Filter     [][]byte `cbor:"14,keyasint,omitempty"` // rules of what is left out, as package filter reads them
	Dry        bool     `cbor:"16,keyasint,omitempty"` // as Open's
	OneFS      bool     `cbor:"15,keyasint,omitempty"` // leave out what is mounted below
	ACL        bool     `cbor:"18,keyasint,omitempty"` // as Owner
	Ordered    bool     `cbor:"17,keyasint,omitempty"` // it is one file, and goes in order (StreamWindow), without holes
}

// Way is a transport, and which rails the client can join over it, best first for each of
// its own rails.
type Way struct {
	Transport string     `cbor:"1,keyasint"`
	Pairs     []RailPair `cbor:"2,keyasint"`
}

// RailPair names a rail of the client and one of the server.
type RailPair struct {
	_              struct{} `cbor:",toarray"`
	Client, Server string
}

// Trouble is the server's word on something that it was asked for and does not send.
type Trouble struct {
	Kind TroubleKind `cbor:"1,keyasint,omitempty"`
	Path []byte      `cbor:"2,keyasint,omitempty"` // as asked for, and below
	Text string      `cbor:"3,keyasint,omitempty"`
}

// TroubleKind says what is the matter.
type TroubleKind uint8

// An entry that could not be sent; one that never is, such as a device; a symlink that
// leads out of what was asked for, and is sent.
const (
	TroubleFailed TroubleKind = iota
	TroubleSpecial
	TroubleOutside
)

// Walked says that all entries were announced.
type Walked struct{}

// StreamJoin is a sender's word on a stream that the receiver was to dial (StreamOpen
// without an offer): the offer to join, or why not.
type StreamJoin struct {
	Stream uint32 `cbor:"1,keyasint"`
	Epoch  uint32 `cbor:"2,keyasint"`
	Offer  []byte `cbor:"3,keyasint,omitempty"`
	Error  string `cbor:"4,keyasint,omitempty"`
}
